"""What a training loop says of one iteration: the mapping that trackers read, understood once.

phase             "train", "val", "test" and their like; as it is said it stands in the names of what is recorded
epoch             whole number
iteration         the step; or, as elsewhere, total_iters (from 0, recorded from 1) or batch; else they are counted here
batch_size        how much the iteration weighs in its epoch's means; 1 if it isn't said
output_parser     {kind: [key, …]}, which keys are tracked, where the trackers weren't told
viz_flag          False: nothing costly of this iteration is looked at
meta_info         {"viz_id": [name, …]}: what the samples of the batch are called
data              a mapping with the tracked keys; else they stand beside the others
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asynclog.errors import InvalidValue
from asynclog.logger.naming import described
from asynclog.state import Phase, State

_PHASES: Final[tuple[tuple[str, Phase], ...]] = (("train", "train"), ("val", "valid"), ("eval", "valid"), ("test", "test"))


@dataclass(frozen=True, slots=True)
class Iteration:
    """phase: the word. values: by key. names: of the samples, or none. look: whether costly values are wanted."""

    phase: str
    state: State
    weight: float
    values: Mapping[str, Any]
    tracked: Mapping[str, Sequence[str]]
    names: Sequence[str]
    look: bool

    def sample(self, at: int) -> str:
        """What the batch's sample is called."""
        return str(self.names[at]) if at < len(self.names) else str(at)


def phase_of(word: Any) -> Phase:
    """The phase of a word that begins as one of these: train, val, eval, test. Raises InvalidValue."""
    if isinstance(word, str):
        for beginning, phase in _PHASES:
            if word.lower().startswith(beginning):
                return phase
    raise InvalidValue(kind="iteration", key="phase", expected="a word such as train, val or test", got=described(word))


class Iterations:
    """Understands one mapping after the other. tracked: {kind: [key, …]}, or None for what the mappings say."""

    def __init__(self, tracked: Mapping[str, Sequence[str]] | None) -> None:
        self._tracked = tracked
        self._counts: dict[str, int] = {}

    def understood(self, data: Any) -> Iteration:
        """Raises InvalidValue for a phase, epoch or step that is none, or no mapping."""
        if not isinstance(data, Mapping):
            expected = "a mapping with phase, epoch and what is tracked"
            raise InvalidValue(kind="iteration", expected=expected, got=described(data))
        if "phase" not in data:
            raise InvalidValue(kind="iteration", key="phase", expected="a word such as train, val or test", got="nothing")
        word = data["phase"]
        phase = phase_of(word)
        inner = data.get("data")
        meta = data.get("meta_info")
        names = meta.get("viz_id", ()) if isinstance(meta, Mapping) else ()
        state = State(self._step(data, word), phase, _whole(data.get("epoch", 0), "epoch"))
        size = data.get("batch_size", 1)
        if not (hasattr(size, "__index__") or isinstance(size, float)) or not 0 <= size < float("inf"):
            raise InvalidValue(kind="iteration", key="batch_size", expected="a number ≥ 0", got=described(size))
        tracked = self._tracked if self._tracked is not None else data.get("output_parser", {})
        values = inner if isinstance(inner, Mapping) else data
        return Iteration(word, state, float(size), values, tracked, names, data.get("viz_flag", True) is not False)

    def _step(self, data: Mapping[str, Any], word: str) -> int:
        count = self._counts[word] = self._counts.get(word, 0) + 1
        if "iteration" in data:
            return _whole(data["iteration"], "iteration")
        if "total_iters" in data:
            return _whole(data["total_iters"], "total_iters") + 1
        # Elsewhere a batch is the batch itself.
        return data["batch"] if isinstance(data.get("batch"), int) else count


def _whole(value: Any, key: str) -> int:
    if hasattr(value, "__index__"):
        return int(value)
    raise InvalidValue(kind="iteration", key=key, expected="a whole number", got=described(value))

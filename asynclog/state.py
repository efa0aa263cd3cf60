"""Where in the training a value belongs: step, phase, epoch, level, and further axes.

A State is made once a step on the hot path, so it has two slots: the step, and a context that all plain states of one
(phase, epoch, level) share. Two plain states belong to the same context exactly when their contexts are one object;
a state with axes or an elapsed time has a context of its own.
"""

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from asynclog.errors import InvalidValue

Phase = Literal["train", "valid", "test"]
Level = Literal["fit", "epoch", "batch"]
PHASES: Final[tuple[str, ...]] = get_args(Phase)
LEVELS: Final[tuple[str, ...]] = get_args(Level)
"""From the coarsest to the finest."""
_NO_AXES: Final[Mapping[str, float]] = MappingProxyType({})


class Context:
    """What states have in common, apart from the step."""

    __slots__ = ("axes", "elapsed_s", "epoch", "level", "phase")

    def __init__(self, phase: Phase, epoch: int, level: Level, elapsed_s: float | None, axes: Mapping[str, float]) -> None:
        self.phase, self.epoch, self.level, self.elapsed_s, self.axes = phase, epoch, level, elapsed_s, axes

    @property
    def plain(self) -> bool:
        return self.elapsed_s is None and not self.axes


BARE: Final = Context("train", 0, "batch", None, _NO_AXES)
"""The context of a bare step, the same for ever."""
_interned: dict[tuple[str, int, str], Context] = {("train", 0, "batch"): BARE}
# Precedent: an epoch counter that runs away (one a step) must not grow this table for ever.
_MOST_INTERNED: Final = 4096


def plain_context(phase: Phase, epoch: int, level: Level) -> Context:
    """The one context of all plain states of (phase, epoch, level)."""
    identity = (phase, epoch, level)
    found = _interned.get(identity)
    if found is None:
        if len(_interned) >= _MOST_INTERNED:
            _interned.clear()
            _interned["train", 0, "batch"] = BARE
        found = _interned[identity] = Context(phase, epoch, level, None, _NO_AXES)
    return found


def _whole(step: Any, field: str) -> int:
    if type(step) is int:
        number = step
    else:
        try:
            number = int(step.__index__())
        except (AttributeError, TypeError):
            raise InvalidValue(kind="state", key=field, expected="a whole number", got=repr(step)) from None
    if not -(2**63) <= number < 2**63:
        raise InvalidValue(kind="state", key=field, expected="a whole number of 64 bits", got=repr(step))
    return number


def _number(value: Any, field: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidValue(kind="state", key=field, expected="a number", got=repr(value)) from None


def _seconds(value: Any, field: str) -> float:
    seconds = _number(value, field)
    if not isfinite(seconds):
        raise InvalidValue(kind="state", key=field, expected="a finite number of seconds", got=repr(value))
    return seconds


def _named_numbers(axes: Any) -> Mapping[str, float]:
    if not isinstance(axes, Mapping):
        raise InvalidValue(kind="state", key="axes", expected="a mapping of names to numbers", got=repr(axes))
    for name in axes:
        if not isinstance(name, str):
            raise InvalidValue(kind="state", key="axes", expected="a str as each axis's name", got=repr(name))
    return MappingProxyType({name: _number(value, f"axes[{name!r}]") for name, value in axes.items()})


class State:
    """A point in training. Immutable and cheap; ``next()`` makes the following step's.

    step: whole number of 64 bits; late, repeated and decreasing steps are kept as they are.
    phase: "train", "valid" or "test". epoch: whole number. level: "fit", "epoch" or "batch".
    elapsed_s: seconds of training so far, finite, if the loop keeps its own clock; rate limits use it instead of the
    monotonic clock.
    axes: further x-axes, name to number (``policy_version``, ``samples``).

    Raises InvalidValue for anything else.
    """

    __slots__ = ("_context", "_step")
    _context: Context
    _step: int

    def __init__(
        self,
        step: int,
        phase: Phase = "train",
        epoch: int = 0,
        elapsed_s: float | None = None,
        level: Level = "batch",
        axes: Mapping[str, float] | None = None,
    ) -> None:
        if phase not in PHASES:
            raise InvalidValue(kind="state", key="phase", expected=f"one of {', '.join(PHASES)}", got=repr(phase))
        if level not in LEVELS:
            raise InvalidValue(kind="state", key="level", expected=f"one of {', '.join(LEVELS)}", got=repr(level))
        self._step = _whole(step, "step")
        epoch = _whole(epoch, "epoch")
        if elapsed_s is None and (axes is None or axes == {}):
            self._context = plain_context(phase, epoch, level)
        else:
            further = _NO_AXES if axes is None else _named_numbers(axes)
            elapsed = None if elapsed_s is None else _seconds(elapsed_s, "elapsed_s")
            self._context = Context(phase, epoch, level, elapsed, further)

    @property
    def step(self) -> int:
        return self._step

    @property
    def phase(self) -> Phase:
        return self._context.phase

    @property
    def epoch(self) -> int:
        return self._context.epoch

    @property
    def level(self) -> Level:
        return self._context.level

    @property
    def elapsed_s(self) -> float | None:
        return self._context.elapsed_s

    @property
    def axes(self) -> Mapping[str, float]:
        return self._context.axes

    def next(self) -> "State":
        """The next step of the same phase, epoch, level, elapsed time and axes.

        A step beyond 64 bits is refused by the write, not here.
        """
        following = _new(State)
        following._step = self._step + 1
        following._context = self._context
        return following

    def replace(self, **changes: Any) -> "State":
        """This state with some fields changed: ``state.replace(epoch=state.epoch + 1)``."""
        fields: dict[str, Any] = {
            "step": self.step,
            "phase": self.phase,
            "epoch": self.epoch,
            "elapsed_s": self.elapsed_s,
            "level": self.level,
            "axes": self.axes,
        }
        unknown = changes.keys() - fields.keys()
        if unknown:
            raise InvalidValue(kind="state", expected=f"fields among {', '.join(fields)}", got=", ".join(sorted(unknown)))
        return State(**(fields | changes))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((self._step, self.phase, self.epoch))

    def _fields(self) -> tuple[Any, ...]:
        return (self._step, self.phase, self.epoch, self.level, self.elapsed_s, dict(self.axes))

    def __repr__(self) -> str:
        further = "".join(
            f", {name}={value!r}"
            for name, value, default in (
                ("epoch", self.epoch, 0),
                ("elapsed_s", self.elapsed_s, None),
                ("level", self.level, "batch"),
                ("axes", dict(self.axes), {}),
            )
            if value != default
        )
        return f"State(step={self._step}, phase={self.phase!r}{further})"

    def __reduce__(self) -> tuple[Any, ...]:
        return State, (self.step, self.phase, self.epoch, self.elapsed_s, self.level, dict(self.axes))


_new = State.__new__


def as_state(state: Any, phase: Phase = "train") -> State:
    """A State whose step can be recorded, or the State of a bare step. Raises InvalidValue."""
    if not isinstance(state, State):
        return State(state, phase)
    # next() only counts: the look at how far it came is left to those who come here, beside the hot path.
    _whole(state._step, "step")
    return state

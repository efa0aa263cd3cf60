"""verl's loggers of samples: a validation's generations are rollouts, and rows of a table that grows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asynclog.integrations.outbox import Said
from asynclog.integrations.verl.backend import newest
from asynclog.state import State

_GENERATIONS: Final = "val/generations"
_FILTERED: Final = "training/filter_groups/filtered_reward_counts"


@dataclass
class ValidationGenerationsLogger:
    """As verl's. loggers: names of backends, or a ``Tracking``'s ``logger``; whatever they are, the newest backend records."""

    project_name: str | None = None
    experiment_name: str | None = None

    def log(self, loggers: Any, samples: Iterable[Sequence[Any]], step: int) -> None:
        """samples: (input, output, score) each. Of each a rollout, and of all of them rows (input, output, score)."""
        backend = newest()
        if backend is None:
            return
        listed = [tuple(one) for one in samples]
        rollouts = [Said("log_rollout", _GENERATIONS, _rollout(one, number)) for number, one in enumerate(listed)]
        rows = [[*one[:3]] for one in listed if len(one) >= 3]
        table = [Said("log_table", _GENERATIONS, rows, {"columns": ("input", "output", "score")})] if rows else []
        backend.put(State(step, "valid"), [*rollouts, *table])


@dataclass
class DapoFilteredRewardTableLogger:
    """As verl's: how many groups were filtered, by the reward that all of a group had."""

    project_name: str | None = None
    experiment_name: str | None = None

    def log(self, loggers: Any, reward_counts: Mapping[Any, int], step: int) -> None:
        """reward_counts: reward to number of groups. A row each."""
        backend = newest()
        if backend is not None and reward_counts:
            rows = [[float(reward), int(count)] for reward, count in sorted(reward_counts.items())]
            backend.put(State(step), [Said("log_table", _FILTERED, rows, {"columns": ("reward", "groups")})])


def _rollout(sample: Sequence[Any], number: int) -> dict[str, Any]:
    if len(sample) < 3:
        return {"messages": [{"role": "assistant", "content": str(sample[-1] if sample else "")}], "info": {"sample": number}}
    messages = [{"role": "user", "content": str(sample[0])}, {"role": "assistant", "content": str(sample[1])}]
    score = sample[2]
    return {"messages": messages, "info": {"sample": number}} | ({} if score is None else {"reward": float(score)})

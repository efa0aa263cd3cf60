"""Composer's units of resolution, and where in a training its state stands, in ours."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final

from asynclog.state import Level, Phase, State

_EPOCHS: Final = ("epoch_", "iteration_", "eval_", "predict_")
_FITS: Final = ("init", "before_load", "after_load", "fit_start", "fit_end")


class LogLevel(IntEnum):
    """As Composer had it up to 0.8: how often something is logged, FIT the most seldom. A destination takes its own level and
    what is less."""

    FIT = 1
    EPOCH = 2
    BATCH = 3


def level_of(event: str) -> Level:
    """The level that an event's values belong to: once a run, once an epoch (or evaluation), or once a batch."""
    if event in _FITS:
        return "fit"
    return "epoch" if event.startswith(_EPOCHS) and "batch" not in event and "forward" not in event else "batch"


def phase_of_event(event: str) -> Phase:
    """Evaluations are of phase valid, predictions of phase test."""
    return "valid" if event.startswith("eval_") else "test" if event.startswith("predict_") else "train"


def state_of(
    timestamp: Any, *, axes: Sequence[str] = (), step: int | None = None, phase: Phase = "train", level: Level = "batch"
) -> State:
    """A Timestamp as a State. step: in place of its batch. axes: which other fields of it become axes, times in seconds."""
    at = _number(timestamp.batch) if step is None else step
    further = {name: float(_number(getattr(timestamp, name))) for name in axes}
    return State(int(at), phase, int(_number(timestamp.epoch)), None, level, further or None)


def _number(time: Any) -> Any:
    """A Time's value; of a timedelta its seconds."""
    return time.total_seconds() if hasattr(time, "total_seconds") else getattr(time, "value", time)

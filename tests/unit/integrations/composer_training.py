"""A training as Composer's engine tells its destinations of it, without Composer."""

from collections.abc import Iterator
from enum import Enum
from typing import Any

import asynclog as al
from asynclog.integrations.composer.hosting import StandIn, Timestamp

EVENTS = ("init", "fit_start", "epoch_start", "batch_start", "batch_end", "eval_start", "eval_end", "epoch_end", "fit_end")
Event = Enum("Event", {name.upper(): name for name in EVENTS})  # type: ignore[misc]


class Notes(al.BaseSink):
    """Which hooks came."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def hook(self, name: str, state: al.State) -> None:
        self.names.append(name)


def fit(destination: Any, *, epochs: int = 2, batches: int = 3, run_name: str = "digits", fails_at: int = -1) -> Any:
    """Tell a destination what Composer would, in its order; returns the state. Fails before the end of a batch."""
    state, logger = StandIn(run_name, Timestamp()), None
    destination.log_hyperparameters({"composer_version": "0.32.1"})
    for event in _events(state, epochs, batches):
        if event == "batch_end":
            step = int(state.timestamp.batch) - 1
            if step == fails_at:
                raise FloatingPointError("the loss is NaN")
            destination.log_metrics({"loss/train/total": 1 / (step + 1), "trainer/device_train_microbatch_size": 8}, step)
        if event == "eval_end":
            destination.log_metrics({"metrics/eval/Accuracy": 0.5}, int(state.timestamp.batch))
        destination.run_event(Event(event), state, logger)
    return state


def _events(state: StandIn, epochs: int, batches: int) -> Iterator[str]:
    yield from ("init", "fit_start")
    batch = 0
    for epoch in range(epochs):
        yield "epoch_start"
        for _ in range(batches):
            yield "batch_start"
            batch += 1
            state.at(Timestamp(epoch, batch, 8 * batch))
            yield "batch_end"
        state.at(Timestamp(epoch + 1, batch, 8 * batch))
        yield from ("eval_start", "eval_end", "epoch_end")
    yield "fit_end"

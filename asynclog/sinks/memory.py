"""Time series in memory, for notebooks, tests, and loops that look at their own metrics."""

import asyncio
import copy
from typing import Any, ClassVar, Final

import numpy as np

from asynclog.errors import SeriesNotFound
from asynclog.sink import Batch, Event, Place
from asynclog.sinks.naming import flat_name
from asynclog.state import State
from asynclog.values import Array

_TURN_WRITES: Final = 200


class Memory:
    """Keeps everything it is given, for as long as it lives: about 250 bytes a number, media in full.

    events: every Event in order. data: "namespace/key" → [(State, value)…]. most_recent_values: "namespace/key" →
    value; most_recent_timestamps: the same → State. hyperparameters: the settings logged so far, later ones over earlier ones.
    Arrays are copies.
    """

    default_place: ClassVar[Place] = "caller"
    ephemeral: ClassVar[bool] = True

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.data: dict[str, list[tuple[State, Any]]] = {}
        self.most_recent_values: dict[str, Any] = {}
        self.most_recent_timestamps: dict[str, State] = {}
        self.hyperparameters: dict[str, Any] = {}

    async def write(self, batch: Batch, /) -> None:
        taken: list[tuple[State, Event]] = []
        for count, one in enumerate(batch.writes(), 1):
            taken.extend((one.state, _kept(event)) for event in one.events)
            if count % _TURN_WRITES == 0:
                await asyncio.sleep(0)
        # Nothing shows before everything is there: a cancelled write leaves no half that comes a second time.
        names: dict[tuple[Any, ...], str] = {}
        for state, event in taken:
            name = names.get(event[2:4])
            if name is None:
                name = names[event[2:4]] = flat_name(event.namespace, event.key)
                self.data.setdefault(name, [])
            self.data[name].append((state, event.value))
            self.most_recent_values[name] = event.value
            self.most_recent_timestamps[name] = state
            if event.kind == "config":
                self.hyperparameters.update(event.value)
        self.events.extend(event for _, event in taken)

    async def aclose(self) -> None:
        """Nothing to let go of: what was recorded can still be looked at."""

    def get_timeseries(self, metric: str, phase: str | None = None) -> dict[str, Array]:
        """One metric ("namespace/key") as arrays of equal length: its values, and where each was recorded.

        The dictionary holds step (as batch, too) and epoch (int64), phase (str), elapsed_s and each axis (float64, NaN where
        a state had none), and under its own name the metric: float64 or int64, objects for other kinds. phase: only this
        one's points. Raises SeriesNotFound.
        """
        points = [(state, value) for state, value in self.data.get(metric, ()) if phase in (None, state.phase)]
        if not points:
            known = ", ".join(sorted(self.data)) or "nothing yet"
            where = f"{metric!r} in phase {phase!r}" if phase else f"{metric!r}"
            raise SeriesNotFound(f"no series {where}; recorded: {known}")
        states = [state for state, _ in points]
        axes = dict.fromkeys(name for state in states for name in state.axes)
        elapsed = [np.nan if state.elapsed_s is None else state.elapsed_s for state in states]
        steps = np.array([state.step for state in states], np.int64)
        return {
            "step": steps,
            "batch": steps,
            "epoch": np.array([state.epoch for state in states], np.int64),
            "phase": np.array([state.phase for state in states]),
            "elapsed_s": np.array(elapsed, np.float64),
            **{name: np.array([state.axes.get(name, np.nan) for state in states], np.float64) for name in axes},
            metric: _column([value for _, value in points]),
        }

    def __repr__(self) -> str:
        return f"<Memory: {len(self.events)} events of {len(self.data)} series>"


def _kept(event: Event) -> Event:
    """An event that outlives its batch: the batch's arrays are views of memory that will hold something else."""
    if event.kind in ("scalar", "string"):
        return event
    return event._replace(value=copy.deepcopy(event.value), axes=dict(event.axes))


def _column(values: list[Any]) -> Array:
    kinds = {type(value) for value in values}
    if kinds == {int}:
        return np.array(values, np.int64)
    if kinds <= {int, float}:
        return np.array(values, np.float64)
    column = np.empty(len(values), object)
    column[:] = values
    return column

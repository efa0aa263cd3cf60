"""A batch, divided by the directory that shows it: numbers as columns, everything else as events."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from asynclog.sink import Batch, Column, Event
from asynclog.sinks.naming import flat_name


@dataclass
class Share:
    """What of a batch goes into one directory, by series."""

    columns: dict[str, Column] = field(default_factory=dict)
    events: list[tuple[str, Event]] = field(default_factory=list)

    @property
    def span(self) -> tuple[float, float]:
        """When its first and its last value were written."""
        times = [int(time) for column in self.columns.values() for time in (column.time_ns[0], column.time_ns[-1])]
        times += [event.time_ns for _, event in (*self.events[:1], *self.events[-1:])]
        return min(times) / 1e9, max(times) / 1e9


def shares(batch: Batch, *, by_phase: bool) -> Mapping[str, Share]:
    """By directory: "" for all, or a phase's name. A series is "phase/namespace/key", without the phase where that is the
    directory."""

    def named(phase: str, namespace: str, key: str) -> tuple[str, str]:
        name = flat_name(namespace, key)
        return (phase, name) if by_phase else ("", f"{phase}/{name}")

    made: dict[str, Share] = {}
    count, joined = 0, False
    for name, column in batch.columns.items():
        if not len(column.step):
            continue
        place, series = named(*name)
        columns = made.setdefault(place, Share()).columns
        joined |= series in columns
        columns[series] = column
        count += len(column.step)
    if not joined and count == len(batch):
        return made
    numbers: dict[tuple[str, str], list[Event]] = {}
    for event in batch:
        if event[0] != "scalar":
            place, series = named(*event[1:4])
            made.setdefault(place, Share()).events.append((series, event))
        elif joined:
            numbers.setdefault(named(*event[1:4]), []).append(event)
    for (place, series), events in numbers.items():
        # Two names that are one once they are joined: their points in the order in which they were written.
        made[place].columns[series] = _column(events)
    return made


def _column(events: list[Event]) -> Column:
    return Column(
        np.array([one.step for one in events], np.int64),
        np.array([one.time_ns for one in events], np.int64),
        np.array([float(one.value) for one in events], np.float64),
    )

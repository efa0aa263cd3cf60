"""A Batch: a view of consecutive records of one writer, as events, as columns, or as bytes.

Rows stay a matrix until somebody iterates. Frames of one drain may overlap in time, because alternating schemas fill blocks
of their own; iteration puts their rows back in the order of their times.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asynclog.sink import Block, Column, Event, Extent, Write
from asynclog.wire.frame import Buffer, Frame, encode, joined
from asynclog.wire.schema import Schema, Series

_NO_AXES: Final[Mapping[str, float]] = {}
_PIECE: Final = 256
"""Writes between two calls of a batch's ``pace``."""


class States(NamedTuple):
    """Of consecutive records of one phase and epoch, an item an event or a row."""

    phase: str
    epoch: int
    step: NDArray[np.int64]
    time_ns: NDArray[np.int64]


class Rows:
    """Rows of one schema. payload: their bytes, (rows × stride). frame: the one that holds just these, if there is one."""

    __slots__ = ("epoch", "frame", "level", "payload", "schema")

    def __init__(
        self, schema: Schema, payload: Buffer, epoch: int = 0, level: str = "batch", frame: Frame | None = None
    ) -> None:
        self.schema, self.payload, self.epoch, self.level, self.frame = schema, payload, epoch, level, frame

    def __len__(self) -> int:
        return len(self.payload) // self.schema.stride

    @property
    def times(self) -> NDArray[np.int64]:
        return self.schema.fields(self.payload)[:, -1].view(np.int64)

    def columns(self) -> Iterator[tuple[Series, Column]]:
        fields = self.schema.fields(self.payload)
        step, time = fields[:, 0].view(np.int64), fields[:, -1].view(np.int64)
        first = self.schema.first_column
        for at, series in enumerate(self.schema.series):
            column = fields[:, first + at]
            yield series, Column(step, time, column.view(np.int64) if series.code == "q" else column)

    def blocks(self) -> Iterator[Block]:
        fields, schema = self.schema.fields(self.payload), self.schema
        first = schema.first_column
        axes_at = first - len(schema.axes)
        numbers = [fields[:, first + at] for at in range(len(schema.series))]
        yield Block(
            schema.phase,
            self.epoch,
            self.level,
            fields[:, 0].view(np.int64),
            fields[:, -1].view(np.int64),
            fields[:, 1 + schema.due] if schema.elapsed else None,
            {name: fields[:, axes_at + at] for at, name in enumerate(schema.axes)},
            [(one.namespace, one.key) for one in schema.series],
            [one.view(np.int64) if series.code == "q" else one for one, series in zip(numbers, schema.series, strict=True)],
        )

    def others(self) -> Iterator[Event]:
        return iter(())

    def states(self) -> Iterator[States]:
        if self.schema.series:
            yield States(self.schema.phase, self.epoch, self.schema.fields(self.payload)[:, 0].view(np.int64), self.times)

    def writes(self) -> Iterator[tuple[int, list[Event]]]:
        """Per row, its time and its numbers as events."""
        schema = self.schema
        first = schema.first_column
        elapsed_at = 1 + schema.due if schema.elapsed else None
        axes_at = first - len(schema.axes)
        named = [(one.namespace, one.key) for one in schema.series]
        phase, epoch, level = schema.phase, self.epoch, self.level
        for row in schema.struct.iter_unpack(self.payload):
            step, time = row[0], row[-1]
            axes = dict(zip(schema.axes, row[axes_at:first], strict=True)) if schema.axes else _NO_AXES
            elapsed = None if elapsed_at is None else row[elapsed_at]
            yield (
                time,
                [
                    Event("scalar", phase, namespace, key, step, epoch, time, axes, value, level, elapsed)
                    for (namespace, key), value in zip(named, row[first:-1], strict=True)
                ],
            )

    def events(self) -> Iterator[Event]:
        return chain.from_iterable(events for _, events in self.writes())

    def pieces(self) -> Iterator["Rows"]:
        size = _PIECE * self.schema.stride
        for at in range(0, len(self.payload), size):
            yield Rows(self.schema, self.payload[at : at + size], self.epoch, self.level)


class Events:
    """Events one by one: media, text, sparse numbers, folded numbers. frame: the one that holds just these, if there is one."""

    __slots__ = ("_events", "frame")

    def __init__(self, events: Sequence[Event], frame: Frame | None = None) -> None:
        self._events, self.frame = events, frame

    def __len__(self) -> int:
        return len(self._events)

    @property
    def times(self) -> NDArray[np.int64]:
        return np.fromiter(map(attrgetter("time_ns"), self._events), np.int64, len(self._events))

    def columns(self) -> Iterator[tuple[Series, Column]]:
        numbers: dict[Series, list[Event]] = {}
        for one in self._events:
            if one.kind == "scalar":
                code = "q" if type(one.value) is int else "d"
                numbers.setdefault(Series(one.phase, one.namespace, one.key, code), []).append(one)
        for series, events in numbers.items():
            yield (
                series,
                Column(
                    np.array([one.step for one in events], np.int64),
                    np.array([one.time_ns for one in events], np.int64),
                    np.array([one.value for one in events], np.int64 if series.code == "q" else np.float64),
                ),
            )

    def blocks(self) -> Iterator[Block]:
        alike: dict[tuple[Any, ...], list[Event]] = {}
        for one in self._events:
            if one.kind == "scalar":
                state = (one.phase, one.epoch, one.level, one.elapsed_s is None, tuple(one.axes))
                alike.setdefault((*state, one.namespace, one.key, type(one.value) is int), []).append(one)
        for (phase, epoch, level, timeless, axes, namespace, key, whole), events in alike.items():
            yield Block(
                phase,
                epoch,
                level,
                np.array([one.step for one in events], np.int64),
                np.array([one.time_ns for one in events], np.int64),
                None if timeless else np.array([one.elapsed_s for one in events], np.float64),
                {name: np.array([one.axes[name] for one in events], np.float64) for name in axes},
                [(namespace, key)],
                [np.array([one.value for one in events], np.int64 if whole else np.float64)],
            )

    def others(self) -> Iterator[Event]:
        return (one for one in self._events if one.kind != "scalar")

    def states(self) -> Iterator[States]:
        for (phase, epoch), events in groupby(self._events, attrgetter("phase", "epoch")):
            found = [(one.step, one.time_ns) for one in events]
            step, time = np.array(found, np.int64).T
            yield States(phase, epoch, step, time)

    def writes(self) -> Iterator[tuple[int, list[Event]]]:
        for time, events in groupby(self._events, attrgetter("time_ns")):
            yield time, list(events)

    def events(self) -> Iterator[Event]:
        return iter(self._events)

    def pieces(self) -> Iterator["Events"]:
        # Not divided: the events of one write stay together.
        yield self


class Batch:
    """See asynclog.sink.Batch, which this implements. ``seq`` is the first record's; (writer, epoch, seq) never repeats.

    parts: or what makes them, once they are looked at; ``length`` then says how many events they are. pace: called between
    pieces of an iteration; whoever runs the sink may let its thread wait there.
    """

    def __init__(
        self,
        parts: "Sequence[Rows | Events] | Callable[[], Sequence[Rows | Events]]",
        *,
        writer: str,
        epoch: int,
        seq: int,
        frames: Sequence[Frame] = (),
        nonce: bytes = bytes(8),
        length: int | None = None,
    ) -> None:
        self._source = parts
        if length is not None:
            self._length = length
        self.writer, self.epoch, self.seq = writer, epoch, seq
        self._frames, self._nonce = frames, nonce
        self.pace: Callable[[], None] = _at_once
        self.rejected: dict[str, int] = {}
        """Events that the destination can't show, by reason: what the sink said while it wrote."""

    @cached_property
    def parts(self) -> Sequence["Rows | Events"]:
        """What it consists of, in the order of the records."""
        return self._source() if callable(self._source) else self._source

    @property
    def records(self) -> Sequence[Frame]:
        """The frames it was made from."""
        return self._frames

    @cached_property
    def _length(self) -> int:
        return sum(len(one) * (len(one.schema.series) if isinstance(one, Rows) else 1) for one in self.parts)

    def __len__(self) -> int:
        """Events in all; a row counts as many as it has numbers."""
        return self._length

    @cached_property
    def _ordered(self) -> bool:
        """Whether the parts follow each other in time, so that no row needs to be moved."""
        latest = -(2**63)
        for one in self.parts:
            if not len(one):
                continue
            times = one.times
            if times[0] < latest or (isinstance(one, Events) and bool((np.diff(times) < 0).any())):
                return False
            latest = int(times[-1])
        return True

    def __iter__(self) -> Iterator[Event]:
        if self._ordered:
            return chain.from_iterable(one.events() for one in self._pieces())
        return chain.from_iterable(events for _, events in self._timed())

    def _timed(self) -> Iterator[tuple[int, list[Event]]]:
        timed = chain.from_iterable(one.writes() for one in self._pieces())
        if self._ordered:
            return timed
        return chain.from_iterable(self._paced(sorted(timed, key=lambda one: one[0])))

    def _pieces(self) -> Iterator["Rows | Events"]:
        for part in self.parts:
            for piece in part.pieces():
                self.pace()
                yield piece

    def _paced(self, writes: list[tuple[int, list[Event]]]) -> Iterator[list[tuple[int, list[Event]]]]:
        for at in range(0, len(writes), _PIECE):
            self.pace()
            yield writes[at : at + _PIECE]

    def writes(self) -> Iterator[Write]:
        """Grouped by write: the records that share a time."""
        for time, group in groupby(self._timed(), lambda one: one[0]):
            events = list(chain.from_iterable(events for _, events in group))
            if not events:
                continue  # rows of a schema without columns
            yield Write(events[0].state, time, events)

    @cached_property
    def columns(self) -> Mapping[tuple[str, str, str], Column]:
        found: dict[tuple[str, str, str], list[Column]] = {}
        for part in self.parts:
            for series, column in part.columns():
                found.setdefault(series[:3], []).append(column)
        return {name: _one_column(columns) for name, columns in found.items()}

    def blocks(self) -> Iterator[Block]:
        for part in self.parts:
            if len(part):
                self.pace()
                yield from part.blocks()

    def others(self) -> Iterator[Event]:
        if self._ordered:
            return chain.from_iterable(part.others() for part in self.parts)
        return iter(sorted(chain.from_iterable(part.others() for part in self.parts), key=attrgetter("time_ns")))

    @cached_property
    def extents(self) -> Sequence[Extent]:
        found: dict[tuple[str, int], list[States]] = {}
        for part in self.parts:
            for states in part.states():
                if len(states.step):
                    found.setdefault(states[:2], []).append(states)
        extents = [_extent(*which, states) for which, states in found.items()]
        return sorted(extents, key=lambda one: one.first_ns)

    @cached_property
    def frames(self) -> Sequence[bytes]:
        return [joined(encode(one, self._nonce)) for one in self._frames]

    def reject(self, why: str, events: int = 1) -> None:
        self.rejected[why] = self.rejected.get(why, 0) + events

    def __repr__(self) -> str:
        return f"<Batch of {len(self)} events, {self.writer}/{self.epoch}/{self.seq}>"


def _at_once() -> None:
    """Nobody waits."""


def _extent(phase: str, epoch: int, states: list[States]) -> Extent:
    step, time = (np.concatenate(parts) for parts in zip(*(one[2:] for one in states), strict=True))
    # A write's numbers, texts and media are records of their own, all of one time.
    times, where = np.unique(time, return_index=True)
    first, last = step[where[0]], step[where[-1]]
    return Extent(phase, epoch, len(times), int(first), int(last), int(step.max()), int(times[0]), int(times[-1]))


def _one_column(columns: list[Column]) -> Column:
    if len(columns) == 1:
        return columns[0]
    joined = Column(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))
    if bool((np.diff(joined.time_ns) < 0).any()):
        order = np.argsort(joined.time_ns, kind="stable")
        return Column(*(part[order] for part in joined))
    return joined

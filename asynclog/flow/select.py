"""What one route gets of a stream: a pure function of the records and their due masks, the same from memory as from the
journal.

Of every event offered, exactly one becomes true: it is delivered, not due, filtered, or folded into one that is delivered.
What waits to be folded is pending.

    numbers of a write that is due          delivered, with what was folded since
    numbers of a write that is not due      fold: superseded ("last") or reduced into the next delivery of their phase
    other values, due                       delivered
    other values, not due                   not due
    hooks, artifacts                        delivered, or filtered where the sink doesn't want them

At the stream's end what a reduction had gathered is delivered once more; a number that merely was the newest was not due.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np

from asynclog.flow.limit import Limiter
from asynclog.flow.reduce import Fold
from asynclog.flow.route import CONSOLE, UNLIMITED, Route
from asynclog.sink import Event
from asynclog.wire.batch import Events, Rows
from asynclog.wire.schema import Series
from asynclog.wire.stream import Record

# What was counted within each write adds up between writes.
_AGAIN: Final = {"count": "sum"}
# Writes whose decision is remembered: more than the rows of one block.
_MOST_DECISIONS: Final = 1 << 16


@dataclass
class Counters:
    """offered == delivered + rejected + dropped + not_due + filtered + folded + pending, in events."""

    offered: int = 0
    delivered: int = 0
    rejected: int = 0
    dropped: int = 0
    not_due: int = 0
    filtered: int = 0
    folded: int = 0

    @property
    def pending(self) -> int:
        return self.offered - self.delivered - self.rejected - self.dropped - self.not_due - self.filtered - self.folded

    def add(self, other: "Counters") -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def as_dict(self) -> dict[str, int]:
        return {one.name: getattr(self, one.name) for one in fields(self)} | {"pending": self.pending}


@dataclass
class Selection:
    """What came of one record: parts to deliver, and the events that were settled without delivery."""

    parts: list["Rows | Events"]
    events: int
    settled: Counters


@dataclass
class Selector:
    """One route's view of one stream. bit: its mask bit there; None for a route that the stream doesn't know, whose own limit
    is then applied to the recorded times."""

    route: Route
    bit: int | None
    limiter: Limiter | None = None
    waiting: int = 0
    """Events that wait to be folded into a delivery."""
    _folds: dict[str, dict[Series, Fold]] = field(default_factory=dict)
    _own: dict[int, bool] = field(default_factory=dict)
    _epochs: dict[str, int] = field(default_factory=dict)

    def take(self, record: Record, always: int) -> Selection:
        """Decide about one record. always: the stream's mask of routes that get all numbers."""
        if isinstance(record.part, Rows):
            return self._rows(record.part, always)
        masks = record.due if isinstance(record.due, tuple) else None
        kept: list[Event] = []
        settled = Counters()
        as_it_is = record.part.frame is not None
        for at, event in enumerate(record.part.events()):
            hook = event.kind == "hook"
            if not self.route.wants(event.kind, event.phase, event.namespace, event.level) or (
                hook and event.value.name not in self.route.hooks
            ):
                settled.filtered += 1
                continue
            if self.bit is None and event.namespace == CONSOLE and not self.route.takes_console:
                settled.not_due += 1
                continue
            mask = masks[at] if masks is not None else record.due
            standing = int(mask) if isinstance(mask, int) else always
            due = event.kind in UNLIMITED or self._due(event.phase, event.step, event.time_ns, standing)
            if event.kind == "scalar":
                as_it_is = False
                reduction = "last"
                series = Series(event.phase, event.namespace, event.key, "d", reduction)
                if due:
                    kept.extend(self._deliver(event.phase, event.epoch, {series: event.value}, event, settled))
                else:
                    self._epochs[event.phase] = event.epoch
                    self._fold(series, event.value, event.step, event.time_ns, settled)
            elif due:
                kept.append(event)
            else:
                settled.not_due += 1
        if as_it_is and len(kept) == record.events:
            return Selection([record.part], len(kept), settled)
        return Selection([Events(kept)] if kept else [], len(kept), settled)

    def end(self) -> Selection:
        """The stream ended. A mean over the last steps would else reach nobody: what was reduced is a last delivery, each
        number at its own step."""
        kept: list[Event] = []
        settled = Counters()
        for phase, folds in self._folds.items():
            for series, fold in folds.items():
                if series.reduction == "last":
                    settled.not_due += 1
                else:
                    kept.append(_alone(series, fold, self._epochs.get(phase, 0)))
        self.forget()
        kept.sort(key=lambda event: event.time_ns)
        return Selection([Events(kept)] if kept else [], len(kept), settled)

    def forget(self) -> None:
        """What waits was settled already, in an earlier life of the route."""
        self._folds.clear()
        self.waiting = 0

    def leave_out(self, last: Mapping[str, int]) -> int:
        """Forget what waits at a step beyond the last one of its phase; how many events that were."""
        before = self.waiting
        for phase, folds in self._folds.items():
            if phase in last:
                for series in [one for one, fold in folds.items() if fold.step > last[phase]]:
                    del folds[series]
                    self.waiting -= 1
        return before - self.waiting

    def _due(self, phase: str, step: int, time_ns: int, mask: int) -> bool:
        if self.bit is not None:
            return bool(mask >> self.bit & 1)
        if self.limiter is None:
            return True
        # One decision a write: its records share their time, and may lie in blocks that overlap.
        if time_ns not in self._own:
            if len(self._own) >= _MOST_DECISIONS:
                self._own.clear()
            self._own[time_ns] = self.limiter.due(phase, step, time_ns)
        return self._own[time_ns]

    def _rows(self, rows: Rows, always: int) -> Selection:
        schema = rows.schema
        wanted = (
            [self.route.wants("scalar", one.phase, one.namespace, rows.level) for one in schema.series]
            if self.route.filters
            else None
        )
        due = self._due_rows(rows, always)
        total = len(rows) * len(schema.series)
        if wanted is not None and not any(wanted):
            return Selection([], 0, Counters(filtered=total))
        if due is None and (wanted is None or all(wanted)) and not self._folds.get(schema.phase):
            return Selection([rows], total, Counters())
        settled = Counters()
        kept: list[Event] = []
        for at, (_, events) in enumerate(rows.writes()):
            numbers: dict[Series, float] = {}
            for position, event in enumerate(events):
                if wanted is not None and not wanted[position]:
                    settled.filtered += 1
                else:
                    numbers[schema.series[position]] = event.value
            if not numbers:
                continue
            if due is None or due[at]:
                kept.extend(self._deliver(schema.phase, rows.epoch, numbers, events[0], settled))
            else:
                self._epochs[schema.phase] = rows.epoch
                for series, value in numbers.items():
                    self._fold(series, value, events[0].step, events[0].time_ns, settled)
        return Selection([Events(kept)] if kept else [], len(kept), settled)

    def _due_rows(self, rows: Rows, always: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]] | None":
        """Per row whether it is due; None if all are."""
        schema = rows.schema
        if self.bit is None:
            if self.limiter is None:
                return None
            step_and_time = ((row[0], row[-1]) for row in schema.struct.iter_unpack(rows.payload))
            own = [self._due(schema.phase, step, time, 0) for step, time in step_and_time]
            return None if all(own) else np.array(own, bool)
        if not schema.due:
            return None if always >> self.bit & 1 else np.zeros(len(rows), bool)
        masks = schema.fields(rows.payload)[:, 1].view(np.uint64)
        due = (masks >> np.uint64(self.bit) & np.uint64(1)).astype(bool)
        return None if bool(due.all()) else due

    def _fold(self, series: Series, value: float, step: int, time_ns: int, settled: Counters) -> None:
        folds = self._folds.setdefault(series.phase, {})
        fold = folds.get(series)
        if fold is None:
            folds[series] = Fold(_AGAIN.get(series.reduction, series.reduction), value, step, time_ns)
            self.waiting += 1
            return
        fold.add(value, step, time_ns)
        # The earlier one is settled now; the newest waits for the delivery it will be part of.
        if series.reduction == "last":
            settled.not_due += 1
        else:
            settled.folded += 1

    def _deliver(
        self, phase: str, epoch: int, numbers: dict[Series, float], event: Event, settled: Counters
    ) -> Iterator[Event]:
        folds = self._folds.pop(phase, {})
        self.waiting -= len(folds)
        for series, value in numbers.items():
            fold = folds.pop(series, None)
            if fold is not None:
                fold.add(value)
                value = fold.value
                if series.reduction == "last":
                    settled.not_due += 1
                else:
                    settled.folded += 1
            yield event._replace(namespace=series.namespace, key=series.key, value=value, kind="scalar")
        for series, fold in folds.items():
            yield _alone(series, fold, epoch)


def _alone(series: Series, fold: Fold, epoch: int) -> Event:
    """A fold as an event of its own, at the write that came last."""
    return Event("scalar", series.phase, series.namespace, series.key, fold.step, epoch, fold.time_ns, {}, fold.value)

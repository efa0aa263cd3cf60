"""What has been seen so far, phase by phase: where it is, how fast it goes, what its numbers are. No clock, no screen."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from asynclog.sink import Batch, Extent
from asynclog.sinks.naming import flat_name
from asynclog.sinks.progress.pace import Pace

_MOST_VALUES: Final = 1000
_SHOWN: Final = 4


class Track:
    """Of one phase. total: steps in all, counted from step 0; per_epoch: writes in an epoch. At most one of them is given.

    With ``total`` it is as far as its greatest step: late steps don't put it back, and a resumed run goes on where it was.
    With ``per_epoch`` writes are counted anew in each epoch, and again from one where there are more; of "train" the writes
    of an epoch that an earlier process began are told from the step.
    """

    def __init__(self, first: Extent, total: int | None, per_epoch: int | None) -> None:
        self.phase, self.epoch = first.phase, first.epoch
        self.writes, self.step = 0, first.first_step - 1
        self.first_s = first.first_ns / 1e9
        self.initial = 0 if per_epoch else max(0, first.first_step)
        """How much of the total was done before this process."""
        self.values: dict[str, float] = {}
        self.pace = Pace(self.first_s)
        self._total, self._per_epoch = total, per_epoch
        self._in_epoch = max(0, first.first_step) % per_epoch if per_epoch and first.phase == "train" else 0

    def take(self, extent: Extent, *, paused: bool) -> None:
        """It has come further, or something came late. paused: whether another phase came in between."""
        before = self.step
        if extent.epoch > self.epoch:
            self.epoch, self._in_epoch = extent.epoch, 0
            if self._total is None and extent.greatest_step < self.step:
                before = self.step = extent.first_step - 1  # steps begin anew with each epoch
        if extent.epoch == self.epoch:
            self._in_epoch += extent.writes
        self.step = max(self.step, extent.greatest_step)
        # What validation writes at one step, and what an epoch counts, goes by writes. The first of all ends a step whose
        # beginning nobody saw.
        by_steps = not self._per_epoch and self.step > before
        done = (self.step - before if by_steps else extent.writes) - (not self.writes)
        inner = extent.last_step - extent.first_step if by_steps else extent.writes - 1
        self.writes += extent.writes
        self.pace.add(extent.first_ns / 1e9, extent.last_ns / 1e9, done, max(0, inner), paused=paused)

    def note(self, name: str, value: float) -> None:
        """A number's newest value."""
        if name in self.values or len(self.values) < _MOST_VALUES:
            self.values[name] = value

    @property
    def done(self) -> int:
        """Of ``total``: steps, in the whole run or in the epoch."""
        if self._per_epoch:
            return (self._in_epoch - 1) % self._per_epoch + 1 if self._in_epoch else 0
        return max(0, self.step + 1)

    @property
    def total(self) -> int | None:
        """What ``done`` goes up to; None if that isn't known, or was wrong."""
        total = self._per_epoch or self._total
        return total if total is not None and self.done <= total else None

    @property
    def left_s(self) -> float | None:
        """Seconds to the end of the total, if it goes on as before; None if nobody knows."""
        speed, total = self.pace.mean_speed, self.total
        if speed is None or total is None or self.done == total:
            return None
        return (total - self.done) / speed


class Tally:
    """Of a run. totals, per_epoch: by phase, or one number for "train". metrics: patterns of "namespace/key"; None: the numbers
    of each phase that came first."""

    def __init__(
        self,
        total: int | Mapping[str, int] | None,
        per_epoch: int | Mapping[str, int] | None,
        metrics: Sequence[str] | None,
    ) -> None:
        self._totals, self._per_epoch, self._metrics = by_phase(total), by_phase(per_epoch), metrics
        self.tracks: dict[str, Track] = {}
        self._latest = ""

    def take(self, batch: Batch) -> None:
        """A batch, without looking at each of its numbers."""
        for extent in batch.extents:
            phase = extent.phase
            if phase not in self.tracks:
                self.tracks[phase] = Track(extent, self._totals.get(phase), self._per_epoch.get(phase))
            self.tracks[phase].take(extent, paused=self._latest not in ("", phase))
            self._latest = phase
        for (phase, namespace, key), column in batch.columns.items():
            self.tracks[phase].note(flat_name(namespace, key), column.value[-1].item())

    def shown(self, track: Track) -> list[tuple[str, float]]:
        """The numbers that are shown of a phase."""
        if self._metrics is None:
            return list(track.values.items())[:_SHOWN]
        return [(name, track.values[name]) for pattern in self._metrics for name in _matching(pattern, track.values)]


def by_phase(given: int | Mapping[str, int] | None) -> Mapping[str, int]:
    """Totals by phase; a bare number is the training's."""
    if given is None:
        return {}
    return {"train": given} if isinstance(given, int) else dict(given)


def _matching(pattern: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if fnmatchcase(name, pattern)]

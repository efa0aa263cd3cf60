"""Meters: numbers that every rank adds to at its own pace, and that are reduced over all ranks when somebody asks.

Adding touches neither another rank nor a device's pace. Reducing is one collective for all meters, packed in one row; a name
that not every rank has added to costs a second and third one, once.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from math import nan
from operator import add
from typing import Any, Final, NamedTuple

from asynclog.errors import InvalidValue
from asynclog.logger.naming import described
from asynclog.routines import group as groups
from asynclog.routines.far import Amount, Fetching, exact, is_far, numbers_here
from asynclog.routines.packing import NOTHING, Reading, agreement, is_agreed, packed, reduced


def _least(one: float, other: float) -> float:
    return other if other < one or other != other else one


def _greatest(one: float, other: float) -> float:
    return other if other > one or other != other else one


_JOINS: Final = {"min": (_least, "minimum"), "max": (_greatest, "maximum")}


class _Meter:
    __slots__ = ("amount", "how", "times", "weight")

    def __init__(self, how: str) -> None:
        here, there = _JOINS.get(how, (add, "sum"))
        self.how, self.times = how, 0
        self.amount = Amount(NOTHING[how], here, there)
        self.weight = Amount(0.0, add, "sum")


class Reduced(NamedTuple):
    """What came of a reduction: of all ranks, and this rank's own; by name."""

    all: dict[str, Reading]
    own: dict[str, Reading]

    @property
    def values(self) -> dict[str, float]:
        """Of all ranks, as numbers."""
        return {name: one.value for name, one in self.all.items()}

    @property
    def own_values(self) -> dict[str, float]:
        """This rank's, as numbers."""
        return {name: one.value for name, one in self.own.items()}


class Meters:
    """mean, sum, min, max and ratio by name, of this process and, where torch.distributed is initialised, of all ranks.

    across_ranks: False: this process alone. group: of torch.distributed, whose backend takes tensors of the CPU, and in which
    nobody else communicates; None: one is made, when the first meters are reduced, or here if torch.distributed is initialised
    by now: either way by all ranks together. timeout: seconds that a rank waits for the others.

    Values are numbers, arrays or tensors. What lies on a device stays there until it is reduced. For one thread at a time.
    """

    def __init__(self, *, across_ranks: bool = True, group: Any = None, timeout: float = 600.0) -> None:
        self._across, self._given, self._timeout = across_ranks, group, timeout
        self._meters: dict[str, _Meter] = {}
        self._agreed: dict[str, str] = {}
        self._ranks = groups.ranks(timeout, group) if across_ranks else None
        self._thread: ThreadPoolExecutor | None = None

    # -- adding -----------------------------------------------------------------------------------------------------

    def mean(self, name: str, value: Any, weight: float | None = None) -> None:
        """A mean of numbers, each with a weight; default: 1 for a number, and for an array how many it has. Raises InvalidValue
        for what is no number."""
        if type(value) is float:
            meter = self._meter(name, "mean")
            weight = 1.0 if weight is None else weight
            meter.amount.add(value * weight)
        elif is_far(value):
            meter = self._meter(name, "mean")
            # An array of none has no mean that could weigh anything.
            weight = float(value.numel()) if weight is None or not value.numel() else weight
            meter.amount.add_far(exact(value).mean() * weight if value.numel() else exact(value).sum())
        else:
            found = self._numbers(name, value)
            meter = self._meter(name, "mean")
            weight = float(len(found)) if weight is None or not len(found) else weight
            meter.amount.add(float(found.mean()) * weight if len(found) else 0.0)
        meter.weight.add(weight)
        meter.times += 1

    def sum(self, name: str, value: Any) -> None:
        """A sum. Raises InvalidValue for what is no number."""
        self._join(name, "sum", value)

    def min(self, name: str, value: Any) -> None:
        """The least, NaN if there is one. Raises InvalidValue for what is no number."""
        self._join(name, "min", value)

    def max(self, name: str, value: Any) -> None:
        """The greatest, NaN if there is one. Raises InvalidValue for what is no number."""
        self._join(name, "max", value)

    def ratio(self, name: str, numerator: Any, denominator: Any) -> None:
        """All numerators over all denominators, as of an accuracy: right answers over answers. Raises InvalidValue for what is
        no number."""
        # Both are looked at before either counts.
        given = [one if is_far(one) else self._numbers(name, one) for one in (numerator, denominator)]
        meter = self._meter(name, "ratio")
        for amount, value in zip((meter.amount, meter.weight), given, strict=True):
            if is_far(value):
                amount.add_far(exact(value).sum())
            else:
                amount.add(float(value.sum()))
        meter.times += 1

    def spread(self, name: str, value: Any) -> None:
        """name/mean, name/min and name/max at once."""
        self.mean(f"{name}/mean", value)
        self.min(f"{name}/min", value)
        self.max(f"{name}/max", value)

    def _join(self, name: str, how: str, value: Any) -> None:
        if is_far(value):
            meter = self._meter(name, how)
            meter.amount.add_far(getattr(exact(value), {"min": "amin", "max": "amax"}.get(how, "sum"))())
        else:
            found = self._numbers(name, value)
            meter = self._meter(name, how)
            if len(found) or how == "sum":
                meter.amount.add(float(getattr(found, how)()))
        meter.times += 1

    def _numbers(self, name: str, value: Any) -> Any:
        try:
            return numbers_here(value)
        except (TypeError, ValueError) as error:
            raise InvalidValue(
                key=name, kind="meter", expected="a number, or an array of them", got=described(value)
            ) from error

    def _meter(self, name: str, how: str) -> _Meter:
        found = self._meters.get(name)
        if found is None:
            found = self._meters[name] = _Meter(how)
        elif found.how != how:
            hint = f"name it otherwise: {name}/{how}"
            raise InvalidValue(key=name, kind="meter", expected=f"a {found.how}, as before", got=f"a {how}", hint=hint)
        return found

    def __len__(self) -> int:
        """How many meters have been added to since the last reduction."""
        return len(self._meters)

    # -- reducing ---------------------------------------------------------------------------------------------------

    @property
    def alone(self) -> bool:
        """Whether there are no other ranks to ask."""
        return not self._across or groups.is_over()

    async def reduce(self) -> Reduced:
        """What all ranks have added since the last time, the same on every rank, and begin anew.

        Every rank calls it, as often as the others: it waits for them, in another thread. Raises InvalidValue, on every rank,
        for a name that is a mean on one and a sum on another; what torch raises if a rank is gone or ``timeout`` is over.
        """
        work = self._work()
        if work.quick:
            return work.run()
        # A caller that is cancelled leaves its rank's part to be done: the others wait for it.
        return await asyncio.shield(asyncio.wrap_future(self._submitted(work)))

    def reduce_blocking(self) -> Reduced:
        """The same, waiting in this thread."""
        work = self._work()
        return work.run() if work.quick else self._submitted(work).result()

    def take_means(self) -> dict[str, Any]:
        """The means and ratios of this process alone, and begin anew, without waiting for a device: floats, or tensors of no
        dimensions on theirs. Other meters are let go of."""
        meters, self._meters = self._meters, {}
        found: dict[str, Any] = {}
        for name, one in meters.items():
            if one.how not in ("mean", "ratio"):
                continue
            # Of what lies on several devices, which no loop has done yet, they are waited for.
            amount, weight = (
                part.settled(Fetching(part.there).wait()) if part.lazily is None else part.lazily
                for part in (one.amount, one.weight)
            )
            found[name] = nan if type(weight) is float and not weight else amount / weight
        return found

    def _work(self) -> "_Work":
        meters, self._meters = self._meters, {}
        return _Work(self, meters)

    def _submitted(self, work: "_Work") -> "Future[Reduced]":
        # One thread: collectives keep their order.
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="asynclog-meters")
        return self._thread.submit(work.run)

    def over_ranks(self, own: Mapping[str, Reading]) -> dict[str, Reading]:
        """What all ranks' readings come to. A collective."""
        if self._ranks is None:
            self._ranks = groups.ranks(self._timeout, self._given)
        ranks = self._ranks
        if ranks is None:
            return dict(own)
        while True:
            rows = ranks.rows(packed(self._agreed, own))
            if is_agreed(rows):
                break
            self._agreed = agreement(ranks.objects({name: one.how for name, one in own.items()}))
        found = reduced(self._agreed, rows)
        # What nobody uses any more need not travel again.
        self._agreed = {name: how for name, how in self._agreed.items() if name in found}
        return found

    def close(self) -> None:
        """Let go of the thread. The meters can still be used."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    def __repr__(self) -> str:
        return f"<Meters: {len(self._meters)}, {'alone' if self.alone else 'of several ranks'}>"


class _Work:
    """One reduction: what was added until now, asked for of its devices."""

    def __init__(self, meters: Meters, taken: Mapping[str, _Meter]) -> None:
        self._meters, self._taken, self._alone = meters, taken, meters.alone
        amounts = [amount for one in taken.values() for amount in (one.amount, one.weight)]
        self._counts = [len(one.there) for one in amounts]
        self._fetching = Fetching([number for one in amounts for number in one.there])
        self.quick = self._alone and not self._fetching

    def run(self) -> Reduced:
        fetched = iter(self._fetching.wait())
        counts = iter(self._counts)

        def settled(amount: Amount) -> float:
            return amount.settled([next(fetched) for _ in range(next(counts))])

        own = {name: Reading(one.how, settled(one.amount), settled(one.weight), one.times) for name, one in self._taken.items()}
        return Reduced(own if self._alone else self._meters.over_ranks(own), own)

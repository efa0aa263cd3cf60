"""What may be wrong: rules on values, on silence, on a run's end. They hold no state, and know no clock and no I/O.

A rule on values says of each point whether it is bad (a breach) and whether it is good again (a clearance); a point may be
neither. ``watch.look`` makes alerts of that, in the same way for all of them:

quiet     breaches follow each other, ``points`` of them over ``seconds`` at least      alarmed, and an alert
quiet     the same, less than ``cooldown`` after the last alert                          quiet; withheld is counted
alarmed   a breach                                                                       alarmed, nothing is said
alarmed   a clearance                                                                    quiet
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import copysign, inf
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.errors import InvalidConfiguration

Numbers = NDArray[Any]
Flags = NDArray[np.bool_]
Memory = tuple[float, ...]
STATUSES: Final = ("finished", "failed", "killed", "exited")
_NOTHING: Final[Memory] = ()
_MOST: Final = float(np.finfo(np.float64).max)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What all rules have. to: names of the actions that its alerts go to; None for all. name: unique among the rules of one
    ``Alerts``; default: made of the rule's settings."""

    to: str | Sequence[str] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.to, str):
            object.__setattr__(self, "to", (self.to,))
        if not self.name:
            object.__setattr__(self, "name", self._described())

    def _described(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ValueRule(Rule):
    """A rule on numbers. series: a pattern, or several, of "namespace/key" with ``*``, ``?`` and ``[…]``. phase: only this
    one's. points, seconds: how many breaches in a row, over how long, make an alert. cooldown: seconds after an alert in which
    a series isn't told of again by this rule, however often it comes and goes.

    Raises InvalidConfiguration.
    """

    series: str | Sequence[str] = field(kw_only=False)
    phase: str | None = None
    points: int = 1
    seconds: float = 0.0
    cooldown: float = 300.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.points < 1 or not 0 <= self.seconds < inf or not self.cooldown >= 0:
            raise InvalidConfiguration(
                f"rule {self.name!r}: expected points ≥ 1, seconds ≥ 0, cooldown ≥ 0, "
                f"got {self.points}, {self.seconds}, {self.cooldown}"
            )

    def concerns(self, phase: str, name: str) -> bool:
        """Whether a series ("namespace/key") is this rule's business."""
        return self.phase in (None, phase) and any(fnmatchcase(name, one) for one in patterns(self.series))

    def judge(self, memory: Memory, values: Numbers) -> tuple[Flags, Flags, Memory]:
        """Which values breach the rule, which are good again, and what it remembers of the series for the next ones."""
        raise NotImplementedError

    def reason(self) -> str:
        """What is wrong with a value that breaches it: "is above 10"."""
        raise NotImplementedError

    @property
    def persistence(self) -> str:
        """How long it has to be wrong, in words."""
        points = f" for {self.points} points" if self.points > 1 else ""
        return points + (f" for {self.seconds:g} s" if self.seconds else "")

    def _where(self) -> str:
        return "|".join(patterns(self.series)) + (f" in {self.phase}" if self.phase else "")

    def _described(self) -> str:
        return f"{self._where()} {self.reason()}{self.persistence}"


@dataclass(frozen=True, kw_only=True)
class NotFinite(ValueRule):
    """NaN or infinite: any series, or those that match."""

    series: str | Sequence[str] = field(default="*", kw_only=False)

    def judge(self, memory: Memory, values: Numbers) -> tuple[Flags, Flags, Memory]:
        good = np.isfinite(values)
        return ~good, good, _NOTHING

    def reason(self) -> str:
        return "is not finite"


@dataclass(frozen=True, kw_only=True)
class Above(ValueRule):
    """Greater than ``limit``; good again at ``clear`` or below (default: ``limit``), so that noise around the limit is one
    alert. NaN is neither, and breaks a row of breaches."""

    limit: float = field(kw_only=False)
    clear: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.limit >= self._clear:
            raise InvalidConfiguration(f"rule {self.name!r}: expected clear ≤ limit, got {self.clear} and {self.limit}")

    def judge(self, memory: Memory, values: Numbers) -> tuple[Flags, Flags, Memory]:
        return values > self.limit, values <= self._clear, _NOTHING

    def reason(self) -> str:
        return f"is above {self.limit:g}"

    @property
    def _clear(self) -> float:
        return self.limit if self.clear is None else self.clear


@dataclass(frozen=True, kw_only=True)
class Below(ValueRule):
    """Less than ``limit``; good again at ``clear`` or above (default: ``limit``)."""

    limit: float = field(kw_only=False)
    clear: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.limit <= self._clear:
            raise InvalidConfiguration(f"rule {self.name!r}: expected clear ≥ limit, got {self.clear} and {self.limit}")

    def judge(self, memory: Memory, values: Numbers) -> tuple[Flags, Flags, Memory]:
        return values < self.limit, values >= self._clear, _NOTHING

    def reason(self) -> str:
        return f"is below {self.limit:g}"

    @property
    def _clear(self) -> float:
        return self.limit if self.clear is None else self.clear


@dataclass(frozen=True, kw_only=True)
class Jump(ValueRule):
    """Further than ``deviations`` standard deviations from the moving mean of the finite values before it, both weighted
    exponentially over the last ``over`` or so, once there were ``after`` of them (default: ``over``).

    A new level becomes the mean by and by, and then is good. Mean and variance: West (1979), with weight 2 / (over + 1).
    """

    deviations: float = 6.0
    over: int = 100
    after: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.deviations < inf or self.over < 2 or (self.after is not None and self.after < 2):
            raise InvalidConfiguration(f"rule {self.name!r}: expected deviations > 0, over ≥ 2 and after ≥ 2")

    def judge(self, memory: Memory, values: Numbers) -> tuple[Flags, Flags, Memory]:
        finite = np.isfinite(values)
        count, mean, variance = memory or (0.0, 0.0, 0.0)
        weight = 2.0 / (self.over + 1.0)
        keep, most = 1.0 - weight, self.deviations**2
        bad = np.zeros(len(values), np.bool_)
        known = np.cumsum(finite) + count > (self.over if self.after is None else self.after)
        # This loop is what the rule costs: a microsecond a value.
        for at, value, judged in zip(
            np.flatnonzero(finite).tolist(), values[finite].tolist(), known[finite].tolist(), strict=True
        ):
            off = value - mean if count else 0.0
            if off - off:
                off = copysign(_MOST, off)  # two values may be as far apart as there are floats
            if judged and off * off > most * variance:
                bad[at] = True
            mean = mean + weight * off if count else float(value)
            variance = min(keep * (variance + weight * off * off), _MOST)
            count += 1.0
        return bad, finite & known & ~bad, (count, mean, variance)

    def reason(self) -> str:
        return f"is {self.deviations:g} deviations off its mean"


@dataclass(frozen=True, kw_only=True)
class Silent(Rule):
    """Nothing has come for ``seconds``: of the series that match ``series``, or of anything at all. first: how long the first
    may take, from when the sink is opened (default: ``seconds``). One alert a silence."""

    seconds: float = field(kw_only=False)
    series: str | Sequence[str] | None = None
    first: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.seconds < inf or (self.first is not None and not 0 < self.first < inf):
            raise InvalidConfiguration(f"rule {self.name!r}: expected seconds > 0, got {self.seconds} and first {self.first}")

    def concerns(self, name: str) -> bool:
        """Whether a series ("namespace/key") breaks its silence."""
        return self.series is None or any(fnmatchcase(name, one) for one in patterns(self.series))

    def patience(self, *, heard: bool) -> float:
        """Seconds that a silence may last; heard: whether anything has come before it."""
        return self.seconds if heard or self.first is None else self.first

    def reason(self) -> str:
        return "nothing" if self.series is None else f"nothing of {'|'.join(patterns(self.series))}"

    def _described(self) -> str:
        return f"{self.reason()} for {self.seconds:g} s"


@dataclass(frozen=True, kw_only=True)
class Ended(Rule):
    """The run has ended in one of these ways: "failed" (the body raised), "killed", "exited" (without closing), "finished"."""

    statuses: str | Sequence[str] = field(default=("failed", "killed", "exited"), kw_only=False)

    def __post_init__(self) -> None:
        if isinstance(self.statuses, str):
            object.__setattr__(self, "statuses", (self.statuses,))
        super().__post_init__()
        if unknown := [one for one in self.statuses if one not in STATUSES]:
            raise InvalidConfiguration(f"an Ended rule's statuses: expected some of {', '.join(STATUSES)}, got {unknown}")

    def _described(self) -> str:
        return f"ended as {'|'.join(self.statuses)}"


def patterns(series: str | Sequence[str]) -> Sequence[str]:
    """One pattern or several, as several."""
    return (series,) if isinstance(series, str) else series

"""Rate limits: when a route is due.

The rule is ml-starter's, per phase: the first write of a phase is due; after that a write is due when
``elapsed − last ≥ interval``, and being due moves ``last``. Steps and budget are further conditions; a write is due when
every condition that was given says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from numbers import Real
from typing import Any, Final

from asynclog.errors import InvalidConfiguration
from asynclog.state import PHASES
from asynclog.values import EVERY_KIND

_NANOSECONDS: Final = 1_000_000_000


def is_number(given: object) -> bool:
    """Whether an argument is a real number, and no bool."""
    return isinstance(given, Real) and not isinstance(given, bool)


@dataclass(frozen=True)
class _Intervals:
    every: float | None
    phases: dict[str, float | None]


class RateLimit:
    """At most one delivery per interval, counted per phase.

    every: seconds between deliveries; train, valid, test: the same for one phase, in place of ``every``. None: no interval.
    steps: at least so many steps between deliveries. budget: the share of the loop's wall time, 0–1, that logging may take.
    spare: kinds that the limit doesn't touch, such as {"scalar", "string"}.

    Raises InvalidConfiguration for intervals that are no number ≥ 0, steps below 1, a budget outside (0, 1], unknown kinds.
    """

    __slots__ = ("_intervals", "budget", "spare", "steps")

    def __init__(
        self,
        every: float | None = None,
        *,
        train: float | None = None,
        valid: float | None = None,
        test: float | None = None,
        steps: int | None = None,
        budget: float | None = None,
        spare: Iterable[str] = (),
    ) -> None:
        phases = dict(zip(PHASES, (train, valid, test), strict=True))
        for name, seconds in {"every": every, **phases}.items():
            if seconds is not None and not (is_number(seconds) and 0 <= seconds < inf):
                raise InvalidConfiguration(f"RateLimit {name}: expected seconds ≥ 0, as a number, got {seconds!r}")
        if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 1):
            raise InvalidConfiguration(f"RateLimit steps: expected a whole number ≥ 1, got {steps!r}")
        if budget is not None and not (is_number(budget) and 0 < budget <= 1):
            raise InvalidConfiguration(f"RateLimit budget: expected a share in (0, 1], got {budget!r}")
        if isinstance(spare, str):
            raise InvalidConfiguration(
                f"RateLimit spare: expected a set of kinds, got the string {spare!r}; write {{{spare!r}}}"
            )
        kinds = list(spare) if isinstance(spare, Iterable) else [spare]
        if not all(isinstance(one, str) and one in EVERY_KIND for one in kinds):
            raise InvalidConfiguration(f"RateLimit spare: expected some of {', '.join(EVERY_KIND)}, got {spare!r}")
        self._intervals = _Intervals(every, phases)
        self.steps, self.budget, self.spare = steps, budget, frozenset(kinds)

    def interval(self, phase: str) -> float | None:
        """Seconds between deliveries in this phase, or None."""
        own = self._intervals.phases[phase]
        return self._intervals.every if own is None else own

    @property
    def unlimited(self) -> bool:
        """Whether every write is due, whatever its phase."""
        return self.steps is None and self.budget is None and not any(self.interval(phase) for phase in PHASES)

    @property
    def by_time_alone(self) -> bool:
        """Whether the clock alone tells when the next write is due."""
        return self.steps is None and self.budget is None

    def __repr__(self) -> str:
        given = {"every": self._intervals.every, **self._intervals.phases, "steps": self.steps, "budget": self.budget}
        shown = [f"{name}={value}" for name, value in given.items() if value is not None]
        return f"RateLimit({', '.join(shown + ([f'spare={set(self.spare)}'] if self.spare else []))})"


@dataclass(frozen=True)
class LimitState:
    """Where a limit stands, for a checkpoint: when and at which step a phase was due last, when its clock began, and what
    logging took."""

    last_ns: Mapping[str, int]
    last_step: Mapping[str, int]
    began_ns: int | None
    spent_ns: int

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        steps = dict(self.last_step)
        return {"last_ns": dict(self.last_ns), "last_step": steps, "began_ns": self.began_ns, "spent_ns": self.spent_ns}


@dataclass
class Limiter:
    """The state of one route's limit. Times are nanoseconds of whatever clock the caller keeps to."""

    limit: RateLimit
    _last_ns: dict[str, int] = field(default_factory=dict)
    _last_step: dict[str, int] = field(default_factory=dict)
    _began_ns: int | None = None
    _spent_ns: int = 0

    def due(self, phase: str, step: int, now_ns: int) -> bool:
        """Whether a write is due now; if it is, the next interval begins."""
        if self._began_ns is None:
            self._began_ns = now_ns
        last = self._last_ns.get(phase)
        if last is not None and not (
            self._interval_passed(phase, last, now_ns) and self._steps_passed(phase, step) and self._within_budget(now_ns)
        ):
            return False
        self._last_ns[phase] = now_ns
        self._last_step[phase] = step
        return True

    def mark(self) -> "tuple[dict[str, int], dict[str, int]]":
        """What ``back_to`` needs to take back every "due" from here on."""
        return dict(self._last_ns), dict(self._last_step)

    def back_to(self, mark: "tuple[dict[str, int], dict[str, int]]") -> None:
        """As if nothing had been asked since: the writes that were due did not happen."""
        self._last_ns, self._last_step = mark

    def state(self) -> LimitState:
        """Where it stands now."""
        return LimitState(dict(self._last_ns), dict(self._last_step), self._began_ns, self._spent_ns)

    def go_on_from(self, state: LimitState, later_ns: int) -> None:
        """Stand where another stood, on a clock that shows so much more: the time in between doesn't count."""
        self._last_ns = {phase: last + later_ns for phase, last in state.last_ns.items()}
        self._last_step = dict(state.last_step)
        self._began_ns = None if state.began_ns is None else state.began_ns + later_ns
        self._spent_ns = state.spent_ns

    def spend(self, duration_ns: int) -> None:
        """Count time that logging took against the budget."""
        self._spent_ns += duration_ns

    def next_due_ns(self) -> int | None:
        """The earliest time at which a write of any phase could be due; None where the clock alone can't tell."""
        if not self.limit.by_time_alone:
            return None
        return min(self._next_of(phase) for phase in PHASES)

    def _next_of(self, phase: str) -> int:
        last, interval = self._last_ns.get(phase), self.limit.interval(phase)
        if last is None or not interval:
            return 0
        return last + round(interval * _NANOSECONDS)

    def next_due_in(self, phase: str) -> int | None:
        """The same for one phase."""
        return self._next_of(phase) if self.limit.by_time_alone else None

    def _interval_passed(self, phase: str, last_ns: int, now_ns: int) -> bool:
        interval = self.limit.interval(phase)
        return not interval or now_ns - last_ns >= round(interval * _NANOSECONDS)

    def _steps_passed(self, phase: str, step: int) -> bool:
        # A step below the last one is a restart of the count, not a reason to be silent until it catches up.
        last = self._last_step[phase]
        return self.limit.steps is None or step < last or step - last >= self.limit.steps

    def _within_budget(self, now_ns: int) -> bool:
        if self.limit.budget is None:
            return True
        assert self._began_ns is not None
        return self._spent_ns <= self.limit.budget * (now_ns - self._began_ns)

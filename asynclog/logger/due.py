"""What a write is due for: each route's limit asked once per State object, and the answers as masks.

Bit i is route i. Numbers have a standing mask: the routes that get every number. A write at which another route is due
carries a mask of its own.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from asynclog.flow.limit import Limiter, LimitState, RateLimit
from asynclog.flow.route import Route
from asynclog.state import State

FOREVER: Final = 1 << 62


class Decision:
    """due: routes whose limit says so now. journal: whether the journal's own limit does."""

    __slots__ = ("due", "journal", "state")

    def __init__(self, state: State | None, due: int, journal: bool) -> None:
        self.state, self.due, self.journal = state, due, journal


Mark = tuple[Decision, list[tuple[Limiter, tuple[dict[str, int], dict[str, int]]]]]


class DueBoard:
    """The limits of all routes. default: the limit of routes that have none of their own; journal: of costly values that
    no route asked for (None: they are always recorded, if there are no routes at all)."""

    def __init__(self, routes: list[Route], default: RateLimit | None, journal: RateLimit | None, journaled: bool) -> None:
        self.routes = routes
        self._limiters: list[Limiter | None] = []
        self._asked: list[Any] = []
        self.unlimited = 0
        for bit, route in enumerate(routes):
            limit = route.limit if route.limit is not None else default
            own = getattr(route.sink, "should_write", None)
            limited = limit is not None and not limit.unlimited
            self._asked.append(own)
            self._limiters.append(Limiter(limit) if limited and limit is not None and own is None else None)
            if own is None and not limited:
                self.unlimited |= 1 << bit
        self._limits = [route.limit if route.limit is not None else default for route in routes]
        if journal is None and not routes:
            journal = default
        self._journal = Limiter(journal) if journal is not None and not journal.unlimited else None
        self._journal_always = journaled and ((journal is not None and journal.unlimited) or (journal is None and not routes))
        self.always = self.spared("scalar")
        self._last = Decision(None, 0, False)
        self._by_clock = all(
            asked is None and (limiter is None or limiter.limit.by_time_alone)
            for asked, limiter in zip(self._asked, self._limiters, strict=True)
        )

    def spared(self, kind: str) -> int:
        """Routes that get every value of a kind, whatever their limit."""
        mask = self.unlimited
        for bit, limit in enumerate(self._limits):
            if self._asked[bit] is None and limit is not None and kind in limit.spare:
                mask |= 1 << bit
        return mask

    def decide(self, state: State, now_ns: int) -> Decision:
        """Ask every limit about this State; the same State object gets the same answer again."""
        if self._last.state is state:
            return self._last
        clock = now_ns if state.elapsed_s is None else round(state.elapsed_s * 1e9)
        due = self.unlimited
        for bit, limiter in enumerate(self._limiters):
            asked = self._asked[bit]
            if asked is not None:
                due |= bool(asked(state)) << bit
            elif limiter is not None and limiter.due(state.phase, state.step, clock):
                due |= 1 << bit
        journal = self._journal_always or (self._journal is not None and self._journal.due(state.phase, state.step, clock))
        self._last = Decision(state, due, journal)
        return self._last

    def mark(self) -> Mark:
        """What ``back_to`` needs."""
        return self._last, [(one, one.mark()) for one in (*self._limiters, self._journal) if one is not None]

    def back_to(self, mark: Mark) -> None:
        """Take back every decision since: what was due then was not written, and will be tried again."""
        self._last, limiters = mark
        for limiter, its in limiters:
            limiter.back_to(its)

    def states(self) -> tuple[dict[str, LimitState], LimitState | None, bool]:
        """Where the limits stand: by route, and the journal's; and whether they keep to the loop's own clock."""
        limits = {route.name: one.state() for route, one in zip(self.routes, self._limiters, strict=True) if one is not None}
        journal = None if self._journal is None else self._journal.state()
        return limits, journal, self._last.state is not None and self._last.state.elapsed_s is not None

    def go_on_from(self, limits: Mapping[str, LimitState], journal: LimitState | None, later_ns: int) -> None:
        """Stand where the limits of these routes stood; those of other routes begin."""
        for route, limiter in zip(self.routes, self._limiters, strict=True):
            if limiter is not None and route.name in limits:
                limiter.go_on_from(limits[route.name], later_ns)
        if self._journal is not None and journal is not None:
            self._journal.go_on_from(journal, later_ns)

    def mask(self, decision: Decision, kind: str, phase: str, namespace: str, level: str) -> int:
        """The routes that one value is due for and wanted by."""
        mask = decision.due | self.spared(kind)
        for bit, route in enumerate(self.routes):
            if mask >> bit & 1 and not route.wants(kind, phase, namespace, level):
                mask &= ~(1 << bit)
        return mask

    def hooked(self, name: str, phase: str, namespace: str, level: str) -> int:
        """The routes that a hook is for, whatever their limits."""
        mask = 0
        for bit, route in enumerate(self.routes):
            if name in route.hooks and route.wants("hook", phase, namespace, level):
                mask |= 1 << bit
        return mask

    def wanted(self, kind: str, phase: str, namespace: str, level: str) -> int:
        """The routes that a value is for which no limit thins out."""
        return sum(1 << bit for bit, route in enumerate(self.routes) if route.wants(kind, phase, namespace, level))

    def due_until(self, decision: Decision, phase: str) -> int:
        """Until when writes of this phase can go by the standing mask alone."""
        if not self._by_clock:
            return 0
        if decision.due & ~self.always:
            return 0  # a child may write at this very State again
        times = [
            limiter.next_due_in(phase)
            for bit, limiter in enumerate(self._limiters)
            if limiter is not None and not self.always >> bit & 1
        ]
        return min((FOREVER if one is None else one for one in times), default=FOREVER)

    def spend(self, began: int) -> None:
        """Count what a write took against the budgets."""
        duration = time.monotonic_ns() - began
        for limiter in self._limiters:
            if limiter is not None:
                limiter.spend(duration)

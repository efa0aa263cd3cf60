"""When a route is due: ml-starter's rule per phase, and the conditions beside it."""

from typing import Any

import pytest

from asynclog.errors import InvalidConfiguration
from asynclog.flow.limit import Limiter, RateLimit

SECOND = 1_000_000_000
T, V = "train", "valid"
Call = tuple[str, int, float, bool]  # phase, step, seconds, due

SCHEDULES: dict[str, tuple[RateLimit, list[Call]]] = {
    "no limit": (RateLimit(), [(T, 0, 0, True), (T, 0, 0, True)]),
    "an interval of zero": (RateLimit(0.0), [(T, 0, 0, True), (T, 0, 0, True)]),
    "first call, then each interval, counted from the last that was due": (
        RateLimit(1.0),
        [(T, 0, 5.0, True), (T, 1, 5.9, False), (T, 2, 6.0, True), (T, 3, 6.9, False), (T, 4, 8.5, True), (T, 5, 9.4, False)],
    ),
    "phases do not touch each other": (
        RateLimit(1.0), [(T, 0, 0, True), (V, 0, 0.5, True), (T, 1, 1.0, True), (V, 1, 1.4, False), (V, 2, 1.5, True)],
    ),
    "a phase's own interval": (
        RateLimit(10.0, valid=0.0, test=1.0),
        [(V, 0, 0, True), (V, 1, 0, True), ("test", 0, 0, True), ("test", 1, 1.0, True), (T, 0, 0, True), (T, 1, 9, False)],
    ),
    "one phase alone": (RateLimit(train=1.0), [(T, 0, 0, True), (T, 1, 0.5, False), (V, 0, 0, True), (V, 1, 0, True)]),
    "a clock that was set back": (RateLimit(1.0), [(T, 0, 100, True), (T, 1, 50, False), (T, 2, 101, True)]),
    "steps": (RateLimit(steps=3), [(T, 5, 0, True), (T, 7, 9, False), (T, 8, 9, True), (T, 10, 9, False), (T, 20, 9, True)]),
    "steps that start over": (RateLimit(steps=100), [(T, 500, 0, True), (T, 0, 1, True), (T, 99, 1, False), (T, 100, 1, True)]),
    "steps and an interval": (
        RateLimit(1.0, steps=10), [(T, 0, 0, True), (T, 10, 0.5, False), (T, 5, 2, False), (T, 10, 2, True)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("limit", "calls"), SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule(limit: RateLimit, calls: list[Call]) -> None:
    limiter = Limiter(limit)
    assert [limiter.due(phase, step, round(at * SECOND)) for phase, step, at, _ in calls] == [one[3] for one in calls]


def test_a_budget_is_a_share_of_the_time_since_the_first_call() -> None:
    limiter = Limiter(RateLimit(budget=0.01))
    assert limiter.due(T, 0, 100 * SECOND)
    limiter.spend(SECOND)
    assert not limiter.due(T, 1, 150 * SECOND)
    assert limiter.due(T, 2, 200 * SECOND)
    limiter.spend(1)
    assert not limiter.due(T, 3, 200 * SECOND)


NEXT: dict[str, tuple[RateLimit, list[tuple[str, float]], float | None]] = {
    "nothing yet": (RateLimit(1.0), [], 0),
    "a phase that was not due yet": (RateLimit(1.0), [(T, 5.0)], 0),
    "every phase was": (RateLimit(2.0, valid=1.0), [(T, 5.0), (V, 5.5), ("test", 5.0)], 6.5),
    "a phase without an interval": (RateLimit(train=2.0), [(T, 5.0), (V, 5.0), ("test", 5.0)], 0),
    "steps": (RateLimit(1.0, steps=5), [(T, 5.0)], None),
    "a budget": (RateLimit(1.0, budget=0.5), [(T, 5.0)], None),
}


@pytest.mark.parametrize(("limit", "due", "expected"), NEXT.values(), ids=NEXT)
def test_the_next_time_that_may_be_due_is_known_where_the_clock_alone_tells(
    limit: RateLimit, due: list[tuple[str, float]], expected: float | None
) -> None:
    limiter = Limiter(limit)
    for phase, at in due:
        assert limiter.due(phase, 0, round(at * SECOND))
    at_ns = None if expected is None else round(expected * SECOND)
    assert limiter.next_due_ns() == at_ns
    if limit.by_time_alone:
        assert limiter.next_due_ns() == min(limiter.next_due_in(one) or 0 for one in (T, V, "test"))
    else:
        assert limiter.next_due_in(T) is None


@pytest.mark.parametrize(
    ("limit", "unlimited"),
    [
        (RateLimit(), True), (RateLimit(0.0), True), (RateLimit(1.0, train=0, valid=0, test=0), True), (RateLimit(1.0), False),
        (RateLimit(test=1.0), False), (RateLimit(steps=1), False), (RateLimit(budget=1.0), False),
    ],
)  # fmt: skip
def test_a_limit_knows_whether_it_limits_anything(limit: RateLimit, unlimited: bool) -> None:
    assert limit.unlimited is unlimited


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"every": -1.0}, "every"), ({"train": -0.1}, "train"), ({"valid": float("nan")}, "valid"),
        ({"test": float("inf")}, "test"), ({"steps": 0}, "steps"), ({"steps": 1.5}, "steps"), ({"budget": 0.0}, "budget"),
        ({"budget": 1.1}, "budget"), ({"spare": "scalar"}, "spare"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"RateLimit {name}: expected"):
        RateLimit(**wrong)


def test_a_limit_reads_as_it_was_written() -> None:
    assert repr(RateLimit(1.0, valid=0.0, steps=2, spare=["scalar"])) == (
        "RateLimit(every=1.0, valid=0.0, steps=2, spare={'scalar'})"
    )
    assert repr(RateLimit()) == "RateLimit()"
    assert RateLimit(spare={"scalar", "string"}).spare == {"scalar", "string"}

from itertools import pairwise
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynclog.errors import InvalidConfiguration
from asynclog.sinks.alerts import Above, Below, Ended, Jump, NotFinite, Silent, ValueRule
from asynclog.sinks.alerts.watch import Watch, look
from tests.unit.sinks.alerts.points import column

QUIET = Watch()
NEVER = 10**9

# rule, values of seconds 0, 1, 2 …, steps at which there is an alert
TABLE: list[tuple[ValueRule, list[float], list[int]]] = [
    (NotFinite(), [1, 2, 3], []),
    (NotFinite(), [1, nan, nan, nan], [1]),
    (NotFinite(), [1, inf], [1]),
    (NotFinite(), [-inf, 1, 2], [0]),
    (NotFinite(cooldown=0), [nan, 1, nan, 1, nan], [0, 2, 4]),
    (NotFinite(cooldown=3), [nan, 1, nan, 1, nan], [0, 4]),
    (NotFinite(cooldown=3), [nan, 1, nan, nan, nan], [0, 3]),  # it stays bad, so it is told once it may be
    (Above("x", 5), [4, 5, 6, 7], [2]),
    (Above("x", 5), [inf], [0]),
    (Above("x", 5), [nan, 4], []),
    (Above("x", 5, points=3), [6, 6, 4, 6, 6, 6, 6], [5]),
    (Above("x", 5, points=3), [6, 6, nan, 6, 6, 6], [5]),
    (Above("x", 5, seconds=2), [6, 6, 6, 6], [2]),
    (Above("x", 5, seconds=2, points=5), [6, 6, 6, 6, 6], [4]),
    (Above("x", 5, cooldown=0), [6, 5, 6, 5, 6], [0, 2, 4]),
    (Above("x", 5, clear=3, cooldown=0), [6, 4, 6, 4, 6, 3, 6], [0, 6]),
    (Above("x", 5, clear=3, cooldown=0), [6, nan, 6], [0]),
    (Below("x", 5), [6, 5, 4], [2]),
    (Below("x", 5, clear=7, cooldown=0), [4, 6, 4, 7, 4], [0, 4]),
    (Jump("x", deviations=3, over=4, after=4), [1, 2, 1, 2, 1, 50], [5]),
    (Jump("x", deviations=3, over=4, after=4), [1, 2, 1, 50, 1, 2], []),  # not known long enough
    (Jump("x", deviations=3, over=4, after=4), [1, 2, nan, 1, inf, 2, 1, 2], []),
    (Jump("x", deviations=3, over=4, after=2), [0, 0, 1e308, -1e308, 1e308], [2]),
]


@pytest.mark.parametrize(("rule", "values", "steps"), TABLE, ids=lambda one: str(one)[:60])
def test_what_each_rule_says(rule: ValueRule, values: list[float], steps: list[int]) -> None:
    _, found = look(rule, QUIET, column(values))
    assert [one.step for one in found] == steps


def told_of(rule: ValueRule, values: list[float]) -> list[tuple[int, int]]:
    """The same, point by point, as it is written in the table of ``rules``: (step, withheld)."""
    told: list[tuple[int, int]] = []
    memory: Any = ()
    alarmed, row, since, last, withheld, counted = False, 0, 0, -NEVER, 0, False
    for second, value in enumerate(values):
        one = column([value], second)
        (bad,), (good,), memory = rule.judge(memory, one.value)
        if alarmed:
            if good:
                alarmed, row = False, 0
        elif not bad:
            row, counted = 0, False
        else:
            since = since if row else second
            row += 1
            if row >= rule.points and second - since >= rule.seconds:
                if second - last < rule.cooldown:
                    withheld, counted = withheld + (not counted), True
                else:
                    told.append((second, withheld - counted))
                    alarmed, last, withheld, counted = True, second, 0, False
    return told


numbers = st.lists(
    st.one_of(st.sampled_from([0.0, 1.0, 4.0, 5.0, 6.0, nan, inf, -inf]), st.floats(width=64)), min_size=0, max_size=60
)
policies = st.fixed_dictionaries(
    {"points": st.integers(1, 4), "seconds": st.sampled_from([0.0, 1.0, 3.0]), "cooldown": st.sampled_from([0.0, 2.0, 7.0])}
)
rules = st.builds(
    lambda make, policy: make(policy),
    st.sampled_from(
        [
            lambda policy: NotFinite(**policy),
            lambda policy: Above("x", 5, **policy),
            lambda policy: Above("x", 5, clear=1, **policy),
            lambda policy: Below("x", 1, clear=5, **policy),
            lambda policy: Jump("x", deviations=2, over=5, after=3, **policy),
        ]
    ),
    policies,
)


@given(rule=rules, values=numbers, cuts=st.lists(st.integers(1, 10)))
def test_alerts_do_not_depend_on_how_points_are_cut_into_batches(rule: ValueRule, values: list[float], cuts: list[int]) -> None:
    """And no shortcut leaves a point out that matters."""
    watch, found, first = QUIET, [], 0
    for length in (*cuts, len(values)):
        watch, some = look(rule, watch, column(values[first : first + length], first))
        found += some
        first += length
    assert [(one.step, one.withheld) for one in found] == told_of(rule, values)


@given(rule=rules, values=numbers)
def test_alerts_of_one_series_are_a_cooldown_apart(rule: ValueRule, values: list[float]) -> None:
    _, found = look(rule, QUIET, column(values))
    apart = [later.step - one.step for one, later in pairwise(found)]
    assert all(one >= rule.cooldown for one in apart)


def test_a_rule_names_its_series_by_patterns() -> None:
    rule = NotFinite(["*loss*", "grad/?"], phase="train")
    assert rule.concerns("train", "policy/loss")
    assert rule.concerns("train", "grad/a")
    assert not rule.concerns("train", "grad/ab")
    assert not rule.concerns("valid", "policy/loss")


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (NotFinite(), "* is not finite"),
        (NotFinite(["a", "b"], phase="valid"), "a|b in valid is not finite"),
        (Above("grad", 10, points=5), "grad is above 10 for 5 points"),
        (Below("fps", 1, seconds=30), "fps is below 1 for 30 s"),
        (Jump("loss"), "loss is 6 deviations off its mean"),
        (Silent(60), "nothing for 60 s"),
        (Silent(60, series="loss"), "nothing of loss for 60 s"),
        (Ended(), "ended as failed|killed|exited"),
        (Ended("killed", name="dead"), "dead"),
    ],
)
def test_a_rule_is_called_what_it_says(rule: Any, name: str) -> None:
    assert rule.name == name


@pytest.mark.parametrize(
    "make",
    [
        lambda: Above("x", 5, clear=6),
        lambda: Below("x", 5, clear=4),
        lambda: Above("x", nan),
        lambda: NotFinite(points=0),
        lambda: NotFinite(seconds=-1),
        lambda: NotFinite(cooldown=nan),
        lambda: Jump("x", deviations=0),
        lambda: Jump("x", over=1),
        lambda: Silent(0),
        lambda: Silent(5, first=-1),
        lambda: Ended("done"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(make: Any) -> None:
    with pytest.raises(InvalidConfiguration, match="expected"):
        make()

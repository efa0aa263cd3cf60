import json
from typing import Any

import pytest

from asynclog.sinks.alerts import Above, Ended, NotFinite, Rule, Silent
from asynclog.sinks.alerts.decisions import Columns, Decisions, by_action
from tests.unit.sinks.alerts.points import START_NS, column

NAN = float("nan")


def decisions(*rules: Rule, now: float = 0.0) -> Decisions:
    return Decisions(rules, "digits", "main", now)


def of(key: str, *values: float, first: int = 0, phase: str = "train") -> Columns:
    return {(phase, "", key): column(values, first)}


def restarted(old: Decisions, *rules: Rule) -> Decisions:
    """As if its process had died: through JSON, as it is kept."""
    new = decisions(*rules)
    new.restore(json.loads(json.dumps(old.state())))
    return new


def test_an_alert_says_what_where_and_when() -> None:
    (one,) = decisions(Above("train/loss", 10, points=2)).take({("valid", "train", "loss"): column([9, 11.5, 12.25])}, 3, 0.0)
    assert one.text == "train/loss is above 10 for 2 points: 12.25 at valid step 2"
    assert (one.rule, one.run, one.writer) == ("train/loss is above 10 for 2 points", "digits", "main")
    assert (one.phase, one.key, one.step, one.epoch, one.value) == ("valid", "train/loss", 2, 3, 12.25)
    assert one.time == START_NS / 1e9 + 2
    assert str(one).endswith(f" digits: {one.text}")


def test_a_name_cannot_break_the_line() -> None:
    (one,) = decisions(NotFinite()).take(of("a\nb\x1b[2J" + "x" * 1000, NAN), 0, 0.0)
    assert one.text.isprintable()
    assert len(one.text) == 500


def test_each_series_has_a_state_of_its_own() -> None:
    rule = Above("*", 5, points=2)
    core = decisions(rule)
    assert core.take(of("a", 6) | of("b", 6), 0, 0.0) == []
    assert [one.key for one in core.take(of("a", 6, first=1), 0, 0.0)] == ["a"]
    assert [one.phase for one in core.take(of("b", 6, 6, first=1, phase="valid"), 0, 0.0)] == ["valid"]


def test_alerts_of_one_batch_come_in_the_order_of_their_times() -> None:
    found = decisions(NotFinite()).take(of("late", 1, 1, NAN) | of("early", 1, NAN), 0, 0.0)
    assert [one.key for one in found] == ["early", "late"]


def test_whole_numbers_are_numbers() -> None:
    points = column([1, 2, 3])
    whole = points._replace(value=points.value.astype("i8"))
    assert [one.step for one in decisions(NotFinite(), Above("n", 2)).take({("train", "", "n"): whole}, 0, 0.0)] == [2]


# -- what comes again ----------------------------------------------------------------------------------------------------


def test_what_an_earlier_life_has_seen_says_nothing_again() -> None:
    rule = NotFinite(cooldown=0)
    core = decisions(rule)
    assert len(core.take(of("loss", 1, NAN, 1, NAN), 0, 0.0)) == 2
    again = restarted(core, rule)
    assert again.take(of("loss", NAN, 1, NAN, first=1), 0, 0.0) == []
    assert [one.step for one in again.take(of("loss", NAN, 1, NAN, first=3), 0, 0.0)] == [5]


def test_a_row_of_breaches_goes_on_over_a_restart() -> None:
    rule = Above("x", 5, points=4)
    core = decisions(rule)
    core.take(of("x", 6, 6), 0, 0.0)
    assert [one.step for one in restarted(core, rule).take(of("x", 6, 6, first=1), 0, 0.0)] == []
    assert [one.step for one in restarted(core, rule).take(of("x", 6, 6, 6, first=1), 0, 0.0)] == [3]


def test_the_next_epoch_is_new_and_an_earlier_one_old() -> None:
    rule = NotFinite(cooldown=0)
    core = decisions(rule)
    core.take(of("x", 1, 1), 4, 0.0)
    assert restarted(core, rule).take(of("x", NAN), 3, 0.0) == []
    assert len(restarted(core, rule).take(of("x", NAN), 5, 0.0)) == 1


def test_within_a_life_records_may_overlap_in_time() -> None:
    core = decisions(NotFinite(cooldown=0))
    core.take(of("a", 1, 1, 1), 0, 0.0)
    assert [one.key for one in core.take(of("b", 1, NAN), 0, 0.0)] == ["b"]


def test_a_rule_that_is_gone_is_forgotten() -> None:
    core = decisions(NotFinite(), Above("x", 5, points=3))
    core.take(of("x", 6), 0, 0.0)
    assert restarted(core, NotFinite()).take(of("x", 6, first=1), 0, 0.0) == []


def test_nothing_is_kept_of_series_that_are_well() -> None:
    core = decisions(NotFinite(), Above("*", 5))
    for number in range(100):
        core.take(of(f"x{number}", 1, 2, 3), 0, 0.0)
    assert core.state()["watches"] == []


# -- silences ------------------------------------------------------------------------------------------------------------


def silent_at(core: Decisions, *moments: float) -> list[float]:
    return [now for now in moments if core.pass_time(now, START_NS / 1e9 + now)]


def test_a_silence_is_told_of_once_and_ends_with_the_next_value() -> None:
    core = decisions(Silent(10))
    core.take(of("x", 1), 0, 5.0)
    assert silent_at(core, 6, 14.9, 15, 16, 100) == [15]
    core.take(of("y", 1), 0, 100.0)
    assert silent_at(core, 101, 111, 112) == [111]


def test_anything_breaks_a_silence_of_everything() -> None:
    core = decisions(Silent(10))
    core.take({}, 0, 9.0)  # a batch of images
    assert silent_at(core, 10, 18.9, 19) == [19]


def test_a_silence_may_be_of_some_series() -> None:
    core = decisions(Silent(10, series="valid/*"))
    core.take({("train", "train", "loss"): column([1])}, 0, 9.0)
    assert silent_at(core, 10, 11) == [10]
    core.take({("valid", "valid", "loss"): column([1])}, 0, 12.0)
    assert silent_at(core, 21, 22) == [22]


def test_the_first_value_may_take_longer() -> None:
    core = decisions(Silent(10, first=60))
    assert silent_at(core, 10, 59) == []
    (one,) = core.pass_time(60.5, 0.0)
    assert one.text == "nothing since the start for 60.5 s"
    core.take({}, 0, 61.0)
    (two,) = core.pass_time(71.0, 0.0)
    assert two.text == "nothing for 10 s"


def test_while_the_sink_is_behind_a_silence_says_nothing() -> None:
    core = decisions(Silent(10))
    core.hold(8.0)
    assert silent_at(core, 12, 17.9, 18) == [18]


def test_after_the_end_nobody_expects_anything() -> None:
    core = decisions(Silent(10))
    assert core.listens
    core.end("finished", None, 0, 0.0)
    assert not core.listens
    assert silent_at(core, 1000) == []


# -- ends ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "told"), [("finished", 0), ("failed", 1), ("killed", 1), ("exited", 1)])
def test_an_end_is_told_of_where_it_is_a_bad_one(status: str, told: int) -> None:
    assert len(decisions(Ended()).end(status, None, 0, 0.0)) == told


def test_an_end_that_comes_again_is_told_once_and_the_next_epochs_anew() -> None:
    rule = Ended()
    core = decisions(rule)
    (one,) = core.end("failed", "ValueError: boom", 0, 5.0)
    assert one.text == "the run has ended: failed: ValueError: boom"
    assert core.end("failed", "ValueError: boom", 0, 6.0) == []
    assert restarted(core, rule).end("failed", "ValueError: boom", 0, 7.0) == []
    assert len(restarted(core, rule).end("killed", None, 1, 8.0)) == 1


# -- to whom ---------------------------------------------------------------------------------------------------------------


def test_rules_name_their_actions() -> None:
    rules: list[Any] = [NotFinite(to="page"), Above("x", 5), Ended(to=())]
    core = decisions(*rules)
    alerts = core.take(of("x", 6, NAN), 0, 0.0) + core.end("killed", None, 0, 0.0)
    told = by_action(alerts, rules, ["page", "slack"])
    assert {name: [one.rule for one in some] for name, some in told.items()} == {
        "page": ["x is above 5", "* is not finite"],
        "slack": ["x is above 5"],
    }

"""What ``define_metric`` said: axes of rows, and summaries."""

from typing import Any

import pytest

from asynclog.integrations.wandb.metrics import Metric, Metrics, Summaries, checked_metric
from asynclog.integrations.wandb.said import Error


def defined(*metrics: Metric) -> Metrics:
    found = Metrics()
    for one in metrics:
        found.define(one)
    return found


def test_the_plain_name_counts_before_globs_and_the_longest_glob_before_others() -> None:
    metrics = defined(Metric("*"), Metric("eval/*"), Metric("eval/acc"))
    assert [metrics.of(name).name for name in ("loss", "eval/loss", "eval/acc")] == ["*", "eval/*", "eval/acc"]  # type: ignore[union-attr]


def test_a_step_metric_is_an_axis_of_its_rows_as_it_is_there_or_was_last() -> None:
    metrics = defined(Metric("eval/*", "policy", step_sync=True), Metric("lag", "seconds", step_sync=False))
    assert metrics.axes({"eval/x": 1.0}) == {}
    assert metrics.axes({"loss": 1.0, "policy": 3}) == {"policy": 3}
    assert metrics.axes({"eval/x": 1.0}) == {"policy": 3}
    assert metrics.axes({"loss": 2.0}) == {}
    assert metrics.axes({"lag": 1.0, "seconds": 5}) == {"seconds": 5}
    assert metrics.axes({"lag": 1.0}) == {}


SUMMARIES: dict[str, tuple[str | None, list[Any], dict[str, Any]]] = {
    "the last, unless something is asked for": (None, [3, 1], {"x": 1}),
    "the extremes and the mean": ("min,max,mean", [3, 1], {"x": {"min": 1, "max": 3, "mean": 2.0}}),
    "the first and the last": ("first,last", [3, 1, 2], {"x": {"first": 3, "last": 2}}),
    "nothing": ("none", [3], {}),
    "not a number isn't a least one": ("min", [float("nan"), 2.0], {"x": {"min": 2.0}}),
}


@pytest.mark.parametrize(("asked", "values", "left"), SUMMARIES.values(), ids=SUMMARIES)
def test_summary(asked: str | None, values: list[Any], left: dict[str, Any]) -> None:
    summaries = Summaries(defined(checked_metric("x", None, None, None, asked, None)))
    for value in values:
        summaries.add("x", value)
    assert summaries.values == left


def test_a_later_definition_adds_to_an_earlier_one_or_takes_its_place() -> None:
    metrics = defined(Metric("x", "step"), Metric("x", summary=("max",)))
    assert metrics.of("x") == Metric("x", "step", summary=("max",))
    metrics.define(Metric("x", hidden=True), overwrite=True)
    assert metrics.of("x") == Metric("x", hidden=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("", None, None, None, None, None), "non-empty name"),
        (("a*b", None, None, None, None, None), "end in"),
        (("x", 3, None, None, None, None), "step_metric is a str, not 3"),
        (("x", None, None, None, "best", None), "min, max, mean"),
    ],
)
def test_a_wrong_definition_says_what_is_right(arguments: Any, says: str) -> None:
    with pytest.raises(Error, match=says):
        checked_metric(*arguments)

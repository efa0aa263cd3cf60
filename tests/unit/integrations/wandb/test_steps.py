"""W&B's counter of rows: each call of ``log``, the rows it completes, and where the counter is then."""

from typing import Any

import pytest

from asynclog.integrations.wandb.steps import Row, Steps

Call = tuple[dict[str, Any], int | None, bool | None]
A, B = {"a": 1}, {"b": 2}
CASES: dict[str, tuple[list[Call], list[Row], int]] = {
    "each row counts on": ([(A, None, None), (B, None, None)], [Row(0, A), Row(1, B)], 2),
    "a step is set and stays": ([(A, 7, None), (B, 7, None)], [Row(7, A), Row(7, B)], 7),
    "the next row without a step joins it": ([(A, 7, None), (B, None, None)], [Row(7, A), Row(7, B)], 8),
    "a step that is committed counts on": ([(A, 7, True), (B, None, None)], [Row(7, A), Row(8, B)], 9),
    "what isn't committed goes with the next row": ([(A, None, False), (B, None, None)], [Row(0, A | B)], 1),
    "the later value counts": ([(A, None, False), ({"a": 3}, None, None)], [Row(0, {"a": 3})], 1),
    "a larger step completes what was kept": ([(A, None, False), (B, 5, None)], [Row(0, A), Row(5, B)], 5),
    "a kept row has the step it was given": ([(A, 5, False), (B, None, None)], [Row(5, A | B)], 6),
    "a late row is recorded where it says": ([(A, 9, None), (B, 4, None)], [Row(9, A), Row(4, B)], 9),
    "and moves nothing": ([(A, 9, True), (B, 4, True), (A, None, None)], [Row(9, A), Row(4, B), Row(10, A)], 11),
    "a late row leaves what is kept": ([(A, 9, False), (B, 4, None), ({}, None, None)], [Row(4, B), Row(9, A)], 10),
    "a repeated step is late once it was committed": ([(A, 3, True), (B, 3, None)], [Row(3, A), Row(3, B)], 4),
}


@pytest.mark.parametrize(("calls", "rows", "current"), CASES.values(), ids=CASES)
def test_rows(calls: list[Call], rows: list[Row], current: int) -> None:
    steps = Steps()
    assert [row for call in calls for row in steps.rows(*call)] == rows
    assert steps.current == current


def test_what_is_left_at_the_end_is_a_row() -> None:
    steps = Steps(first=3)
    assert steps.rows(A, commit=False) == []
    assert steps.left() == [Row(3, A)]
    assert steps.left() == []

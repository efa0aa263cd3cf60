"""Several numbers of one series as one."""

from math import isnan, nan

import pytest

from asynclog.errors import InvalidValue
from asynclog.flow.reduce import Fold, checked
from asynclog.wire.schema import REDUCTIONS

FOLDS = [
    ("last", [1.0, 2.0, 3.0], 3.0),
    ("last", [1.0, nan], nan),
    ("mean", [1.0, 2.0, 6.0], 3.0),
    ("mean", [1.0, nan, 2.0], nan),
    ("mean", [4], 4.0),
    ("sum", [1.0, 2.0, 6.0], 9.0),
    ("sum", [2**60, 1], 2**60 + 1),
    ("sum", [2**63 - 1, 1], 2.0**63),
    ("sum", [-(2**63), -1], -(2.0**63)),
    ("sum", [nan, 1.0], nan),
    ("min", [2.0, 1.0, 3.0], 1.0),
    ("min", [1.0, nan, 0.0], nan),
    ("min", [nan, 1.0], nan),
    ("max", [2.0, 3.0, 1.0], 3.0),
    ("max", [1.0, nan, 9.0], nan),
    ("max", [nan, 1.0], nan),
    ("count", [7.0, nan, 7.0], 3),
    ("count", [7.0], 1),
]


@pytest.mark.parametrize(("reduction", "numbers", "expected"), FOLDS)
def test_a_fold(reduction: str, numbers: list[float], expected: float) -> None:
    fold = Fold(reduction, numbers[0])
    for one in numbers[1:]:
        fold.add(one)
    assert fold.value == expected or (isnan(fold.value) and isnan(expected))


def test_a_fold_stands_where_its_newest_number_stood() -> None:
    fold = Fold("sum", 1.0, 5, 50)
    fold.add(2.0, 6, 60)
    assert (fold.step, fold.time_ns, fold.count) == (6, 60, 2)
    assert repr(fold) == "<Fold sum of 2: 3.0>"


def test_only_known_reductions_pass() -> None:
    assert [checked(one) for one in REDUCTIONS] == list(REDUCTIONS)
    with pytest.raises(InvalidValue, match="expected one of last, mean, sum, min, max, count, got 'median'"):
        checked("median")

"""Value objects: taken apart and put together, and equal only bit by bit."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from asynclog.testing.strategies import values
from asynclog.values import EVERY_KIND, KINDS, Config, Histogram, Image, PointCloud, Samples, Tensor, Text, Value, same_array


@given(values())
def test_a_value_is_the_sum_of_its_parts(value: Value) -> None:
    again = type(value).from_parts(value.params(), value.arrays())
    assert again == value


def test_what_is_absent_is_in_no_part() -> None:
    points = PointCloud(np.zeros((2, 3)))
    assert list(points.arrays()) == ["points"]
    assert points.params() == {}
    assert Image(np.zeros((1, 1)), "c").params() == {"caption": "c"}


def test_parts_of_a_later_version_are_left_out() -> None:
    data = np.zeros(3)
    assert Tensor.from_parts({"unit": "m"}, {"data": data, "mask": data}) == Tensor(data)


def test_a_part_that_is_missing_is_an_error() -> None:
    with pytest.raises(TypeError):
        Tensor.from_parts({}, {})


SAME = [
    ([np.nan, 1.0], [np.nan, 1.0], True),
    ([0.0], [-0.0], False),
    (np.float32([1]), np.float64([1]), False),
    (np.zeros((2, 3)), np.zeros((3, 2)), False),
    (np.arange(6)[::2], np.array([0, 2, 4]), True),
]


@pytest.mark.parametrize(("one", "other", "same"), SAME)
def test_arrays_are_compared_by_their_bits(one: Any, other: Any, same: bool) -> None:
    assert same_array(np.asarray(one), np.asarray(other)) is same
    assert (Tensor(np.asarray(one)) == Tensor(np.asarray(other))) is same


def test_values_of_different_kinds_or_parts_differ() -> None:
    data = np.zeros((2, 2), np.uint8)
    assert Image(data) != Tensor(data)
    assert Image(data, "a") != Image(data, "b")
    assert PointCloud(np.zeros((1, 3))) != PointCloud(np.zeros((1, 3)), np.zeros((1, 3), np.uint8))
    assert Text("a") != "a"
    assert Text("a").__eq__("a") is NotImplemented


def test_values_are_frozen_and_not_hashable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Text("a").text = "b"  # type: ignore[misc]
    with pytest.raises(TypeError, match="unhashable"):
        hash(Text("a"))


def test_a_histogram_knows_its_edges() -> None:
    assert Histogram(np.zeros(4, np.int64), 1.0, 3.0, 0, 0.0, 0.0).edges.tolist() == [1.0, 1.5, 2.0, 2.5, 3.0]


def test_each_kind_has_one_name() -> None:
    assert all(KINDS[name].kind == name for name in KINDS)
    assert ("scalar", *KINDS) == EVERY_KIND
    assert Samples not in KINDS.values()
    assert Config().config == {}


def test_parameters_are_compared_as_arrays_are() -> None:
    """NaN equals NaN, also deep inside; -0.0 differs from 0.0."""
    assert Config({"a": [np.nan, {"b": np.nan}]}) == Config({"a": [np.nan, {"b": np.nan}]})
    assert Config({"a": [0.0]}) != Config({"a": [-0.0]})
    assert Config({"a": 1}) != Config({"b": 1})

"""Numbers of any range as the 0–255 of a screen."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from asynclog.normal.scale import Span, span, to_bytes

SHAPES = npst.array_shapes(min_dims=0, max_dims=3, max_side=5)


@pytest.mark.parametrize(
    ("given_numbers", "dtype", "shown"),
    [
        ([0.0, 0.5, 1.0], np.float32, [0, 128, 255]),
        ([0.0, 0.5, 1.0], np.float64, [0, 128, 255]),
        ([0.0, 0.5, 1.0], np.float16, [0, 128, 255]),
        ([-1.0, 0.0, 1.0], np.float32, [0, 128, 255]),
        ([0.0, 2.0, 4.0], np.float32, [0, 128, 255]),
        ([0.25, 0.75], np.float32, [64, 191]),
        ([0.0, np.nan, 1.0], np.float32, [0, 0, 255]),
        ([-np.inf, 0.5, np.inf], np.float32, [0, 128, 255]),
        ([np.nan, np.nan], np.float32, [0, 0]),
        ([False, True], np.bool_, [0, 255]),
        ([0, 7, 255], np.int64, [0, 7, 255]),
        ([0, 128, 256], np.int32, [0, 128, 255]),
        ([-1, 0, 1], np.int8, [0, 128, 255]),
        ([3, 3], np.int64, [3, 3]),
        ([-3, -3], np.int64, [0, 0]),
        ([-1.7e308, 0.0, 1.7e308], np.float64, [0, 128, 255]),
        ([-3e38, 0.0, 3e38], np.float32, [0, 128, 255]),
        ([], np.float32, []),
    ],
)
def test_numbers_are_shown_in_their_span(given_numbers: list[Any], dtype: Any, shown: list[int]) -> None:
    assert to_bytes(np.array(given_numbers, dtype)).tolist() == shown


def test_bytes_are_not_copied() -> None:
    data = np.arange(6, dtype=np.uint8)
    assert to_bytes(data) is data


def test_arrays_that_are_shown_together_share_a_span() -> None:
    dim, bright = np.array([0.0, 1.0]), np.array([0.0, 10.0])
    together = span([dim, bright])
    assert together == Span(0.0, 10.0)
    assert to_bytes(dim, together).tolist() == [0, 26]


def test_what_lies_outside_of_a_given_span_is_its_end() -> None:
    assert to_bytes(np.array([-5.0, 0.5, 5.0]), Span(0.0, 1.0)).tolist() == [0, 128, 255]


@given(
    st.one_of(
        npst.arrays(npst.floating_dtypes(sizes=(16, 32, 64)), SHAPES),
        npst.arrays(npst.integer_dtypes(), SHAPES),
        npst.arrays(npst.unsigned_integer_dtypes(), SHAPES),
        npst.arrays(np.bool_, SHAPES),
    )
)
def test_any_number_can_be_shown(data: Any) -> None:
    """Whatever comes, there are bytes of the same shape, and the order of numbers is kept."""
    shown = to_bytes(data)
    assert shown.dtype == np.uint8
    assert shown.shape == data.shape
    finite = np.isfinite(data.astype(np.float64)).reshape(-1)
    flat, bright = data.reshape(-1)[finite], shown.reshape(-1)[finite]
    assert (np.diff(bright[np.argsort(flat, kind="stable")].astype(int)) >= 0).all()


def test_every_half_is_shown_as_its_float32_is() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    for data in (halves, halves.reshape(256, 256).T, halves[::3], halves[np.isfinite(halves)]):
        assert to_bytes(data).tolist() == to_bytes(data.astype(np.float32)).tolist()


def test_halves_of_another_byte_order_are_numbers_all_the_same() -> None:
    assert to_bytes(np.array([0.0, 0.5, 1.0], ">f2")).tolist() == [0, 128, 255]

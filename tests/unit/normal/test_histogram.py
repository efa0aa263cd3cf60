"""Histograms are counted exactly, whatever the numbers."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from asynclog.normal.histogram import _CHUNK, _MANY, BINS, counted
from asynclog.values import Histogram

RNG = np.random.default_rng(0)
ARRAYS: dict[str, NDArray[Any]] = {
    "normal, float32": RNG.normal(size=(50, 200)).astype(np.float32),
    "normal, float64": RNG.normal(size=10_000),
    "longer than a chunk": RNG.normal(size=3 * _CHUNK + 17).astype(np.float32),
    "half precision over its whole range": np.array([-65504, 0, 1, 65504], np.float16),
    "bytes": RNG.integers(0, 256, 5000, np.uint8),
    "small signed": np.array([-128, 127, 0], np.int8),
    "large whole numbers": np.array([0, 2**53, 2**62]),
    "truth": np.array([True, False, True]),
    "not contiguous": RNG.normal(size=(100, 100))[::3, ::7],
    "one number": np.array(4.5),
    "all the same": np.full(100, 3.25, np.float32),
    "far from zero": 1e6 + RNG.normal(size=1000),
    "far from zero, but for the first": np.concatenate([[0.0], 1e9 + RNG.normal(size=100_000)]),
    "many halves": RNG.normal(size=_MANY + 5).astype(np.float16),
    "many halves of another byte order": RNG.normal(size=_MANY + 5).astype(">f2"),
    "many bytes": RNG.integers(0, 256, _MANY, np.uint8),
    "many small signed": RNG.integers(-30_000, 30_000, _MANY, np.int16),
    "much truth": RNG.random(_MANY) > 0.25,
    "many of a kind": np.full(_MANY, 7, np.int8),
    "whole numbers, longer than a chunk": RNG.integers(-(10**12), 10**12, 2 * _CHUNK + 3),
    "extended floats": RNG.normal(size=5000).astype(np.longdouble),
}


@pytest.mark.parametrize("data", ARRAYS.values(), ids=ARRAYS)
def test_it_agrees_with_numpy(data: NDArray[Any]) -> None:
    """A number may fall on the other side of an edge by rounding; each cumulated count is off by a few at the most."""
    got = counted(data)
    exact = data.astype(np.float64).reshape(-1)
    assert (got.low, got.high, got.number) == (exact.min(), exact.max(), data.size)
    assert got.mean == pytest.approx(exact.mean(), rel=1e-12, abs=1e-12)
    assert got.std == pytest.approx(exact.std(), rel=1e-9, abs=1e-12)
    assert got.counts.sum() == data.size
    assert (got.nans, got.below, got.above) == (0, 0, 0)
    if got.high > got.low:
        expected, _ = np.histogram(exact, BINS, (got.low, got.high))
        assert np.abs(np.cumsum(got.counts) - np.cumsum(expected)).max() <= max(2, data.size // 2000)


# Ranges that overflow or vanish in the array's own precision.
EXTREMES: dict[str, NDArray[Any]] = {
    "the whole range of float32": np.array([-3e38, 0, 3e38], np.float32),
    "the whole range of float64": np.array([-1.7e308, 0, 1.7e308]),
    "the smallest of float32": np.array([0, 7e-45, 1.4e-44], np.float32),
    "the smallest of float64": np.array([0, 5e-324, 1e-323]),
    "denormals": np.array([0, 1e-310, 2e-310]),
    "a narrow range": np.array([1e-40, 1.5e-40, 2e-40], np.float32),
}


@pytest.mark.parametrize("data", EXTREMES.values(), ids=EXTREMES)
def test_extreme_ranges_are_counted_like_any_other(data: NDArray[Any]) -> None:
    got = counted(data, 4)
    assert got.counts.tolist() == [1, 0, 1, 1]
    assert (got.low, got.high) == (float(data.min()), float(data.max()))
    assert got.low <= got.mean <= got.high
    assert 0 < got.std <= (got.high - got.low) / 2


def test_the_largest_number_repeated_has_a_mean() -> None:
    top = float(np.finfo(np.float64).max)
    got = counted(np.full(10, top), 2)
    assert (got.mean, got.std, got.counts.tolist()) == (top, 0.0, [10, 0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_no_bin_can_hold_is_counted_apart(dtype: Any) -> None:
    got = counted(np.array([np.nan, 1, np.inf, 2, -np.inf, np.inf, 3], dtype), 2)
    assert got.counts.tolist() == [1, 2]
    assert (got.number, got.nans, got.below, got.above) == (7, 1, 1, 2)
    assert (got.low, got.high, got.mean) == (1, 3, 2)


@pytest.mark.parametrize("others", [(np.nan,), (np.inf,), (-np.inf, np.nan), (np.nan, np.inf, -np.inf)])
@pytest.mark.parametrize("size", [50, 3 * _CHUNK + 17, 2 * _MANY])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_rest_is_counted_as_if_it_were_alone(dtype: Any, size: int, others: tuple[float, ...]) -> None:
    clean = RNG.normal(3, 2, size).astype(dtype)
    where = RNG.choice(size, size // 7, replace=False)
    data = clean.copy()
    data[where] = np.resize(others, len(where))
    got, wanted = counted(data), counted(np.delete(clean, where))
    assert got.counts.tolist() == wanted.counts.tolist()
    assert (got.low, got.high, got.number) == (wanted.low, wanted.high, size)
    assert (got.mean, got.std) == pytest.approx((wanted.mean, wanted.std), rel=1e-12)
    counts = [np.count_nonzero(one) for one in (np.isnan(data), np.isneginf(data), np.isposinf(data))]
    assert [got.nans, got.below, got.above] == counts


@pytest.mark.parametrize(
    "data", [np.zeros(0), np.zeros((0, 3), np.int64), np.array([np.nan, np.inf]), np.full(_MANY, np.nan, np.float16)]
)
def test_without_a_finite_number_there_are_no_moments(data: NDArray[Any]) -> None:
    got = counted(data)
    assert got.counts.tolist() == [0] * BINS
    assert all(np.isnan([got.low, got.high, got.mean, got.std]))
    assert got.number == data.size


FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@given(hnp.arrays(np.float64, st.integers(0, 60), elements=FLOATS), st.integers(1, 20))
def test_every_number_is_counted_once_and_no_moment_overflows(data: NDArray[np.float64], bins: int) -> None:
    got = counted(data, bins)
    finite = data[np.isfinite(data)]
    assert got.counts.sum() + got.nans + got.below + got.above == data.size == got.number
    if finite.size:
        assert (got.low, got.high) == (finite.min(), finite.max())
        assert got.low <= got.mean <= got.high
        exact = sum(map(Fraction, finite.tolist())) / finite.size
        assert abs(Fraction(got.mean) - exact) <= Fraction(max(abs(got.low), abs(got.high))) / 10**12 + Fraction(5e-324)
        assert np.isfinite(got.std)


def test_its_fields_are_a_histograms() -> None:
    value = Histogram(*counted(np.array([1.0, 2.0]), 2))
    assert (value.counts.tolist(), value.low, value.high, value.count, value.mean) == ([1, 1], 1.0, 2.0, 2, 1.5)


@pytest.mark.parametrize("at", range(9))
@pytest.mark.parametrize("bits", [0x7F800001, 0xFFBFFFFF, 0x7FC00000, 0xFFC12345])
def test_a_nan_of_any_payload_hides_no_other_number(at: int, bits: int) -> None:
    """numpy's fmin forgets what came before a signalling one."""
    data = np.arange(1, 10, dtype=np.float32)
    data.view(np.uint32)[at] = bits
    got = counted(data, 4)
    left = np.delete(np.arange(1, 10), at)
    assert (got.low, got.high, got.nans, got.counts.sum()) == (left.min(), left.max(), 1, 8)
    assert got.mean == pytest.approx(left.mean())

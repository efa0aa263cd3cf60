"""Counting a histogram: exact moments, and counts in equal bins between the smallest and the largest finite value.

Fast because it works in the array's own precision, a cache's worth at a time, and counts with ``bincount``: a million float32
in 2.5 ms. Numbers of one or two bytes have 65,536 values at most: how often each came says all.
"""

from math import ldexp, sqrt
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS: Final = 512
# Between these a float32 range keeps its differences and its scale finite; others are counted in float64.
_NARROW: Final = 1e-30
_WIDE: Final = 1e37
_CHUNK: Final = 1 << 15  # values at a time: the arrays it needs stay in the second-level cache
_PIECE: Final = 1 << 20
_SAMPLE: Final = 1 << 10
_SHORT: Final = 2
_LONG: Final = 8
_MANY: Final = 1 << 17  # from here on counting each value of two bytes is quicker than binning it


class Counted(NamedTuple):
    """The fields of asynclog.values.Histogram."""

    counts: NDArray[np.int64]
    low: float
    high: float
    number: int
    mean: float
    std: float
    nans: int
    below: int
    above: int


class _Bounds(NamedTuple):
    """Of the finite values; NaN if there is none. strange: 0 if all are finite, 1 if some are NaN, 2 if some are infinite."""

    low: float
    high: float
    strange: int


# A signalling NaN, as any bits may make one, complains when it is cast.
@np.errstate(invalid="ignore")
def counted(data: NDArray[Any], bins: int = BINS) -> Counted:
    """The histogram of numbers of any shape and real dtype; NaN and infinities are counted apart."""
    flat = np.ascontiguousarray(data).reshape(-1)
    if flat.dtype.kind == "f" and flat.dtype.itemsize > _LONG:
        flat = flat.astype(np.float64)
    if flat.dtype.itemsize <= _SHORT and flat.size >= _MANY:
        return _counted_by_value(flat, bins)
    bounds = _bounds(flat)
    if np.isnan(bounds.low):
        return _of_nothing(flat, bins)
    return _counted_in_bins(flat, bins, bounds)


def _bounds(flat: NDArray[Any]) -> _Bounds:
    if not flat.size:
        return _Bounds(np.nan, np.nan, 0)
    low = float(flat.min())
    high = low if np.isnan(low) else float(flat.max())
    if np.isfinite(low) and np.isfinite(high):
        return _Bounds(low, high, 0)
    strange = 1
    if np.isnan(low):
        # A NaN hides whether there are infinities. Times one a signalling NaN is a quiet one: of the others fmin forgets all
        # that came before it.
        ends = [(np.fmin.reduce(one), np.fmax.reduce(one)) for one in (part * 1 for part in _chunks(flat))]
        low, high = float(np.fmin.reduce([one for one, _ in ends])), float(np.fmax.reduce([one for _, one in ends]))
    if not (np.isfinite(low) and np.isfinite(high)):
        strange = 2
        with np.errstate(invalid="ignore"):
            # An infinity less itself is NaN.
            ends = [(np.fmin.reduce(one), np.fmax.reduce(one)) for one in ((part - part) + part for part in _chunks(flat))]
        low, high = float(np.fmin.reduce([one for one, _ in ends])), float(np.fmax.reduce([one for _, one in ends]))
    return _Bounds(low, high, strange)


def _chunks(flat: NDArray[Any]) -> list[NDArray[Any]]:
    return [flat[start : start + _CHUNK] for start in range(0, flat.size, _CHUNK)]


def _strangers(part: NDArray[Any]) -> tuple[int, int, int]:
    """How many are NaN, -inf, +inf."""
    nans, below, above = (int(np.count_nonzero(one)) for one in (part != part, part == -np.inf, part == np.inf))
    return nans, below, above


def _of_nothing(flat: NDArray[Any], bins: int) -> Counted:
    nan = float("nan")
    strangers = _strangers(flat) if flat.dtype.kind == "f" else (0, 0, 0)
    return Counted(np.zeros(bins, np.int64), nan, nan, flat.size, nan, nan, *strangers)


def _counted_in_bins(flat: NDArray[Any], bins: int, bounds: _Bounds) -> Counted:
    low, high, strange = bounds
    shift = _shift(low, high)
    short = flat.dtype == np.float32 or flat.dtype.itemsize <= _SHORT
    narrow = short and not shift and (high == low or _NARROW < high - low < _WIDE)
    number: Any = np.float32 if narrow else np.float64
    bottom, top = ldexp(low, shift), ldexp(high, shift)
    scale = number(bins / (top - bottom) if top > bottom else 0.0)
    centre = number(_near_the_mean(flat, bottom, top, shift))
    size = min(flat.size, _CHUNK)
    taken, scratch, exact, slots = np.empty(size, number), np.empty(size, number), np.empty(size), np.empty(size, np.int32)
    counts, apart = np.zeros(bins + 1, np.int64), [0, 0, 0]
    first = second = 0.0
    for given in _chunks(flat):
        part = given
        if shift or part.dtype != number or strange:
            part = taken[: given.size]
            np.copyto(part, given, casting="same_kind")
            if shift:
                np.ldexp(part, shift, out=part)
        work, places, centred = scratch[: part.size], slots[: part.size], exact[: part.size]
        if strange:
            aside = np.isnan(part) if strange == 1 else np.isinf(part) | np.isnan(part)
            absent = int(np.count_nonzero(aside))
            if absent:
                found = (absent, 0, 0) if strange == 1 else _strangers(part)
                apart = [sum(both) for both in zip(apart, found, strict=True)]
                # At the centre they add nothing to the moments; from its bin they are taken again.
                np.copyto(part, centre, where=aside)
                counts[int((centre - number(bottom)) * scale)] -= absent
        np.copyto(centred, part)
        centred -= float(centre)
        first += float(centred.sum())
        # Not a dot product: BLAS would take a second core for it, and keep it spinning. That core is the loop's.
        second += float(np.square(centred, out=centred).sum())
        np.multiply(np.subtract(part, number(bottom), out=work), scale, out=work)
        np.copyto(places, work, casting="unsafe")
        counts += np.bincount(places, minlength=bins + 1)
    return _settled(counts, flat.size, (low, high), (float(centre), first, second), shift, apart)


def _near_the_mean(flat: NDArray[Any], bottom: float, top: float, shift: int) -> float:
    """Where the moments are taken about. How far off it is costs digits alone: at the worst, as many as the count has."""
    some = np.ldexp(flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64), shift)
    some = some[np.isfinite(some)]
    return min(max(float(some.mean()), bottom), top) if some.size else bottom


def _counted_by_value(flat: NDArray[Any], bins: int) -> Counted:
    native = flat.astype(flat.dtype.newbyteorder("="), copy=False)
    bits = native.view(np.uint8 if native.dtype.itemsize == 1 else np.uint16)
    values_there_are = 1 << 8 * native.dtype.itemsize
    times = np.zeros(values_there_are, np.int64)
    for start in range(0, bits.size, _PIECE):
        # It makes eight bytes of each number.
        times += np.bincount(bits[start : start + _PIECE], minlength=values_there_are)
    which = np.flatnonzero(times)
    values, times = which.astype(bits.dtype).view(native.dtype).astype(np.float64), times[which]
    finite = np.isfinite(values)
    apart = [int(times[one].sum()) for one in (np.isnan(values), np.isneginf(values), np.isposinf(values))]
    values, times = values[finite], times[finite]
    if not values.size:
        return _of_nothing(flat, bins)
    low, high = float(values.min()), float(values.max())
    scale = bins / (high - low) if high > low else 0.0
    places = ((values - low) * scale).astype(np.int64)
    counts = np.zeros(bins + 1, np.int64)
    np.add.at(counts, places, times)
    centre = float((values * times).sum() / times.sum())
    centred = values - centre
    first, second = float((centred * times).sum()), float((centred * centred * times).sum())
    return _settled(counts, flat.size, (low, high), (centre, first, second), 0, apart)


def _settled(
    counts: NDArray[np.int64],
    size: int,
    ends: tuple[float, float],
    moments: tuple[float, float, float],
    shift: int,
    apart: list[int],
) -> Counted:
    """counts: with one more bin, of what rounding put behind the last. moments: what they were taken about, and the sums of
    the differences and of their squares, of numbers times 2^shift."""
    counts[-2] += counts[-1]
    number = size - sum(apart)
    (low, high), (centre, first, second) = ends, moments
    bottom, top = ldexp(low, shift), ldexp(high, shift)
    beside = first / number
    mean = min(max(centre + beside, bottom), top)
    std = min(sqrt(max(0.0, second / number - beside * beside)), max(abs(bottom), abs(top)))
    return Counted(counts[:-1], low, high, size, ldexp(mean, -shift), ldexp(std, -shift), *apart)


def _shift(low: float, high: float) -> int:
    """The power of two that brings extreme numbers to where their squares neither overflow nor vanish; exact, and undone."""
    if max(abs(low), abs(high)) > 1e150:
        return -600
    return 600 if 0 < high - low < 1e-150 else 0

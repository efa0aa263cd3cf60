"""From numbers of any range to the 0–255 that a screen shows.

The rule is ml-starter's: floating point is stretched from [min(0, smallest), max(1, largest)], so that what lies in [0, 1]
keeps its look, and what doesn't is shown whole. NaN is black; an infinity is the end it lies at.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# Beyond this a float32 loses its scale, and beyond its square a float64 does.
_WIDE: Final = 1e37


class Span(NamedTuple):
    """The numbers that are shown as 0 and as 255."""

    low: float
    high: float


def span(arrays: Sequence[Array]) -> Span:
    """The span that arrays are shown in together, so that they can be compared."""
    if all(one.dtype == np.bool_ for one in arrays):
        return Span(0, 1)
    whole = all(one.dtype.kind in "iub" for one in arrays)
    bounds = [extremes(_widened(one)) for one in arrays if one.size]
    low, high = min((one[0] for one in bounds), default=0.0), max((one[1] for one in bounds), default=0.0)
    if whole:
        return Span(0, 255) if low >= 0 and high <= 255 else Span(low, high)
    return Span(min(0.0, low), max(1.0, high))


def to_bytes(data: Array, within: Span | None = None) -> NDArray[np.uint8]:
    """Numbers of any real dtype as uint8 of the same shape. uint8 is given back as it is, without a copy.

    within: the span to show; None: the array's own. bool: 0 or 255. Other whole numbers stay as they are if all lie in 0–255,
    else they are stretched from the smallest to the largest.
    """
    if data.dtype == np.uint8:
        return data
    data = _widened(data)
    low, high = span([data]) if within is None else within
    if data.dtype.kind in "iu" and (low, high) == (0, 255):
        return data.astype(np.uint8)
    return _stretched(data, low, high)


def extremes(data: Array) -> tuple[float, float]:
    """The smallest and the largest finite number, (0, 0) if there is none."""
    low, high = float(data.min()), float(data.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = data[np.isfinite(data)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _widened(data: Array) -> Array:
    """float16 as float32, looked up: most processors' numpy converts, and compares, one number of it at a time."""
    if data.dtype != np.float16:
        return data
    return np.take(_halves(), data.view(np.uint16))


@lru_cache(maxsize=1)
def _halves() -> NDArray[np.float32]:
    """All numbers of float16, by their bits."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


def _stretched(data: Array, low: float, high: float) -> NDArray[np.uint8]:
    narrow = data.dtype in (np.float32, np.bool_) and max(abs(low), abs(high)) < _WIDE
    dtype: Any = np.float32 if narrow else np.float64
    scaled = data.astype(dtype)
    # The difference of two numbers may overflow where their halves don't.
    half = high / 2 - low / 2
    if half > _WIDE**2:
        scaled /= half
        low, half = low / half, 1.0
    # A NaN of the signalling kind would be warned of.
    with np.errstate(invalid="ignore"):
        scaled -= dtype(low)
    scaled *= dtype(127.5 / half if half else 0.0)
    scaled += dtype(0.5)
    # NaN and infinities, or what lies outside of a span that was given.
    if not (scaled.min(initial=0.0) >= 0 and scaled.max(initial=0.0) < 256):
        np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
        np.clip(scaled, 0, 255, out=scaled)
    return scaled.astype(np.uint8)

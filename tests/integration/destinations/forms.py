"""What of a value is compared: an array or words, in the form that a destination is to show.

scalar        a number                                  string, record    text
image         (C, H, W) uint8                           spectrogram       the picture of it, (C, H, W) uint8
audio         (C, T) float32                            video             (T, C, H, W) uint8
point_cloud   (N, 3) float32                            mesh              vertices (V, 3) float32
histogram     counts (bins,)                            tensor            the numbers
table         rows, as a list of tuples                 rollout           its messages as text
config        the mapping                               artifact          the digest of its bytes
"""

from typing import Any

import numpy as np

from asynclog.encoding.media import file_of
from asynclog.normal import plot


def form(kind: str, value: Any) -> Any:
    """The form of a value as it was recorded."""
    if kind in ("scalar", "string", "config"):
        return value
    if kind == "artifact":
        return value.digest
    if kind == "record":
        return value.message
    if kind == "rollout":
        return file_of(value, ".txt").decode()
    if kind == "histogram":
        return value.counts
    if kind == "spectrogram":
        return plot.heat(value.canonical()[::-1])
    if kind == "point_cloud":
        return value.canonical().xyz
    if kind == "mesh":
        return value.canonical().vertices
    return value.canonical()


def alike(logged: Any, shown: Any, tolerance: float = 0.0) -> bool:
    """Whether two forms are equal; arrays: of one shape, and no farther apart in the mean than ``tolerance``."""
    if not isinstance(logged, np.ndarray):
        return bool(logged == shown)
    there = np.asarray(shown)
    if there.shape != logged.shape:
        return False
    if not tolerance:
        return np.array_equal(there, logged, equal_nan=logged.dtype.kind in "fc")
    return bool(np.nanmean(np.abs(there.astype(np.float64) - logged.astype(np.float64))) <= tolerance)


def same_number(logged: float, shown: Any, dtype: type[np.number]) -> bool:
    """Whether a number survived at a destination's precision; NaN is NaN."""
    with np.errstate(all="ignore"):
        return np.array_equal(dtype(logged), dtype(shown), equal_nan=True)

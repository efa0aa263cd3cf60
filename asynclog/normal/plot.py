"""Numbers as pictures: heat, bars, waves. Arrays in, (3, H, W) uint8 out; dark enough and light enough for any page."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.normal.image import Picture

INK: Final = (40, 90, 180)
PAPER: Final = 255
_STOPS: Final = np.array([[0, 0, 60], [90, 10, 120], [200, 50, 80], [250, 150, 50], [255, 250, 190]], np.float64)


def heat(data: NDArray[Any]) -> Picture:
    """(H, W) numbers as (3, H, W): from the smallest, dark blue, over red to the largest, light yellow; NaN is black."""
    finite = np.isfinite(data)
    low, high = (float(data[finite].min()), float(data[finite].max())) if finite.any() else (0.0, 0.0)
    # Halved first: their difference may be infinite.
    half = high / 2 - low / 2
    share = np.where(finite, (np.where(finite, data, low) / 2 - low / 2) / (half or 1.0), 0.0)
    places = np.linspace(0, 1, len(_STOPS))
    made = np.stack([np.interp(share, places, _STOPS[:, channel]) for channel in range(3)])
    return np.where(finite, made, 0).astype(np.uint8)


def bars(counts: NDArray[Any], height: int = 256) -> Picture:
    """A column a count, as high as the root of its share of the largest: few still show beside many."""
    share = np.sqrt(counts / max(1, int(counts.max(initial=0))))
    lit = np.arange(height, 0, -1)[:, None] <= np.round(share * height)
    return _inked(lit)


def waves(sound: NDArray[np.float32], width: int = 512, height: int = 128) -> Picture:
    """(C, T) in [-1, 1] as a band a channel, one below the other."""
    return _inked(np.concatenate([envelope(channel, width, height) for channel in sound]))


def envelope(channel: NDArray[np.float32], width: int, height: int) -> NDArray[np.bool_]:
    """(height, at most width) bool: each column is lit from the lowest to the highest of its samples, 1 at the top."""
    columns = min(width, len(channel))
    starts = np.linspace(0, len(channel), columns, endpoint=False).astype(int)
    low, high = np.minimum.reduceat(channel, starts), np.maximum.reduceat(channel, starts)
    top, bottom = (np.round((1 - edge) / 2 * (height - 1)) for edge in (high, low))
    rows = np.arange(height)[:, None]
    lit = (rows >= top) & (rows <= bottom)
    return np.asarray(lit.repeat(max(1, width // columns), axis=1), np.bool_)


def _inked(lit: NDArray[np.bool_]) -> Picture:
    return np.stack([np.where(lit, tone, PAPER) for tone in INK]).astype(np.uint8)

"""Media in a terminal: pictures as half blocks, two pixels a character; sounds and histograms as a spark."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from asynclog.cli.chart import spark
from asynclog.values import Audio, Histogram, Image, Video

_WIDEST: Final = 64
_HIGHEST: Final = 48  # in pixels, two a line
_FILM_FRAMES: Final = 3


def drawn(value: Any, console: Console) -> Text | None:
    """The value as characters, or None for one that has no picture, or where the terminal has too few colours."""
    if isinstance(value, Histogram):
        return Text(f"  {spark(value.counts.astype(np.float64), 64)}", "cyan")
    if isinstance(value, Audio):
        return Text(f"  {_wave(value.data)}", "cyan") if value.data.size else None
    if console.color_system not in ("256", "truecolor"):
        return None
    if isinstance(value, Image) and value.data.ndim in (2, 3):
        return _half_blocks(pixels(value.data, console.width - 4))
    if isinstance(value, Video) and value.data.ndim == 4 and len(value.data):
        chosen = np.linspace(0, len(value.data) - 1, min(_FILM_FRAMES, len(value.data))).astype(int)
        frames = [pixels(value.data[at], (console.width - 4) // len(chosen) - 1) for at in chosen.tolist()]
        gap = np.zeros((frames[0].shape[0], 1, 3), np.uint8)
        return _half_blocks(np.concatenate([part for frame in frames for part in (frame, gap)][:-1], axis=1))
    return None


def pixels(data: NDArray[Any], widest: int) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of an image as recorded, (C, H, W) or (H, W), brought to a terminal's size by means of areas."""
    picture = data[np.newaxis] if data.ndim == 2 else data[:3]
    if picture.shape[0] == 2:
        picture = picture[:1]
    height, width = picture.shape[1:]
    if not picture.size or picture.dtype.kind not in "biuf":
        return np.zeros((2, 2, 3), np.uint8)
    shrink = max(height / _HIGHEST, width / max(min(widest, _WIDEST), 1), 1.0)
    rows = np.unique(np.floor(np.arange(max(int(height / shrink), 1)) * shrink).astype(int))
    columns = np.unique(np.floor(np.arange(max(int(width / shrink), 1)) * shrink).astype(int))
    counts = np.diff(np.append(rows, height))[:, None] * np.diff(np.append(columns, width))
    exact = np.nan_to_num(picture.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    small = np.add.reduceat(np.add.reduceat(exact, rows, axis=1), columns, axis=2) / counts
    low, high = float(small.min()), float(small.max())
    if picture.dtype != np.uint8:
        # Floating point is 0 to 1 by custom; anything else is shown from its darkest to its brightest.
        low, high = (0.0, 1.0) if low >= 0.0 and high <= 1.0 else (low, high)
        small = (small - low) / ((high - low) or 1.0) * 255
    colours = np.clip(np.round(small), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours


def _half_blocks(colours: NDArray[np.uint8]) -> Text:
    if len(colours) % 2:
        colours = np.concatenate([colours, np.zeros_like(colours[:1])])
    text = Text()
    for upper, lower in zip(colours[::2].tolist(), colours[1::2].tolist(), strict=True):
        text.append("  ")
        for above, below in zip(upper, lower, strict=True):
            text.append("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        text.append("\n")
    text.rstrip()
    return text


def _wave(data: NDArray[Any]) -> str:
    mono = np.abs(data.astype(np.float32)).reshape(-1, data.shape[-1]).max(axis=0)
    parts = np.array_split(mono, min(64, len(mono)))
    return spark(np.array([float(part.max()) for part in parts]), 64)

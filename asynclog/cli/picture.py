"""Media in a terminal: pictures as half blocks, two pixels a character; sounds and histograms as a spark."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from asynclog.cli.chart import spark
from asynclog.errors import InvalidValue
from asynclog.normal.image import Picture, deepened, mosaic, pictures
from asynclog.readers.export.media import heat
from asynclog.values import Audio, Histogram, Image, PointCloud, Spectrogram, Video

_WIDEST: Final = 64
_HIGHEST: Final = 48  # in pixels, two a line
_FILM_FRAMES: Final = 3
_TURN: Final = 0.6  # radians about the vertical axis, then from above: no axis is seen end on
_TILT: Final = 0.4


def drawn(value: Any, console: Console) -> Text | None:
    """The value as characters, or None for one that has no picture, or where the terminal has too few colours."""
    if isinstance(value, Histogram):
        return Text(f"  {spark(value.counts.astype(np.float64), 64)}", "cyan")
    try:
        if isinstance(value, Audio):
            return Text(f"  {_wave(value.canonical())}", "cyan")
        picture = _picture(value) if console.color_system in ("256", "truecolor") else None
    except InvalidValue:
        # A file may hold anything under a kind's name.
        return None
    return None if picture is None else _half_blocks(pixels(picture, console.width - 4))


def _picture(value: Any) -> Picture | None:
    if isinstance(value, Image):
        return mosaic(pictures(value.data, value.layout, value.most), value.sep)
    if isinstance(value, Video):
        clip = value.canonical()
        chosen = np.linspace(0, len(clip) - 1, min(_FILM_FRAMES, len(clip))).astype(int)
        gap = np.zeros((*clip.shape[1:3], max(1, clip.shape[3] // 20)), np.uint8)
        return np.concatenate([part for at in chosen.tolist() for part in (clip[at], gap)][:-1], axis=2)
    if isinstance(value, Spectrogram):
        return heat(value.canonical()[::-1])
    if isinstance(value, PointCloud):
        return _seen(value)
    return None


def pixels(picture: Picture, widest: int) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of a (C, H, W) picture, brought to a terminal's size by means of areas."""
    colour = deepened(picture, 3)[:3]
    height, width = colour.shape[1:]
    shrink = max(height / _HIGHEST, width / max(min(widest, _WIDEST), 1), 1.0)
    rows = np.unique(np.floor(np.arange(max(int(height / shrink), 1)) * shrink).astype(int))
    columns = np.unique(np.floor(np.arange(max(int(width / shrink), 1)) * shrink).astype(int))
    counts = np.diff(np.append(rows, height))[:, None] * np.diff(np.append(columns, width))
    small = np.add.reduceat(np.add.reduceat(colour.astype(np.float32), rows, axis=1), columns, axis=2) / counts
    made: NDArray[np.uint8] = np.round(small).astype(np.uint8).transpose(1, 2, 0)
    return made


def _seen(value: PointCloud) -> Picture:
    """The points from a corner and above, in their colours, or by height from blue to yellow; the nearer hides the farther."""
    points = value.canonical()
    shown = np.zeros((3, _HIGHEST, _HIGHEST), np.uint8)
    if not len(points.xyz):
        return shown
    centred = points.xyz - (points.xyz.max(axis=0) + points.xyz.min(axis=0)) / 2
    x, y, z = (centred / (np.abs(centred).max() or 1.0)).T
    across = x * np.cos(_TURN) - y * np.sin(_TURN)
    depth = x * np.sin(_TURN) + y * np.cos(_TURN)
    up = z * np.cos(_TILT) + depth * np.sin(_TILT)
    colours = heat(points.xyz[:, 2][None])[:, 0].T if points.rgb is None else points.rgb
    order = np.argsort(-depth)
    scale = (_HIGHEST - 1) / 2 / 1.5
    columns = np.clip(np.round((across * scale) + (_HIGHEST - 1) / 2), 0, _HIGHEST - 1).astype(int)
    rows = np.clip(np.round((_HIGHEST - 1) / 2 - up * scale), 0, _HIGHEST - 1).astype(int)
    shown[:, rows[order], columns[order]] = colours[order].T
    return shown


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


def _wave(sound: NDArray[np.float32]) -> str:
    mono = np.abs(sound).max(axis=0)
    parts = np.array_split(mono, min(64, len(mono)))
    return spark(np.array([float(part.max()) for part in parts]), 64)

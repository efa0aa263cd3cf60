"""Media in a terminal: pictures as half blocks, two pixels a character; sounds as waves and histograms as a spark."""

from itertools import groupby
from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from asynclog.cli.chart import spark
from asynclog.cli.screen import safe
from asynclog.encoding.media import checked
from asynclog.errors import InvalidValue
from asynclog.normal import plot, video, view
from asynclog.normal.draw import colour, masked
from asynclog.normal.image import Picture, deepened, mosaic, pictures
from asynclog.values import Audio, Histogram, Image, Mesh, PointCloud, Spectrogram, Video

_WIDEST: Final = 64
_HIGHEST: Final = 48  # in pixels, two a line
_WAVE_HEIGHT: Final = 12
_FILM_FRAMES: Final = 3
_WHOLE: Final = 1 << 62  # pixels of a frame: none is made smaller before ``pixels`` does it, which needs no Pillow


def drawn(value: Any, console: Console) -> Text | None:
    """The value as characters, or None for one that has no picture, or where the terminal has too few colours."""
    if isinstance(value, Histogram):
        return Text(f"  {spark(value.counts.astype(np.float64), 64)}", "cyan")
    try:
        checked(value)
        if isinstance(value, Audio):
            return _wave(value.canonical())
        picture = _picture(value) if console.color_system in ("256", "truecolor") else None
    except InvalidValue:
        # A file may hold anything under a kind's name.
        return None
    if picture is None:
        return None
    shown = _half_blocks(pixels(picture, console.width - 4))
    return shown if not isinstance(value, Image) else shown.append_text(_legend(value))


def _picture(value: Any) -> Picture | None:
    if isinstance(value, Image):
        shown = mosaic(pictures(value.data, value.layout, value.most), value.sep)
        return shown if value.batch else _overlaid(shown, value)
    if isinstance(value, Video):
        clip = _clip(value)
        chosen = np.linspace(0, len(clip) - 1, min(_FILM_FRAMES, len(clip))).astype(int)
        gap = np.zeros((*clip.shape[1:3], max(1, clip.shape[3] // 20)), np.uint8)
        return np.concatenate([part for at in chosen.tolist() for part in (clip[at], gap)][:-1], axis=2)
    if isinstance(value, Spectrogram):
        return plot.heat(value.canonical()[::-1])
    if isinstance(value, PointCloud):
        points = value.canonical()
        return view.cloud(points.xyz, view.tints(*points), value.boxes, size=_HIGHEST, dot=0)
    if isinstance(value, Mesh):
        mesh = value.canonical()
        assert mesh.normals is not None
        return view.surface(mesh.vertices, mesh.faces, mesh.normals, mesh.colors, size=_HIGHEST)
    return None


def _clip(value: Video) -> NDArray[np.uint8]:
    ones = (value.data,) if isinstance(value.data, np.ndarray) else value.data[: value.most]
    clips = [video.canonical(one, value.layout, most=value.length, area=_WHOLE) for one in ones]
    return clips[0] if len(clips) == 1 else video.side_by_side(clips, value.sep)


def _overlaid(picture: Picture, value: Image) -> Picture:
    """With masks, and boxes as lines that are still there when the picture is made small."""
    for mask in value.masks.values():
        if mask.shape == picture.shape[1:]:
            picture = masked(picture, mask)
    if value.boxes is None or value.boxes.ndim != 2:
        return picture
    shown = deepened(picture, 3)[:3].copy()
    height, width = shown.shape[1:]
    thick = ceil(max(1.0, height / _HIGHEST, width / _WIDEST))
    names = sorted(set(value.box_labels or ()))
    for at, box in enumerate(value.boxes[:, :4]):
        if not np.isfinite(box).all():
            continue
        across, down = np.clip(box[::2], 0, width - 1), np.clip(box[1::2], 0, height - 1)
        left, right, top, bottom = (int(one) for one in (across.min(), across.max(), down.min(), down.max()))
        ink = np.array(colour(names.index(value.box_labels[at]) if value.box_labels else 0))[:, None, None]
        shown[:, top : top + thick, left : right + 1] = ink
        shown[:, max(0, bottom + 1 - thick) : bottom + 1, left : right + 1] = ink
        shown[:, top : bottom + 1, left : left + thick] = ink
        shown[:, top : bottom + 1, max(0, right + 1 - thick) : right + 1] = ink
    return shown


def _legend(value: Image) -> Text:
    """What the masks' colours mean."""
    text = Text()
    for ink, word in value.legend():
        text.append("  ■ " if text else "\n  ■ ", Style(color=Color.from_rgb(*ink))).append(safe(word, 40))
    return text


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


def _half_blocks(colours: NDArray[np.uint8]) -> Text:
    if len(colours) % 2:
        colours = np.concatenate([colours, np.zeros_like(colours[:1])])
    text = Text()
    for upper, lower in zip(colours[::2].tolist(), colours[1::2].tolist(), strict=True):
        text.append("  ")
        for (above, below), alike in groupby(zip(upper, lower, strict=True)):
            text.append("▀" * len(list(alike)), Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        text.append("\n")
    text.rstrip()
    return text


def _wave(sound: NDArray[np.float32]) -> Text:
    """From the lowest to the highest sample of each column, on the middle line: silence."""
    lit = plot.envelope(sound.mean(axis=0) if len(sound) else sound.reshape(-1), _WIDEST, _WAVE_HEIGHT)
    lines = ["".join(_HALVES[above, below] for above, below in zip(*pair, strict=True)) for pair in _pairs(lit)]
    return Text("\n".join(f"  {line}" for line in lines), "cyan")


_HALVES: Final = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def _pairs(lit: NDArray[np.bool_]) -> list[tuple[list[bool], list[bool]]]:
    return list(zip(lit[::2].tolist(), lit[1::2].tolist(), strict=True))

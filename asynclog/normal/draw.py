"""What is drawn into a picture: captions in any script, boxes, class masks. Needs Pillow.

A caption stands below its picture, wrapped, in a font that has its characters: the system's fonts are looked through once,
and of those that have most of the text's characters the first is taken.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.normal.image import Picture, deepened

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_FONT_DIRECTORIES: Final = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
_PREFERRED: Final = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf")
_SIZE: Final = 12
_LOOK: Final = 16  # the size at which a font is asked for its characters
_MARGIN: Final = 2
_GOLDEN: Final = 0.618033988749895
_OPACITY: Final = 0.45
_LONGEST_WORD: Final = 40


def captioned(
    picture: Picture, text: str, *, most_lines: int = 30, max_line_length: int | None = None, centered: bool = True
) -> Picture:
    """(C, H, W) → (3 or 4, H + h, W): white text on black below the picture, wrapped to its width, or to fewer characters."""
    from PIL import Image, ImageDraw

    width = picture.shape[2]
    font = font_for(text, _SIZE)
    per_line = max(1, int((width - 2 * _MARGIN) / max(1.0, font.getlength(text) / max(1, len(text)))))
    per_line = min(per_line, max_line_length or per_line)
    lines = [part for line in text.splitlines() for part in (wrap(line, per_line) or [""])][:most_lines]
    step = _SIZE + _MARGIN
    strip = Image.new("RGB", (width, step * len(lines) + 2 * _MARGIN))
    draw = ImageDraw.Draw(strip)
    for at, line in enumerate(lines):
        left = (width - font.getlength(line)) / 2 if centered else _MARGIN
        draw.text((max(0, left), _MARGIN + at * step), line, font=font, fill="white")
    above = deepened(picture, max(3, len(picture)))
    return np.concatenate([above, deepened(np.moveaxis(np.asarray(strip), -1, 0), len(above))], axis=1)


def with_legend(picture: Picture, words: Sequence[tuple[tuple[int, int, int], str]]) -> Picture:
    """(C, H, W) → (3 or 4, H + h, W or more): below the picture, which colour means what; as wide as the widest word needs."""
    from PIL import Image, ImageDraw

    font = font_for(" ".join(word for _, word in words), _SIZE)
    step = _SIZE + 2 * _MARGIN
    said = [(ink, word if len(word) <= _LONGEST_WORD else f"{word[: _LONGEST_WORD - 1]}…") for ink, word in words]
    widths = [step + int(font.getlength(word)) + 4 * _MARGIN for _, word in said]
    width = max(picture.shape[2], *widths)
    places, left, top = [], 0, 0
    for wide in widths:
        if left + wide > width:
            left, top = 0, top + step
        places.append((left, top))
        left += wide
    strip = Image.new("RGB", (width, top + step + _MARGIN))
    draw = ImageDraw.Draw(strip)
    for (ink, word), (left, top) in zip(said, places, strict=True):
        draw.rectangle((left + _MARGIN, top + 2 * _MARGIN, left + _SIZE - _MARGIN, top + _SIZE), fill=ink)
        draw.text((left + step, top + _MARGIN), word, font=font, fill="white")
    above = deepened(picture, max(3, len(picture)))
    room = np.zeros((len(above), above.shape[1], width - above.shape[2]), np.uint8)
    below = deepened(np.moveaxis(np.asarray(strip), -1, 0), len(above))
    return np.concatenate([np.concatenate([above, room], axis=2), below], axis=1)


def boxed(
    picture: Picture, boxes: NDArray[Any], labels: Sequence[str] | None = None, scores: NDArray[Any] | None = None
) -> Picture:
    """Boxes (K, 4), x0, y0, x1, y1 in pixels, drawn into a copy, a colour a label. Boxes that aren't finite are left out."""
    from PIL import Image, ImageDraw

    canvas = Image.fromarray(np.ascontiguousarray(np.moveaxis(deepened(picture, 3)[:3], 0, -1)))
    draw = ImageDraw.Draw(canvas)
    names = sorted(set(labels or ()))
    for at, box in enumerate(np.asarray(boxes, np.float64)):
        if not np.isfinite(box).all():
            continue
        # Pillow visits every pixel of an edge, also the billions that lie outside.
        (x0, x1), (y0, y1) = np.sort(np.clip(box.reshape(2, 2).T, -_MARGIN, [[canvas.width + 1], [canvas.height + 1]]))
        ink = colour(names.index(labels[at]) if labels else 0)
        draw.rectangle((x0, y0, x1, y1), outline=ink)
        said = " ".join(filter(None, [labels[at] if labels else "", "" if scores is None else f"{float(scores[at]):.2f}"]))
        if said:
            font, place = font_for(said, _SIZE), (x0 + 2, y0 + 1)
            draw.rectangle(draw.textbbox(place, said, font=font), fill="black")
            draw.text(place, said, font=font, fill=ink)
    return np.ascontiguousarray(np.moveaxis(np.asarray(canvas), -1, 0))


def masked(picture: Picture, mask: NDArray[Any]) -> Picture:
    """A class mask (H, W) laid over a copy: 0 is nothing, each other number has a colour of its own."""
    made = deepened(picture, 3)[:3].astype(np.float32)
    for number in np.unique(mask):
        if number != 0:
            where = mask == number
            made[:, where] += _OPACITY * (np.array(colour(int(number)), np.float32)[:, None] - made[:, where])
    return made.astype(np.uint8)


def colour(number: int) -> tuple[int, int, int]:
    """A colour of its own for each small whole number: hues a golden angle apart, so that neighbours differ most."""
    from colorsys import hsv_to_rgb

    return tuple(round(255 * part) for part in hsv_to_rgb(number * _GOLDEN % 1.0, 0.75, 1.0))  # type: ignore[return-value]


@lru_cache(maxsize=64)
def font_for(text: str, size: int) -> "FreeTypeFont":
    """A font of the system that has the text's characters; Pillow's own where none is found."""
    from PIL import ImageFont

    wanted = frozenset(text) - frozenset(" \n\t")
    best, most = None, -1
    for path in _fonts():
        had = sum(_has(path, one) for one in wanted)
        if had > most:
            best, most = path, had
        if had == len(wanted):
            break
    if best is None:
        return ImageFont.load_default(size)  # type: ignore[return-value]
    return _font(best, size)


@lru_cache(maxsize=1)
def _fonts() -> list[str]:
    found = [
        path
        for place in _FONT_DIRECTORIES
        for path in sorted(Path(place).expanduser().rglob("*"))
        if path.suffix.lower() in (".ttf", ".otf", ".ttc")
    ]
    rank = {name: at for at, name in enumerate(_PREFERRED)}
    return [str(path) for path in sorted(found, key=lambda path: rank.get(path.name, len(rank)))]


@lru_cache(maxsize=1 << 16)
def _has(path: str, character: str) -> bool:
    """Whether a font draws a character otherwise than one that no font has."""
    absent = _absent(path)
    return absent is not None and bytes(_font(path, _LOOK).getmask(character)) != absent


@lru_cache(maxsize=1 << 12)
def _absent(path: str) -> bytes | None:
    """How a font draws what it hasn't; None for a file that is no font."""
    try:
        return bytes(_font(path, _LOOK).getmask("\U0010fffe"))
    except OSError:
        return None


# Each keeps its file open.
@lru_cache(maxsize=16)
def _font(path: str, size: int) -> "FreeTypeFont":
    from PIL import ImageFont

    return ImageFont.truetype(path, size)

"""What is to be seen of a model: digits beside their redrawing, and who was taken for whom. Arrays in, arrays out."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from asynclog.demo.digits.data import NAMES, SIDE, Digits
from asynclog.demo.digits.model import Reading

# A colour a digit, told apart on black and on white; the latent space, the walk and the confusion matrix share them.
COLOURS: Final[NDArray[np.uint8]] = np.array(
    [
        (230, 69, 60),
        (245, 148, 36),
        (224, 196, 32),
        (122, 190, 50),
        (26, 158, 98),
        (40, 184, 204),
        (58, 124, 236),
        (128, 84, 220),
        (222, 90, 190),
        (150, 112, 84),
    ],
    np.uint8,
)
PAIR_SCALE: Final = 6
PAIR_GAP: Final = 6
_CELL: Final = 24
_EDGE: Final = 24
_INK, _PAPER, _EMPTY, _BLUE, _RED = (31, 41, 51), (255, 255, 255), (244, 246, 249), (37, 99, 178), (200, 60, 30)


def grown(pixels: NDArray[np.float32], scale: int) -> NDArray[np.uint8]:
    """(N, 64) in [0, 1] as (N, 8 scale, 8 scale) uint8, each pixel a sharp square."""
    squares = np.rint(pixels.reshape(-1, SIDE, SIDE) * 255).astype(np.uint8)
    return squares.repeat(scale, axis=1).repeat(scale, axis=2)


def pairs(pixels: NDArray[np.float32], rebuilt: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Digits, each with its redrawing at its right: (N, 64) twice to (N, H, W) uint8."""
    left, right = grown(pixels, PAIR_SCALE), grown(rebuilt, PAIR_SCALE)
    return np.concatenate([left, np.zeros((*left.shape[:2], PAIR_GAP), np.uint8), right], axis=2)


def labelled(digits: Digits, reading: Reading, chosen: NDArray[np.int64]) -> list[tuple[NDArray[np.uint8], str]]:
    """The chosen digits with their redrawing, and below: what it is, what it was named, and how sure the head was of that."""
    named, sure = reading.named, reading.probability.max(axis=1)
    words = [f"{digits.label[at]} -> {named[at]} ({sure[at]:.2f})" for at in chosen.tolist()]
    return list(zip(pairs(digits.pixels[chosen], reading.rebuilt[chosen]), words, strict=True))


def confusion(label: NDArray[np.int64], named: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each digit (rows) was given each name (columns): (10, 10) int64."""
    return np.bincount(label * NAMES + named, minlength=NAMES * NAMES).reshape(NAMES, NAMES)


def confusion_rows(counts: NDArray[np.int64]) -> list[list[str | int]]:
    """The counts as rows of a table under CONFUSION_COLUMNS: the digit, then its counts."""
    return [[str(digit), *row] for digit, row in enumerate(counts.tolist())]


CONFUSION_COLUMNS: Final[Sequence[str]] = ["digit", *(f"as {name}" for name in range(NAMES))]


def confusion_picture(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The counts drawn: (3, H, W) uint8. Blue is right and red is wrong, the deeper the larger the share of its row."""
    picture = _empty_matrix().copy()
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row, column in np.argwhere(counts).tolist():
        left, top = (2 * _EDGE + at * _CELL for at in (column, row))
        # A single mistake among 27 is a share of 0.04: the root makes it visible.
        depth = float(np.sqrt(shares[row, column]))
        ink = _BLUE if row == column else _RED
        fill = tuple(round(empty + (full - empty) * depth) for empty, full in zip(_EMPTY, ink, strict=True))
        pen.rectangle((left + 1, top + 1, left + _CELL - 1, top + _CELL - 1), fill=fill)
        tone = _PAPER if depth > 0.6 else _INK
        pen.text((left + _CELL / 2, top + _CELL / 2), str(counts[row, column]), fill=tone, font=font, anchor="mm")
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))


@lru_cache(maxsize=1)
def _empty_matrix() -> Image.Image:
    """The matrix without its counts: headings in the digits' colours, and empty cells."""
    begin, length = 2 * _EDGE, _CELL * NAMES
    picture = Image.new("RGB", (begin + length + 4, begin + length + 4), _PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    pen.text((begin + length / 2, _EDGE / 2), "named as", fill=_INK, font=font, anchor="mm")
    turned = Image.new("L", (length, _EDGE))
    ImageDraw.Draw(turned).text((length / 2, _EDGE / 2), "digit", fill=255, font=font, anchor="mm")
    picture.paste(_INK, (0, begin), turned.transpose(Image.Transpose.ROTATE_90))
    for at in range(NAMES):
        middle = begin + (at + 0.5) * _CELL
        for x, y in ((middle, _EDGE * 1.5), (_EDGE * 1.5, middle)):
            pen.rounded_rectangle((x - 9, y - 9, x + 9, y + 9), 4, fill=tuple(COLOURS[at].tolist()))
            pen.text((x, y), str(at), fill=_PAPER, font=font, anchor="mm")
    for row, column in np.ndindex(NAMES, NAMES):
        left, top = begin + column * _CELL, begin + row * _CELL
        pen.rectangle((left + 1, top + 1, left + _CELL - 1, top + _CELL - 1), fill=_EMPTY)
    return picture

"""Curves as text: characters as a canvas of 2 x 4 dots each, by Unicode's braille block (U+2800 to U+28FF)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

# The bit of each dot in a cell, row by row from the top; the block was made for six dots and grew two more below.
DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


@dataclass(frozen=True, slots=True)
class Line:
    """A curve to draw: x and y, (N,) finite numbers with x rising, and a rich style."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    style: str


def plot(lines: Sequence[Line], *, top: float, unit: str, width: int = 64, height: int = 15) -> Text:
    """Draw the lines between y = 0 and `top`, with labelled axes; where two share a character, the later one shows.

    width, height: of the canvas, in characters; labels come on top. unit: what x counts.
    """
    first = min(float(line.x[0]) for line in lines)
    last = max(first + 1e-9, *(float(line.x[-1]) for line in lines))
    dots = np.zeros((height, width), np.uint32)
    owner = np.full((height, width), -1)
    for number, line in enumerate(lines):
        # Two samples a column leave no gap in a steep stretch once each is joined to the one before it.
        columns = np.arange(width * 2)
        position = first + columns / (width * 2 - 1) * (last - first)
        known = (position >= line.x[0]) & (position <= line.x[-1])
        level = np.interp(position, line.x, line.y) / top
        rows = np.clip(np.rint((1.0 - level) * (height * 4 - 1)), 0, height * 4 - 1).astype(int)
        before: int | None = None
        for column in columns[known].tolist():
            row = int(rows[column])
            # From the last sample's row to this one's, so that a steep stretch has no holes.
            low, high = sorted((row, row if before is None else before))
            for y in range(low, high + 1):
                dots[y // 4, column // 2] |= DOTS[y % 4][column % 2]
                owner[y // 4, column // 2] = number
            before = row
    return _framed(lines, dots, owner, top, (first, last), unit)


def _framed(
    lines: Sequence[Line],
    dots: NDArray[np.uint32],
    owner: NDArray[np.int64],
    top: float,
    span: tuple[float, float],
    unit: str,
) -> Text:
    height, width = dots.shape
    text = Text(no_wrap=True)
    for row in range(height):
        labelled = row in (0, height // 2, height - 1)
        level = top * (1 - row / (height - 1))
        text.append(f"{level:6.{0 if top >= 10 else 2}f} ┤" if labelled else "       │", style="dim")
        for column in range(width):
            number = int(owner[row, column])
            text.append(chr(0x2800 + int(dots[row, column])), style=lines[number].style if number >= 0 else "")
        text.append("\n")
    text.append("       └" + "─" * width + "\n", style="dim")
    marks = [f"{span[0] + share * (span[1] - span[0]):.0f}" for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    axis = [" "] * (width + 9)
    for share, mark in zip((0.0, 0.25, 0.5, 0.75, 1.0), marks, strict=True):
        start = min(8 + round(share * (width - 1)) - len(mark) // 2, len(axis) - len(mark))
        axis[start : start + len(mark)] = mark
    text.append("".join(axis) + f" {unit}\n", style="dim")
    text.append("        ")
    for line in lines:
        text.append("━━ ", style=line.style)
        text.append(f"{line.label}   ")
    return text

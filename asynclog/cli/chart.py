"""A series as characters: a chart of some lines, or a spark on one. Eighths of a block are what a terminal can draw.

A column shows the mean of the points whose steps fall into it; a column without points stays empty.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from asynclog.cli.words import number

_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
Numbers = NDArray[np.float64]


def spark(values: Numbers, width: int = 16) -> str:
    """The values on one line, as they follow each other."""
    return _line(means(np.arange(len(values)), values, min(width, len(values))))


def _line(heights: Numbers) -> str:
    finite = heights[np.isfinite(heights)]
    if not len(finite):
        return ""
    low, high = float(finite.min()), float(finite.max())
    level = _scaled(heights, low, high) * 7 + 1
    return "".join(_EIGHTHS[0] if np.isnan(one) else _EIGHTHS[round(one)] for one in level.tolist())


def chart(step: NDArray[np.int64], values: Numbers, *, width: int = 72, height: int = 8, style: str = "") -> Text:
    """A chart with both axes labelled: the range of values at the left, that of steps below."""
    means_of = means(step, values, max(width - 10, 8))
    finite = means_of[np.isfinite(means_of)]
    if not len(finite):
        return Text("  no finite number", "dim")
    low, high = float(finite.min()), float(finite.max())
    filled = np.nan_to_num(_scaled(means_of, low, high) * (8 * height - 1) + 1, nan=0.0)
    drawn = Text()
    labels = {0: number(high), height - 1: number(low)}
    for row in range(height):
        eighths = np.clip(np.round(filled - 8 * (height - 1 - row)), 0, 8).astype(int)
        drawn.append(f"{labels.get(row, ''):>9} ", "dim").append("┤" if row in labels else "│", "dim")
        drawn.append("".join(_EIGHTHS[one] for one in eighths.tolist()).rstrip() + "\n", style)
    first, last = f"{int(step.min()):,}", f"{int(step.max()):,}"
    wide = len(means_of)
    drawn.append(" " * 10 + "└" + "─" * wide + "\n", "dim")
    drawn.append(" " * 11 + (first if first == last else f"{first}{last:>{max(wide - len(first), 1)}}"), "dim")
    return drawn


def means(position: NDArray[np.int64], values: Numbers, columns: int) -> Numbers:
    """(columns,) means of the finite values whose positions fall into each column; NaN where there is none."""
    finite = np.isfinite(values)
    position, values = position[finite], values[finite]
    if not len(values) or columns < 1:
        return np.full(max(columns, 0), np.nan)
    first, last = float(position.min()), float(position.max())
    columns = min(columns, len(np.unique(position)) if len(position) < 4 * columns else columns)
    column = np.zeros(len(position), np.intp)
    if last > first:
        column = np.minimum((position - first) / (last - first) * columns, columns - 1).astype(np.intp)
    counts = np.bincount(column, minlength=columns)
    # Scaled before the sum: numbers near the largest float would add up to infinity.
    largest = float(np.abs(values).max()) or 1.0
    sums = np.bincount(column, weights=values / largest, minlength=columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Numbers = sums / counts * largest
    return found


def _scaled(values: Numbers, low: float, high: float) -> Numbers:
    """0 to 1 between low and high; a half where they are one. Halved first: their difference may be infinite."""
    if high == low:
        return np.where(np.isfinite(values), 0.5, np.nan)
    scaled: Numbers = (values / 2 - low / 2) / (high / 2 - low / 2)
    return scaled

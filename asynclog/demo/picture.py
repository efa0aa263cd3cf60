"""The learning curve as a PNG, drawn with Pillow at twice its size and then halved, which smooths every edge."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIZE: Final = (1200, 720)
MARGIN: Final = (96, 112, 48, 84)  # left, top, right, bottom
INK, QUIET, GRID, PAPER = "#1f2933", "#6b7785", "#e4e8ee", "#ffffff"


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve to draw: x and y, (N,) finite numbers with x rising. `marked` puts a dot at each point."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    colour: str
    marked: bool = False


def smoothed(y: NDArray[np.float64], over: int) -> NDArray[np.float64]:
    """Average the last `over` values at each, fewer at the start; (N,) as given."""
    total = np.concatenate([[0.0], np.cumsum(y)])
    ends = np.arange(1, len(y) + 1)
    starts = np.maximum(ends - over, 0)
    return np.asarray((total[ends] - total[starts]) / (ends - starts))


def ticks(last: float, wanted: int) -> list[float]:
    """Round numbers from 0 up to `last`, about `wanted` of them: steps of 1, 2, 2.5 or 5 times a power of ten."""
    rough = max(last, 1e-9) / wanted
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if power * factor >= rough)
    return [step * i for i in range(int(last / step + 1e-6) + 1)]


def draw(
    path: Path,
    curves: Sequence[Curve],
    *,
    title: str,
    subtitle: str,
    x_label: str,
    y_label: str,
    top: float,
    goal: tuple[float, str],
) -> None:
    """Draw the curves over x from 0 and y from 0 to `top`, with a dashed line at the goal, into a PNG file."""
    picture = Image.new("RGB", (SIZE[0] * 2, SIZE[1] * 2), PAPER)
    pen = ImageDraw.Draw(picture)
    plain, small, large = (ImageFont.load_default(size * 2) for size in (17, 16, 27))
    left, upper = MARGIN[0] * 2, MARGIN[1] * 2
    right, lower = (SIZE[0] - MARGIN[2]) * 2, (SIZE[1] - MARGIN[3]) * 2
    last = max(1.0, *(float(curve.x[-1]) for curve in curves))

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x / last * (right - left), lower - y / (top * 1.04) * (lower - upper)

    for value in ticks(top, 5):
        _, y = at(0, value)
        pen.line([(left, y), (right, y)], fill=GRID, width=2)
        pen.text((left - 20, y), f"{value:g}", fill=QUIET, font=small, anchor="rm")
    for value in ticks(last, 8):
        x, _ = at(value, 0)
        pen.line([(x, lower), (x, lower + 12)], fill=QUIET, width=2)
        pen.text((x, lower + 22), f"{value:,.0f}", fill=QUIET, font=small, anchor="ma")
    pen.line([(left, lower), (right, lower)], fill=QUIET, width=3)
    _, y = at(0, goal[0])
    for x in range(left, right, 28):
        pen.line([(x, y), (min(x + 14, right), y)], fill=QUIET, width=3)
    pen.text((right, y + 10), goal[1], fill=QUIET, font=small, anchor="ra")

    for curve in curves:
        points = [at(x, y) for x, y in zip(curve.x.tolist(), curve.y.tolist(), strict=True)]
        pen.line(points, fill=curve.colour, width=6, joint="curve")
        if curve.marked:
            for x, y in points:
                pen.ellipse((x - 11, y - 11, x + 11, y + 11), fill=curve.colour, outline=PAPER, width=4)

    pen.text((left, 40), title, fill=INK, font=large)
    pen.text((left, 112), subtitle, fill=QUIET, font=plain)
    pen.text((right, lower + 84), x_label, fill=INK, font=plain, anchor="ra")
    pen.text((left, upper - 14), y_label, fill=INK, font=plain, anchor="ls")
    x = float(right)
    for curve in reversed(curves):
        x -= pen.textlength(curve.label, font=plain)
        pen.text((x, upper - 14), curve.label, fill=INK, font=plain, anchor="ls")
        pen.line([(x - 66, upper - 24), (x - 16, upper - 24)], fill=curve.colour, width=6)
        x -= 110
    picture.resize(SIZE, Image.Resampling.BOX).save(path, optimize=True)

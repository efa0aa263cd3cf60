"""Figures of matplotlib and images of PIL, as the arrays that a screen would show."""

import sys
from typing import Any, Final

import numpy as np

from asynclog.logger.intake import Pixels

# Modes whose numbers are no colours, and what they become, one step after the other.
_BECOMES: Final[dict[str, tuple[str, ...]]] = {
    "LA": ("RGBA",),
    "La": ("LA", "RGBA"),
    "PA": ("RGBA",),
    "RGBa": ("RGBA",),
    "RGBX": ("RGB",),
    "CMYK": ("RGB",),
    "YCbCr": ("RGB",),
    "HSV": ("RGB",),
}


def is_figure(value: Any) -> bool:
    """Whether this is a figure of matplotlib."""
    figures = sys.modules.get("matplotlib.figure")
    return figures is not None and isinstance(value, figures.Figure)


def drawn(figure: Any) -> Pixels:
    """A matplotlib figure as (H, W, 4) uint8. Its own canvas, which a window may show, is given back to it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    before = figure.canvas
    try:
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        return Pixels(np.asarray(canvas.buffer_rgba()))
    finally:
        figure.set_canvas(before)


def is_pillow(value: Any) -> bool:
    """Whether this is an image of PIL."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def pixels(picture: Any) -> Pixels:
    """An image of PIL as a screen shows it: (H, W) of grey, bool, whole numbers or floating point; (H, W, 3 or 4) of colours.

    Palettes, CMYK, YCbCr, HSV and L*a*b* become RGB, grey with transparency becomes RGBA.
    """
    mode = picture.mode
    if mode == "LAB":
        picture = _of_lab(picture)
    elif mode == "P" or (mode in ("L", "RGB", "1") and "transparency" in picture.info):
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    for step in _BECOMES.get(mode, ()):
        picture = picture.convert(step)
    return Pixels(np.asarray(picture))


def _of_lab(picture: Any) -> Any:
    from PIL import ImageCms

    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(picture, *profiles, outputMode="RGB")

"""Images: how the axes of an array are told apart, and the (C, H, W) uint8 that a screen or a vendor wants.

Rules, ml-starter's where they were sound: channels first, last or absent; C of 1, 3 or 4; about 250² pixels, unless the
resolution is kept; a batch as a near-square mosaic, row by row.
"""

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from asynclog.errors import InvalidValue
from asynclog.normal.layouts import Fault, settled
from asynclog.normal.layouts import fault as layouts_fault
from asynclog.normal.scale import span, to_bytes

Layout = Literal["HW", "CHW", "HWC", "NHW", "NCHW", "NHWC"]
LAYOUTS: Final[tuple[str, ...]] = ("HW", "CHW", "HWC", "NHW", "NCHW", "NHWC")
CHANNELS: Final = (1, 3, 4)
EXPECTED: Final = "(H, W), (C, H, W) or (H, W, C) with C of 1, 3 or 4, none of them 0"
AREA: Final = 250 * 250
# Resizing 256² to 250² would blur it for nothing.
_NEAR: Final = 1.25
Picture = NDArray[np.uint8]


def layout_of(shape: Sequence[int], *, batch: bool = False) -> Layout | None:
    """Which axis is what, or None if this can't be an image. Where both ends could be channels, the first is, as in torch.

    batch: the first axis counts images.
    """
    inner = tuple(shape[1:] if batch else shape)
    if 0 in shape:
        return None
    found: str | None = None
    if len(inner) == 2:
        found = "HW"
    elif len(inner) == 3 and inner[0] in CHANNELS:
        found = "CHW"
    elif len(inner) == 3 and inner[2] in CHANNELS:
        found = "HWC"
    return None if found is None else f"N{found}" if batch else found  # type: ignore[return-value]


def fault(shape: Sequence[int], layout: str | None, *, batch: bool = False) -> Fault | None:
    """What is wrong with a shape as an image's, or a batch's."""
    layouts = [one for one in LAYOUTS if one.startswith("N") is batch]
    told = layout_of(shape, batch=batch)
    expected = f"a batch of {EXPECTED}" if batch else EXPECTED
    return layouts_fault(shape, layout, told, layouts, expected, _hint(tuple(shape), batch), CHANNELS)


def _hint(shape: tuple[int, ...], batch: bool) -> str | None:
    if batch and layout_of(shape) is not None:
        return "this looks like one image, which log_image takes"
    if len(shape) == 3 and shape[1] in CHANNELS:
        return "this looks like (H, C, W): transpose(1, 0, 2) makes it (C, H, W)"
    if len(shape) == 3 and 2 in (shape[0], shape[2]):
        grey = "value[:1]" if shape[0] == 2 else "value[..., :1]"
        return f"two channels are no colours: {grey} is the first as grey; log_images takes several"
    if not batch and layout_of(shape, batch=True) is not None:
        return "this looks like a batch, which log_images takes"
    if len(shape) == 1 and shape[0] > 1 and int(sqrt(shape[0])) ** 2 == shape[0]:
        side = int(sqrt(shape[0]))
        return f"this looks flattened: reshape({side}, {side})"
    return None


def channels_first(data: NDArray[Any], layout: str) -> NDArray[Any]:
    """A view as (C, H, W), or (N, C, H, W) of a batch."""
    if layout.endswith("HWC"):
        return np.moveaxis(data, -1, -3)
    return data if "C" in layout else np.expand_dims(data, -3)


def pictures(data: "NDArray[Any] | Sequence[NDArray[Any]]", layout: str | None, most: int | None = None) -> list[Picture]:
    """Each image as (C, H, W) uint8: one, the first ``most`` of a batch, or of a sequence of arrays. All are shown in the same
    span of numbers, so that they can be compared.

    layout: None where it is to be told from the shape. Raises InvalidValue for what can't be images.
    """
    if isinstance(data, np.ndarray):
        whole = _whole(data, layout)
        return list(to_bytes(whole[:most])) if whole.ndim == 4 else [to_bytes(whole)]
    ones = [_whole(one, layout) for one in data[:most]]
    together = span(ones)
    return [to_bytes(one, together) for one in ones]


def _whole(data: NDArray[Any], layout: str | None) -> NDArray[Any]:
    whole = channels_first(data, settled("image", EXPECTED, layout, layout_of(data.shape), data.shape))
    if whole.shape[-3] not in CHANNELS:
        raise InvalidValue(kind="image", expected=EXPECTED, got=f"shape {data.shape} in the layout {layout!r}")
    return whole


def canonical(shown: Sequence[Picture], *, keep_resolution: bool = False, sep: int = 0) -> Picture:
    """(C, H, W) uint8, contiguous: a picture, or a mosaic of several, ``sep`` pixels apart."""
    return fitted(shown[0] if len(shown) == 1 else mosaic(shown, sep), keep_resolution=keep_resolution)


def fitted(picture: Picture, *, keep_resolution: bool = False, area: int = AREA) -> Picture:
    """The picture with about ``area`` pixels and its aspect. Smaller ones grow by a whole factor, pixels kept sharp; larger
    ones are averaged down, for which Pillow is needed."""
    height, width = picture.shape[-2:]
    if keep_resolution or area / _NEAR <= height * width <= area * _NEAR:
        return np.ascontiguousarray(picture)
    if height * width < area:
        factor = max(1, int(sqrt(area / (height * width))))
        return picture.repeat(factor, -2).repeat(factor, -1)
    scale = sqrt(area / (height * width))
    return resized(picture, max(1, round(height * scale)), max(1, round(width * scale)))


def resized(picture: Picture, height: int, width: int) -> Picture:
    """(C, H, W) to another size, each pixel the mean of those it covers. Needs Pillow."""
    from PIL import Image

    channels = []
    for channel in picture:
        small = Image.fromarray(np.ascontiguousarray(channel)).resize((width, height), Image.Resampling.BOX)
        channels.append(np.asarray(small))
    return np.stack(channels)


def grid(count: int, height: int = 1, width: int = 1) -> tuple[int, int]:
    """(rows, columns) of a near-square mosaic of pictures of this size, no row left empty: as few pixels as can be lie beyond
    its largest square, or where no picture is. Of two that are as good, the wider one. The measure is ml-starter's."""

    def loss(shape: tuple[int, int]) -> int:
        high, wide = shape[0] * height, shape[1] * width
        return 2 * high * wide - min(high, wide) ** 2 - count * height * width

    columns = {ceil(count / rows) for rows in range(1, count + 1)}
    return min(((ceil(count / one), one) for one in sorted(columns, reverse=True)), key=loss)


def mosaic(pictures: "Picture | Sequence[Picture]", sep: int = 0) -> Picture:
    """Pictures (C, H, W) of one or of several sizes, row by row in a near-square grid, ``sep`` pixels of black between.

    Of pictures with different channels, grey ones become RGB, and RGB ones opaque RGBA.
    """
    depth = max(len(one) for one in pictures)
    height, width = max(one.shape[1] for one in pictures), max(one.shape[2] for one in pictures)
    rows, columns = grid(len(pictures), height, width)
    made = np.zeros((depth, rows * (height + sep) - sep, columns * (width + sep) - sep), np.uint8)
    for at, one in enumerate(pictures):
        top, left = at // columns * (height + sep), at % columns * (width + sep)
        made[:, top : top + one.shape[1], left : left + one.shape[2]] = deepened(one, depth)
    return made


def deepened(picture: Picture, depth: int) -> Picture:
    """(C, H, W) with ``depth`` channels, 3 or 4, where it has fewer."""
    if len(picture) == depth:
        return picture
    colour = np.broadcast_to(picture, (3, *picture.shape[1:])) if len(picture) == 1 else picture
    if depth == 3:
        return colour
    return np.concatenate([colour, np.full((1, *picture.shape[1:]), 255, np.uint8)])

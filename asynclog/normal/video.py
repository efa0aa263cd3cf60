"""Videos: how the axes are told apart, and (T, C, H, W) uint8 for a player."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from asynclog.errors import InvalidValue
from asynclog.normal.image import AREA, Picture, deepened, mosaic, resized
from asynclog.normal.layouts import Fault, settled
from asynclog.normal.layouts import fault as layouts_fault
from asynclog.normal.scale import to_bytes

Layout = Literal["THW", "TCHW", "THWC"]
LAYOUTS: Final[tuple[str, ...]] = ("THW", "TCHW", "THWC")
CHANNELS: Final = (1, 3)
EXPECTED: Final = "(T, H, W), (T, C, H, W) or (T, H, W, C) with C of 1 or 3, none of them 0"
FPS: Final = 12.0
Clip = NDArray[np.uint8]


def layout_of(shape: Sequence[int]) -> Layout | None:
    """Which axis is what, or None if this can't be a video. Where both ends could be channels, they come before H and W."""
    if 0 in shape:
        return None
    if len(shape) == 3:
        return "THW"
    if len(shape) == 4 and shape[1] in CHANNELS:
        return "TCHW"
    return "THWC" if len(shape) == 4 and shape[3] in CHANNELS else None


def fault(shape: Sequence[int], layout: str | None) -> Fault | None:
    """What is wrong with a shape as a video's."""
    hint = None
    if len(shape) == 4 and shape[0] in CHANNELS:
        hint = "this looks like (C, T, H, W): transpose(1, 0, 2, 3) makes it (T, C, H, W)"
    elif len(shape) == 4 and shape[2] in CHANNELS:
        hint = "this looks like (T, H, C, W): transpose(0, 2, 1, 3) makes it (T, C, H, W)"
    elif len(shape) == 4 and shape[3] == 4:
        hint = "a video has no transparency: value[..., :3] leaves it out"
    elif len(shape) == 4 and shape[1] == 4:
        hint = "a video has no transparency: value[:, :3] leaves it out"
    elif len(shape) == 5:
        hint = "this looks like a batch, which log_videos takes"
    elif len(shape) == 2:
        hint = "this looks like an image, which log_image takes"
    return layouts_fault(shape, layout, layout_of(shape), LAYOUTS, EXPECTED, hint, CHANNELS)


def canonical(data: NDArray[Any], layout: str | None = None, *, most: int | None = None, area: int = AREA) -> Clip:
    """(T, C, H, W) uint8, contiguous, of the first ``most`` frames. All frames are scaled by the same range. Frames of much
    more than ``area`` pixels are averaged down, which needs Pillow; small ones stay as they are. Raises InvalidValue for what
    can't be a video."""
    known = settled("video", EXPECTED, layout, layout_of(data.shape), data.shape)
    frames = data[:most]
    if known == "THWC":
        frames = np.moveaxis(frames, -1, 1)
    elif known == "THW":
        frames = frames[:, None]
    if frames.shape[1] not in CHANNELS:
        raise InvalidValue(kind="video", expected=EXPECTED, got=f"shape {data.shape} in the layout {layout!r}")
    clip = to_bytes(frames)
    height, width = clip.shape[2:]
    if height * width > 2 * area:
        scale = (area / (height * width)) ** 0.5
        return np.stack([resized(one, max(1, round(height * scale)), max(1, round(width * scale))) for one in clip])
    return np.ascontiguousarray(clip)


def side_by_side(clips: Sequence[Clip], sep: int = 0) -> Clip:
    """Several clips as one mosaic; a shorter one stays on its last frame."""
    length, depth = max(map(len, clips)), max(one.shape[1] for one in clips)

    def frame(clip: Clip, at: int) -> Picture:
        return deepened(clip[min(at, len(clip) - 1)], depth)

    return np.stack([mosaic([frame(one, at) for one in clips], sep) for at in range(length)])

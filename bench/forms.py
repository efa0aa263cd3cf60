"""The values whose canonical forms are timed: kinds, dtypes and layouts, by a name that says which."""

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.figures import Bar

POINTS = HISTOGRAM = 1_000_000

Make = Callable[[], Any]


def floats(*shape: int) -> Any:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def _strewn(data: Any, *others: float) -> Any:
    """A copy with one number in a hundred replaced."""
    flat = data.copy().reshape(-1)
    for at, other in enumerate(others):
        flat[at :: 100 * len(others)] = other
    return flat.reshape(data.shape)


def image_forms() -> dict[str, Make]:
    """256² in several dtypes and layouts; larger and smaller ones, which are resized; captions."""
    from asynclog.values import Image

    picture = floats(3, 256, 256)
    whole = (picture * 255).astype(np.uint8)
    large = floats(512, 512, 3)
    texts = iter(range(1 << 60))
    given = {
        "CHW uint8": whole,
        "HWC uint8": np.ascontiguousarray(np.moveaxis(whole, 0, -1)),
        "CHW float32": picture,
        "HWC float32": np.ascontiguousarray(np.moveaxis(picture, 0, -1)),
        "CHW float64": picture.astype(np.float64),
        "CHW float16": picture.astype(np.float16),
        "CHW float32 with NaN and infinities": _strewn(picture, np.nan, np.inf, -np.inf),
        "HW bool": picture[0] > 0.5,
        "HW int64": (picture[0] * 1000).astype(np.int64),
    }
    forms: dict[str, Make] = {f"image 256², {name}": Image(data).canonical for name, data in given.items()}
    # A caption that was drawn before finds its font in a cache; each of these is new.
    forms["image 256², CHW float32, with a caption"] = lambda: Image(
        picture, captions=[f"sample {next(texts)}: 再構成 0.123"]
    ).canonical()
    forms["image 64² to 250², HWC float32"] = Image(floats(64, 64, 3)).canonical
    forms["image 512² to 250², HWC float32"] = Image(large).canonical
    forms["image 512² to 250², HWC uint8"] = Image((large * 255).astype(np.uint8)).canonical
    return forms


def video_forms() -> dict[str, Make]:
    """16×3×128² in several dtypes and layouts."""
    from asynclog.values import Video

    clip = floats(16, 3, 128, 128)
    whole = (clip * 255).astype(np.uint8)
    given = {
        "TCHW uint8": whole,
        "THWC uint8": np.ascontiguousarray(np.moveaxis(whole, 1, -1)),
        "TCHW float32": clip,
        "THWC float32": np.ascontiguousarray(np.moveaxis(clip, 1, -1)),
        "TCHW float64": clip.astype(np.float64),
        "TCHW float16": clip.astype(np.float16),
        "TCHW float32 with NaN": _strewn(clip, np.nan),
    }
    return {f"video 16×3×128², {name}": Video(data).canonical for name, data in given.items()}


def histogram_forms() -> dict[str, Make]:
    """A million numbers, as the engine counts them."""
    from asynclog.normal.histogram import counted

    normal = np.random.default_rng(0).standard_normal(HISTOGRAM).astype(np.float32)
    given = {
        "float32": normal,
        "bfloat16, as float32": (normal.view(np.uint32) & 0xFFFF0000).view(np.float32),
        "float16": normal.astype(np.float16),
        "float64": normal.astype(np.float64),
        "float32 with NaN": _strewn(normal, np.nan),
        "uint8": (floats(HISTOGRAM) * 255).astype(np.uint8),
    }
    return {f"histogram of 1e6, {name}": lambda data=data: counted(data) for name, data in given.items()}  # type: ignore[misc]


def cloud_forms() -> dict[str, Make]:
    """A thousand points of a million."""
    from asynclog.values import PointCloud

    points, colors = floats(POINTS, 3), (floats(POINTS, 3) * 255).astype(np.uint8)
    given = {
        "(N, 3) float32": PointCloud(points),
        "(3, N) float32": PointCloud(np.ascontiguousarray(points.T)),
        "(2, 3, N / 2) float32": PointCloud(np.ascontiguousarray(np.moveaxis(points.reshape(2, -1, 3), 1, 2))),
        "(N, 6) float64": PointCloud(np.concatenate([points, points], 1).astype(np.float64)),
        "with colours and labels": PointCloud(points, colors=colors, labels=np.arange(POINTS)),
        "with NaN": PointCloud(_strewn(points, np.nan)),
    }
    return {f"1,000 of 1e6 points, {name}": value.canonical for name, value in given.items()}


FORMS: dict[str, tuple[Callable[[], dict[str, Make]], Bar]] = {
    "image": (image_forms, Bar(1.0)),
    "video": (video_forms, Bar(5.0)),
    "histogram": (histogram_forms, Bar(3.0)),
    "cloud": (cloud_forms, Bar(5.0)),
}

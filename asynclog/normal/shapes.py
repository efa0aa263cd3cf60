"""Which shapes, dtypes and parameters each kind takes, as tables, and the exact words for what it doesn't take."""

from collections.abc import Callable
from math import isfinite
from numbers import Integral, Real
from typing import Any, Final, NamedTuple

Shape = tuple[int, ...]


class Rule(NamedTuple):
    """fits(shape): whether the shape is right. expected: in words. hint(shape): what would make it right, as a guess."""

    fits: Callable[[Shape], bool]
    expected: str
    hint: Callable[[Shape], str | None] = lambda shape: None


def _image(shape: Shape) -> bool:
    return (len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3, 4))) and 0 not in shape


def _image_hint(shape: Shape) -> str | None:
    if len(shape) == 3 and shape[2] in (1, 3, 4):
        return "this looks like (H, W, C): transpose(2, 0, 1) makes it (C, H, W)"
    if len(shape) == 4:
        return "this looks like a batch: log its images one by one"
    return None


def _audio(shape: Shape) -> bool:
    return (len(shape) == 1 or (len(shape) == 2 and shape[0] <= 32)) and 0 not in shape


def _audio_hint(shape: Shape) -> str | None:
    return "this looks like (T, C): transpose it" if len(shape) == 2 and shape[1] <= 32 else None


def _video(shape: Shape) -> bool:
    return len(shape) == 4 and shape[1] in (1, 3) and 0 not in shape


def _video_hint(shape: Shape) -> str | None:
    if len(shape) == 4 and shape[3] in (1, 3):
        return "this looks like (T, H, W, C): transpose(0, 3, 1, 2) makes it (T, C, H, W)"
    return "this looks like (T, H, W): index it [:, None]" if len(shape) == 3 else None


def _points(shape: Shape) -> bool:
    return len(shape) == 2 and shape[1] == 3


def _points_hint(shape: Shape) -> str | None:
    return "this looks like (3, N): transpose it" if len(shape) == 2 and shape[0] == 3 else None


RULES: Final[dict[tuple[str, str], Rule]] = {
    ("image", "data"): Rule(_image, "an array (C, H, W) with C of 1, 3 or 4, or (H, W)", _image_hint),
    ("audio", "data"): Rule(_audio, "an array (C, T) or (T,) with at most 32 channels", _audio_hint),
    ("video", "data"): Rule(_video, "an array (T, C, H, W) with C of 1 or 3", _video_hint),
    ("point_cloud", "points"): Rule(_points, "an array (N, 3)", _points_hint),
    ("point_cloud", "colors"): Rule(_points, "an array (N, 3)", _points_hint),
    ("histogram", "data"): Rule(lambda shape: True, "an array of numbers"),
    ("tensor", "data"): Rule(lambda shape: True, "an array of numbers"),
}
_REAL: Final = "biuf"
DTYPES: Final[dict[str, str]] = {
    "image": _REAL,
    "audio": "iuf",
    "video": _REAL,
    "point_cloud": "iuf",
    "histogram": _REAL,
}


def fault(kind: str, field: str, shape: Shape, dtype: Any) -> tuple[str, str, str | None] | None:
    """(expected, got, hint) if an array can't be a value's field, else None. dtype: a numpy dtype."""
    rule = RULES.get((kind, field))
    if rule is not None and not rule.fits(shape):
        return rule.expected, f"shape {shape}", rule.hint(shape)
    if dtype.kind not in DTYPES.get(kind, _REAL + "c"):
        return "numbers", f"dtype {dtype}", None
    return None


class Parameter(NamedTuple):
    """settled(value): the value as it is recorded, or None if it can't be. expected: in words."""

    settled: Callable[[Any], Any]
    expected: str


def _hertz(value: Any) -> int | None:
    whole = isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    return int(value) if whole and 0 < int(value) < 1 << 32 else None


def _rate(value: Any) -> float | None:
    rate = float(value) if isinstance(value, Real) else 0.0
    return rate if rate > 0 and isfinite(rate) else None


# A header of sound (WAV) has 32 bits for the sample rate.
PARAMETERS: Final[dict[tuple[str, str], Parameter]] = {
    ("image", "caption"): Parameter(lambda value: value if isinstance(value, str) else None, "a str as caption"),
    ("audio", "sample_rate"): Parameter(_hertz, "a sample_rate that is a whole number of Hz, > 0, of 32 bits"),
    ("video", "fps"): Parameter(_rate, "a finite number of frames per second (fps), > 0"),
}

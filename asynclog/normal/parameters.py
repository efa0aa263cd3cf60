"""Which parameters a kind takes beside its arrays, as a table: how each is settled, and the words for what it isn't."""

from collections.abc import Callable
from math import isfinite
from numbers import Integral, Real
from typing import Any, Final, NamedTuple


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


def _length(value: Any) -> float | None:
    length = float(value) if isinstance(value, Real) else -1.0
    return length if length >= 0 and isfinite(length) else None


def _whole(value: Any) -> int:
    """A whole number, or -1 for what is none."""
    if isinstance(value, bool):
        return -1
    return int(value) if isinstance(value, Integral) else -1


def _count(value: Any) -> int | None:
    return _whole(value) if _whole(value) > 0 else None


def _pixels(value: Any) -> int | None:
    return _whole(value) if 0 <= _whole(value) <= 1 << 12 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Any) -> list[str] | None:
    texts = list(value) if isinstance(value, list | tuple) else []
    return texts if texts and all(isinstance(one, str) for one in texts) else None


def _channel(value: Any) -> Any:
    return value if value == "mean" else _whole(value) if 0 <= _whole(value) < 32 else None


_HERTZ: Final = Parameter(_hertz, "a sample_rate that is a whole number of Hz, > 0, of 32 bits")  # as a header of WAV has them
_RATE: Final = Parameter(_rate, "a finite number of frames per second (fps), > 0")
_MOST: Final = Parameter(_count, "a whole number of them, > 0")
_SEP: Final = Parameter(_pixels, "a whole number of pixels between them, 0 to 4096")
_SEP_MS: Final = Parameter(_length, "a finite number of milliseconds between them, ≥ 0")
_CHANNEL: Final = Parameter(_channel, 'a channel\'s number, or "mean"')
PARAMETERS: Final[dict[tuple[str, str], Parameter]] = {
    ("image", "caption"): Parameter(_text, "a str as caption"),
    ("image", "captions"): Parameter(_texts, "a list of str as captions"),
    ("image", "box_labels"): Parameter(_texts, "a list of str as box_labels"),
    ("image", "max_line_length"): Parameter(_count, "a whole number of characters as max_line_length, > 0"),
    ("image", "sep"): _SEP,
    ("image", "most"): _MOST,
    ("audio", "sample_rate"): _HERTZ,
    ("audio", "sep_ms"): _SEP_MS,
    ("audio", "most"): _MOST,
    ("audio", "channel"): _CHANNEL,
    ("spectrogram", "sample_rate"): _HERTZ,
    ("spectrogram", "n_fft_ms"): Parameter(_rate, "a finite number of milliseconds, > 0"),
    ("spectrogram", "hop_ms"): Parameter(_rate, "a finite number of milliseconds, > 0"),
    ("spectrogram", "channel"): _CHANNEL,
    ("spectrogram", "sep_ms"): _SEP_MS,
    ("spectrogram", "most"): _MOST,
    ("video", "fps"): _RATE,
    ("video", "sep"): _SEP,
    ("video", "most"): _MOST,
    ("video", "length"): _MOST,
    ("point_cloud", "most"): _MOST,
    ("point_cloud", "box_labels"): Parameter(_texts, "a list of str as box_labels"),
}

"""What a kind of file can't hold of a value, and what it says otherwise than the value does.

Sources: FLAC's frame header and the streamable subset of RFC 9639, 7; a GIF's delay is 16 bits of hundredths of a second, and
browsers play those below two hundredths at ten frames per second.
"""

from fractions import Fraction
from typing import Any, Final

from asynclog.values import Audio, Tensor, Value, Video

_WAV_HZ: Final = 2**31 - 1
_FLAC_HZ: Final = 655_350
_FLAC_ANY_HZ: Final = 65_535  # beyond, a FLAC frame counts in tens of Hz
_SLOWEST: Final = Fraction(1, 1000)
_FASTEST: Final = Fraction(1000)
_GIF_DELAYS: Final = (2, 65_535)  # in hundredths of a second
_FEW: Final = 3


def obstacle(value: Any, suffix: str) -> str | None:
    """Why a file of this suffix can't hold the value, in words that follow the suffix; None if it can."""
    if suffix == ".npy" and isinstance(value, Value):
        return _apart(value)
    if isinstance(value, Audio) and suffix in (".wav", ".flac"):
        return _unsayable(value.sample_rate, suffix)
    return None


def _apart(value: Value) -> str | None:
    """A .npy is one array; several as logged fit into one if stacking them changes none."""
    held = getattr(value, "data", None)
    if not isinstance(held, tuple):
        return None
    forms = list(dict.fromkeys(f"{one.shape} {one.dtype}" for one in held))
    if len(forms) == 1:
        return None
    more = f" and {len(forms) - _FEW} more" if len(forms) > _FEW else ""
    return f"which is one array, not {len(held)} of {', '.join(forms[:_FEW])}{more}"


def _unsayable(rate: Any, suffix: str) -> str | None:
    if not isinstance(rate, int) or rate <= 0:
        return f"which has a whole number of Hz, > 0, not {rate!r}"
    if suffix == ".wav":
        return None if rate <= _WAV_HZ else f"which has at most {_WAV_HZ:,} Hz, not {rate:,}"
    if rate <= _FLAC_ANY_HZ or (rate <= _FLAC_HZ and rate % 10 == 0):
        return None
    return f"which has at most {_FLAC_HZ:,} Hz, beyond {_FLAC_ANY_HZ:,} in tens, not {rate:,}"


def note(value: Any, suffix: str) -> str | None:
    """What a file of this suffix says otherwise than the value, for whoever saved it; None if it says the same."""
    if isinstance(value, Tensor) and value.dtype is not None and suffix == ".npy":
        return f"the numbers of {value.dtype} as float32" if value.fault() is None else f"the bits of {value.dtype}"
    if not isinstance(value, Video):
        return None
    if suffix in (".mp4", ".html") and value.fps != min(max(value.fps, _SLOWEST), _FASTEST):
        return f"played at {float(film_rate(value.fps)):,g} frames per second, not {value.fps:,g}: .mp4 has 0.001 to 1,000"
    if suffix == ".gif" and gif_delay(value.fps) != max(round(100 / value.fps), 1):
        shown = 100 / gif_delay(value.fps)
        return f"played at {shown:.3g} frames per second, not {value.fps:,g}: .gif has 0.00153 to 50"
    return None


def film_rate(fps: float) -> Fraction:
    """Frames per second as an MP4 can time them: beyond 1000, players find no frame that lasts. Raises TypeError and
    ValueError for what is no number: a file may hold anything."""
    if not isinstance(fps, int | float):
        raise TypeError(f"{fps!r} is no number of frames per second")
    return min(max(Fraction(fps), _SLOWEST), _FASTEST).limit_denominator(1001)


def gif_delay(fps: float, alike: int = 1) -> int:
    """How long a frame of a GIF is shown, in hundredths of a second. alike: how many in a row become one frame. Raises
    ValueError if that one lasts longer than a GIF can say."""
    shortest, longest = _GIF_DELAYS
    delay = min(max(round(100 / fps), shortest), longest)
    if alike * delay > longest:
        raise ValueError(f"{alike:,} frames in a row are alike, and no picture stays longer than {longest // 100} s")
    return delay

"""Sound: how channels and time are told apart, (C, T) float32 in [-1, 1], and its spectrogram."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from asynclog.normal.layouts import Fault, settled
from asynclog.normal.layouts import fault as layouts_fault

Layout = Literal["T", "CT", "TC"]
LAYOUTS: Final[tuple[str, ...]] = ("T", "CT", "TC")
MOST_CHANNELS: Final = 32
EXPECTED: Final = "(T,), (C, T) or (T, C) with at most 32 channels, none of them 0"
Sound = NDArray[np.float32]
_FLOOR: Final = 1e-8  # log10 of silence


def layout_of(shape: Sequence[int]) -> Layout | None:
    """Which axis is what, or None if this can't be sound: of two axes the channels are the shorter one, at most 32; the
    first where both are as long."""
    if 0 in shape or len(shape) not in (1, 2):
        return None
    if len(shape) == 1:
        return "T"
    if min(shape) > MOST_CHANNELS:
        return None
    return "CT" if shape[0] <= shape[1] else "TC"


def fault(shape: Sequence[int], layout: str | None, channel: "int | str | None" = None) -> Fault | None:
    """What is wrong with a shape as sound's, or with the channel that is to be heard."""
    hint = None
    if len(shape) == 3:
        hint = "this looks like a batch, which log_audios takes"
    elif len(shape) == 2 and 0 not in shape:
        hint = "neither axis is short enough for channels; an image or a tensor?"
    elif len(shape) == 0:
        hint = "one number is a scalar, which log_scalar takes"
    told = layout_of(shape)
    found = layouts_fault(shape, layout, told, LAYOUTS, EXPECTED, hint, range(1, MOST_CHANNELS + 1))
    if found is not None or not isinstance(channel, int):
        return found
    known = told if layout is None else layout
    count = shape[known.index("C")] if known is not None and "C" in known else 1
    if channel < count:
        return None
    return Fault(f"a channel among 0 to {count - 1}", f"channel={channel}", '"mean" hears them all')


def canonical(data: NDArray[Any], layout: str | None = None, *, channel: "int | Literal['mean'] | None" = None) -> Sound:
    """(C, T) float32 in [-1, 1], C of 1 or 2. Whole numbers are taken as parts of their dtype's range, unsigned ones around
    its middle; floating point is divided by max|x| if that is above 1. NaN is silence.

    channel: one channel's number, or "mean" of all; None keeps them, the first two of more. Raises InvalidValue for what
    can't be sound.
    """
    known = settled("audio", EXPECTED, layout, layout_of(data.shape), data.shape)
    sound = data[None] if known == "T" else data.T if known == "TC" else data
    if channel == "mean":
        made = _levels(sound).mean(axis=0, keepdims=True, dtype=np.float32)
    elif channel is not None:
        made = _levels(sound[channel : channel + 1])
    else:
        made = _levels(sound[:2])
    if data.dtype.kind == "f":
        if not np.isfinite(made).all():
            made = np.nan_to_num(made, nan=0.0, posinf=1.0, neginf=-1.0)
        peak = float(np.abs(made).max(initial=0.0))
        if peak > 1:
            made = made / np.float32(peak)
    return np.ascontiguousarray(made)


def _levels(sound: NDArray[Any]) -> Sound:
    if sound.dtype.kind == "f":
        # A float64 that float32 can't hold is an infinity there, which is dealt with as one.
        with np.errstate(over="ignore"):
            return sound.astype(np.float32)
    span = np.iinfo(sound.dtype)
    half = (float(span.max) - float(span.min) + 1) / 2
    middle = 0.0 if sound.dtype.kind == "i" else half
    return ((sound.astype(np.float64) - middle) / half).astype(np.float32)


def joined(sounds: Sequence[Sound], sample_rate: float, sep_ms: float) -> Sound:
    """Several (C, T) one after the other, with silence between; mono becomes stereo beside stereo."""
    depth = max(len(one) for one in sounds)
    gap = np.zeros((depth, round(sample_rate * sep_ms / 1000)), np.float32)
    parts: list[NDArray[np.float32]] = []
    for one in sounds:
        parts += [np.broadcast_to(one, (depth, one.shape[1])), gap]
    return np.concatenate(parts[:-1], axis=1)


def window_lengths(sample_rate: float, n_fft_ms: float, hop_ms: float) -> tuple[int, int]:
    """(n_fft, hop) in samples: the powers of two at or below the given times, at least 16 and 1."""
    n_fft = 1 << max(4, int(sample_rate * n_fft_ms / 1000).bit_length() - 1)
    hop = 1 << max(0, int(sample_rate * hop_ms / 1000).bit_length() - 1)
    return n_fft, min(hop, n_fft)


def side_by_side(pictures: Sequence[NDArray[np.float32]], gap: int) -> NDArray[np.float32]:
    """Several spectrograms one after the other, ``gap`` windows of silence between."""
    if len(pictures) == 1:
        return pictures[0]
    silence = np.full((len(pictures[0]), gap), np.log10(_FLOOR), np.float32)
    parts = [part for one in pictures for part in (one, silence)]
    return np.concatenate(parts[:-1], axis=1)


def spectrogram(sound: Sound, n_fft: int = 1024, hop: int = 256) -> NDArray[np.float32]:
    """log10 |STFT| of the mean of (C, T): (n_fft / 2 + 1, 1 + T // hop) float32, the lowest frequency first.

    A periodic Hann window, centred on multiples of ``hop``; the ends are mirrored (zeros where there is too little to
    mirror). Source: the short-time Fourier transform as torch.stft with center=True gives it.
    """
    mono = sound.mean(axis=0)
    half = n_fft // 2
    padded = np.pad(mono, half, mode="reflect" if len(mono) > half else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    magnitude = np.abs(np.fft.rfft(frames * window, axis=1)).T
    return np.log10(np.maximum(magnitude, _FLOOR)).astype(np.float32)

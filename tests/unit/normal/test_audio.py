"""Sound: axes told apart, levels, spectrograms."""

from typing import Any

import numpy as np
import pytest

from asynclog.normal.audio import canonical, joined, layout_of, spectrogram, window_lengths


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((16,), "T"),
        ((1, 16), "CT"),
        ((2, 16), "CT"),
        ((16, 2), "TC"),
        ((2, 2), "CT"),
        ((40, 50), None),
        ((), None),
        ((0,), None),
    ],
)
def test_axes_are_told_from_the_shape(shape: tuple[int, ...], layout: str | None) -> None:
    assert layout_of(shape) == layout


@pytest.mark.parametrize(("shape", "layout"), [((7,), "T"), ((1, 7), "CT"), ((2, 7), "CT"), ((7, 2), "TC"), ((5, 7), "CT")])
def test_sound_has_one_or_two_channels_first(shape: tuple[int, ...], layout: str) -> None:
    sound = canonical(np.zeros(shape, np.float32), layout)
    assert sound.shape == (min(2, 1 if layout == "T" else min(shape)), 7)
    assert sound.flags.c_contiguous


@pytest.mark.parametrize(
    ("data", "level"),
    [
        (np.array([-32768, 0, 16384], np.int16), [-1.0, 0.0, 0.5]),
        (np.array([0, 128, 192], np.uint8), [-1.0, 0.0, 0.5]),
        (np.array([-(2**31), 0, 2**30], np.int32), [-1.0, 0.0, 0.5]),
        (np.array([-1.0, 0.5]), [-1.0, 0.5]),
        (np.array([-4.0, 2.0]), [-1.0, 0.5]),
        (np.array([0.25, 0.5]), [0.25, 0.5]),
        (np.array([np.nan, np.inf, -0.5]), [0.0, 1.0, -0.5]),
    ],
)
def test_levels_lie_between_minus_one_and_one(data: Any, level: list[float]) -> None:
    assert canonical(data, "T").tolist() == [level]


def test_channels_can_be_mixed_or_chosen() -> None:
    data = np.array([[0.2, 0.2], [0.4, 0.8]], np.float32)
    assert canonical(data, "CT", channel="mean").tolist() == [[pytest.approx(0.3), pytest.approx(0.5)]]
    assert canonical(data, "CT", channel=1).tolist() == [[pytest.approx(0.4), pytest.approx(0.8)]]


def test_several_sounds_are_parted_by_silence_and_mono_becomes_stereo() -> None:
    mono, stereo = np.ones((1, 3), np.float32), np.ones((2, 2), np.float32)
    assert joined([mono, stereo], sample_rate=1000, sep_ms=2).tolist() == [[1, 1, 1, 0, 0, 1, 1]] * 2


def test_a_spectrogram_of_4096_samples_is_513_by_17() -> None:
    assert spectrogram(np.zeros((2, 4096), np.float32)).shape == (513, 17)


def test_a_tone_stands_at_its_frequency() -> None:
    rate, tone = 16_000, 1_000
    sound = np.sin(2 * np.pi * tone * np.arange(rate) / rate, dtype=np.float64)[None].astype(np.float32)
    shown = spectrogram(sound, 1024, 256)
    assert abs(int(shown[:, 20].argmax()) - tone * 1024 // rate) <= 1


def test_it_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch")
    sound = np.random.default_rng(0).standard_normal((1, 5000)).astype(np.float32)
    window = torch.hann_window(1024)
    theirs = torch.stft(torch.from_numpy(sound[0]), 1024, 256, window=window, center=True, return_complex=True).abs().log10()
    assert np.allclose(spectrogram(sound), theirs.numpy(), atol=1e-4)


def test_silence_and_a_single_sample_have_a_spectrogram() -> None:
    shown = spectrogram(np.zeros((1, 1), np.float32))
    assert shown.shape == (513, 1)
    assert np.allclose(shown, -8)


def test_windows_are_powers_of_two_no_longer_than_asked() -> None:
    assert window_lengths(44_100, 32, 8) == (1024, 256)
    assert window_lengths(8, 1, 1) == (16, 1)

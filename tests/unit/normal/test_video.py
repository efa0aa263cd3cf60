"""Videos: axes told apart, and what a player gets."""

import numpy as np
import pytest

from asynclog.normal.video import canonical, layout_of, side_by_side


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((5, 8, 9), "THW"),
        ((5, 3, 8, 9), "TCHW"),
        ((5, 1, 8, 9), "TCHW"),
        ((5, 8, 9, 3), "THWC"),
        ((5, 8, 9, 1), "THWC"),
        ((5, 3, 9, 3), "TCHW"),
        ((5, 2, 8, 9), None),
        ((8, 9), None),
        ((0, 8, 9), None),
    ],
)
def test_axes_are_told_from_the_shape(shape: tuple[int, ...], layout: str | None) -> None:
    assert layout_of(shape) == layout


@pytest.mark.parametrize(("shape", "layout"), [((5, 8, 9), "THW"), ((5, 3, 8, 9), "TCHW"), ((5, 8, 9, 3), "THWC")])
def test_frames_have_their_channels_first(shape: tuple[int, ...], layout: str) -> None:
    data = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    clip = canonical(data, layout)
    assert clip.shape == (5, 1 if layout == "THW" else 3, 8, 9)
    assert clip[2, 0, 3, 4] == (
        data[2, 3, 4] if layout == "THW" else data[2, 3, 4, 0] if layout == "THWC" else data[2, 0, 3, 4]
    )


def test_all_frames_are_scaled_by_the_same_range() -> None:
    """Not by the last frame's, as in one of the systems before."""
    data = np.zeros((2, 1, 1, 1), np.float32)
    data[0] = 4
    data[1] = 1
    assert canonical(data, "TCHW").reshape(-1).tolist() == [255, 64]


def test_only_the_first_frames_are_shown_if_asked() -> None:
    assert len(canonical(np.zeros((9, 4, 4), np.uint8), "THW", most=4)) == 4


def test_large_frames_are_averaged_down() -> None:
    pytest.importorskip("PIL")
    assert canonical(np.zeros((2, 3, 1000, 500), np.uint8), "TCHW").shape == (2, 3, 354, 177)


def test_a_shorter_clip_beside_a_longer_one_stays_on_its_last_frame() -> None:
    short, long = np.full((1, 1, 1, 1), 9, np.uint8), np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    assert side_by_side([short, long]).reshape(3, 2).tolist() == [[9, 0], [9, 1], [9, 2]]

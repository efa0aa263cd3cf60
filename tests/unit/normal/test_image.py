"""Images: axes told apart, and what a screen shows."""

from typing import Any

import numpy as np
import pytest

from asynclog.normal.image import canonical, deepened, fitted, grid, layout_of, mosaic, pictures

PIL = pytest.importorskip("PIL.Image")


@pytest.mark.parametrize(
    ("shape", "batch", "layout"),
    [
        ((28, 28), False, "HW"),
        ((1, 28, 28), False, "CHW"),
        ((3, 28, 28), False, "CHW"),
        ((4, 28, 28), False, "CHW"),
        ((28, 28, 1), False, "HWC"),
        ((28, 28, 3), False, "HWC"),
        ((28, 28, 4), False, "HWC"),
        ((3, 28, 3), False, "CHW"),
        ((2, 28, 28), False, None),
        ((28, 28, 2), False, None),
        ((28,), False, None),
        ((0, 28), False, None),
        ((5, 3, 28, 28), False, None),
        ((5, 28, 28), True, "NHW"),
        ((5, 3, 28, 28), True, "NCHW"),
        ((5, 28, 28, 3), True, "NHWC"),
        ((5, 28), True, None),
    ],
)
def test_axes_are_told_from_the_shape(shape: tuple[int, ...], batch: bool, layout: str | None) -> None:
    assert layout_of(shape, batch=batch) == layout


@pytest.mark.parametrize(("data_shape", "layout"), [((6, 8), "HW"), ((3, 6, 8), "CHW"), ((6, 8, 3), "HWC"), ((6, 8, 4), "HWC")])
def test_a_picture_has_its_channels_first_and_lies_in_one_piece(data_shape: tuple[int, ...], layout: str) -> None:
    data = np.random.default_rng(0).integers(0, 255, data_shape, dtype=np.uint8)
    (picture,) = pictures(data, layout)
    shown = canonical([picture], keep_resolution=True)
    assert shown.flags.c_contiguous
    assert shown.shape == (1 if layout == "HW" else min(data_shape[0], data_shape[-1]), 6, 8)
    assert (
        shown[0].tolist() == (data if layout == "HW" else np.moveaxis(data, -1, 0)[0] if layout == "HWC" else data[0]).tolist()
    )


def test_a_small_picture_grows_by_a_whole_factor_with_sharp_pixels() -> None:
    shown = fitted(np.array([[[0, 255], [9, 7]]], np.uint8))
    assert shown.shape == (1, 250, 250)
    assert np.unique(shown).tolist() == [0, 7, 9, 255]


def test_a_large_picture_is_averaged_down_to_about_250_squared_and_keeps_its_aspect() -> None:
    data = np.zeros((3, 1000, 500), np.uint8)
    data[:, ::2] = 200
    shown = fitted(data)
    assert shown.shape == (3, 354, 177)
    assert abs(float(shown.mean()) - 100) < 2


def test_a_picture_of_about_the_right_size_is_left_alone() -> None:
    data = np.random.default_rng(0).integers(0, 255, (3, 256, 256), dtype=np.uint8)
    assert fitted(data) is data


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (5, (2, 3)), (7, (3, 3)), (10, (3, 4))])
def test_a_mosaic_is_nearly_square_and_no_row_is_empty(count: int, shape: tuple[int, int]) -> None:
    assert grid(count) == shape


def test_a_mosaic_goes_row_by_row_with_black_between() -> None:
    tiles = [np.full((1, 2, 2), value, np.uint8) for value in (10, 20, 30)]
    assert mosaic(tiles, sep=1).tolist() == [
        [[10, 10, 0, 20, 20], [10, 10, 0, 20, 20], [0, 0, 0, 0, 0], [30, 30, 0, 0, 0], [30, 30, 0, 0, 0]]
    ]


def test_pictures_of_different_sizes_and_depths_share_a_mosaic() -> None:
    made = mosaic([np.full((1, 2, 2), 9, np.uint8), np.full((3, 4, 3), 5, np.uint8)])
    assert made.shape == (3, 4, 6)
    assert made[:, 0, 0].tolist() == [9, 9, 9]


def test_grey_becomes_colour_and_colour_opaque() -> None:
    grey = np.full((1, 1, 1), 7, np.uint8)
    assert deepened(grey, 4)[:, 0, 0].tolist() == [7, 7, 7, 255]


def test_a_batch_is_shown_in_one_span_and_no_longer_than_asked() -> None:
    data = np.zeros((5, 2, 2), np.float32)
    data[4] = 100
    assert len(pictures(data, "NHW", most=3)) == 3
    assert pictures(data, "NHW")[4].max() == 255


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8, np.uint16, np.int64, np.float16, np.float32, np.float64])
def test_every_real_dtype_has_a_picture(dtype: Any) -> None:
    assert pictures(np.ones((3, 4, 4), dtype), "CHW")[0].dtype == np.uint8

import numpy as np
import pytest

from asynclog.demo.digits import pictures, space
from asynclog.demo.digits.loop import verdict

BLUE, RED = 2, 0


def cell(picture: np.ndarray, row: int, column: int) -> np.ndarray:
    """The colour of a cell near its corner, where no figure stands."""
    return picture[:, 48 + row * 24 + 3, 48 + column * 24 + 3].astype(int)


def test_a_digit_and_its_redrawing_stand_side_by_side_in_sharp_squares() -> None:
    pixels = np.zeros((1, 64), np.float32)
    pixels[0, 0] = 1.0
    (pair,) = pictures.pairs(pixels, 1 - pixels)
    assert (pair.shape, pair.dtype) == ((48, 48 + 6 + 48), np.uint8)
    assert (pair[:6, :6] == 255).all()
    assert pair[:, 6:54].max() == 0
    assert (pair[:6, 54:60] == 0).all()
    assert (pair[6:, 54:] == 255).all()


def test_confusion_counts_digits_by_what_they_were_named() -> None:
    counts = pictures.confusion(np.array([0, 0, 3, 9]), np.array([0, 8, 3, 9]))
    assert counts.sum() == 4
    assert (counts[0, 0], counts[0, 8], counts[3, 3], counts[9, 9]) == (1, 1, 1, 1)
    assert pictures.confusion_rows(counts)[0] == ["0", 1, 0, 0, 0, 0, 0, 0, 0, 1, 0]


def test_right_names_are_blue_and_mistakes_are_red_the_deeper_the_more() -> None:
    counts = np.diag(np.full(10, 20))
    counts[2, 7], counts[3, 8] = 1, 20
    drawn = pictures.confusion_picture(counts)
    assert (drawn.dtype, drawn.shape[0]) == (np.uint8, 3)
    assert cell(drawn, 5, 5)[BLUE] > cell(drawn, 5, 5)[RED] + 50
    few, many, empty = cell(drawn, 2, 7), cell(drawn, 3, 8), cell(drawn, 7, 2)
    assert few[RED] > few[BLUE]
    assert many[RED] - many[BLUE] > few[RED] - few[BLUE]
    assert empty.min() > 240
    assert pictures.confusion_picture(np.zeros((10, 10), np.int64)).min() < 100, "headings are there without a count"


@pytest.mark.parametrize(
    ("mistakes", "words"),
    [
        ({}, "50 of 50 named rightly"),
        ({(8, 1): 1}, "50 of 51 named rightly; an 8 was taken for a 1 once"),
        ({(3, 5): 4, (9, 7): 2}, "50 of 56 named rightly; a 3 was taken for a 5 4 times"),
    ],
)
def test_the_verdict_names_the_commonest_mistake(mistakes: dict[tuple[int, int], int], words: str) -> None:
    counts = np.diag(np.full(10, 5))
    for place, times in mistakes.items():
        counts[place] = times
    assert verdict(counts) == words


def test_the_walk_goes_through_every_middle_and_comes_back() -> None:
    centres = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    way = space.path(centres)
    assert way.shape == (10 * space.FRAMES_A_LEG, 4)
    np.testing.assert_allclose(way[:: space.FRAMES_A_LEG], centres, atol=1e-6)
    assert np.linalg.norm(way[-1] - centres[0]) < np.linalg.norm(centres[9] - centres[0]) / 4


def test_the_map_is_seen_from_where_the_middles_are_spread_most() -> None:
    centres = np.random.default_rng(0).normal(size=(10, 3)) * (0.1, 10.0, 5.0)
    flat = space.plane(centres.astype(np.float32))
    np.testing.assert_allclose(flat.T @ flat, np.eye(2), atol=1e-5)
    assert abs(flat[0]).max() < 0.2

"""Captions, boxes and masks, drawn."""

import numpy as np
import pytest

pytest.importorskip("PIL")

from asynclog.normal.draw import boxed, captioned, colour, font_for, masked, with_legend

BLACK = np.zeros((1, 40, 120), np.uint8)


def test_a_caption_stands_below_and_the_picture_above_it_is_untouched() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (3, 40, 120), dtype=np.uint8)
    made = captioned(picture, "seven")
    assert made.shape[0] == 3
    assert made.shape[1] > 50
    assert made[:, :40].tolist() == picture.tolist()
    assert made[:, 40:].max() > 200


def test_a_grey_picture_with_a_caption_is_coloured_and_a_clear_one_stays_clear() -> None:
    assert captioned(BLACK, "x").shape[0] == 3
    assert captioned(np.zeros((4, 40, 120), np.uint8), "x").shape[0] == 4


def test_a_long_caption_is_wrapped_to_the_width_and_cut_at_so_many_lines() -> None:
    short, long = captioned(BLACK, "word"), captioned(BLACK, "word " * 30)
    assert long.shape[1] > short.shape[1] + 40
    assert long.shape[2] == 120
    assert captioned(BLACK, "word " * 500, most_lines=2).shape[1] < long.shape[1]


@pytest.mark.parametrize("text", ["Ångström", "Привет", "Ελλάδα", "שלום", "مرحبا", "∑ ∂ ≤"])
def test_scripts_that_some_font_has_are_drawn_each_with_its_own_letters(text: str) -> None:
    """A font that lacks them would draw the same box for each."""
    font = font_for(text, 16)
    drawn = {bytes(font.getmask(letter)) for letter in set(text) - {" "}}
    if font.getname()[0] == "Aileron":
        pytest.skip("this system has no font with these letters")
    assert len(drawn) == len(set(text) - {" "})


def test_centred_text_is_centred() -> None:
    strip = captioned(BLACK, "i", centered=True)[0, 40:]
    lit = np.flatnonzero(strip.max(axis=0))
    assert abs(lit.mean() - 60) < 6
    assert np.flatnonzero(captioned(BLACK, "i", centered=False)[0, 40:].max(axis=0)).mean() < 12


def test_boxes_are_drawn_at_their_edges_and_leave_the_inside_alone() -> None:
    made = boxed(BLACK, np.array([[10.0, 5.0, 50.0, 30.0]]))
    assert made[:, 5, 30].max() > 200
    assert made[:, 20, 10].max() > 200
    assert made[:, 20, 30].max() == 0
    assert BLACK.max() == 0, "the picture itself is as it was"


def test_boxes_that_are_turned_around_or_not_finite_cost_nothing() -> None:
    made = boxed(BLACK, np.array([[50.0, 30.0, 10.0, 5.0], [np.nan, 0, 1, 1]]), ["a", "b"], np.array([0.5, 0.25]))
    assert made[:, 5, 49].max() > 100


def test_each_class_of_a_mask_has_its_colour_and_nothing_has_none() -> None:
    mask = np.zeros((40, 120), np.int64)
    mask[:10], mask[10:20] = 1, 2
    made = masked(BLACK, mask)
    assert len({tuple(made[:, row, 5].tolist()) for row in (5, 15, 30)}) == 3
    assert made[:, 30, 5].tolist() == [0, 0, 0]


def test_neighbouring_numbers_have_colours_far_apart() -> None:
    assert all(np.abs(np.subtract(colour(at), colour(at + 1))).sum() > 150 for at in range(20))


def test_a_caption_can_be_wrapped_shorter_than_the_picture_is_wide() -> None:
    text = "one two three four"
    assert captioned(BLACK, text, max_line_length=5).shape[1] > captioned(BLACK, text).shape[1]


def test_a_legend_stands_below_with_a_field_of_each_colour() -> None:
    made = with_legend(BLACK, [((255, 0, 0), "road"), ((0, 0, 255), "sky")])
    assert made.shape[0] == 3
    below = made[:, 40:]
    assert (below.transpose(1, 2, 0) == (255, 0, 0)).all(axis=-1).sum() > 40
    assert (below.transpose(1, 2, 0) == (0, 0, 255)).all(axis=-1).sum() > 40
    assert below.min(axis=0).max() > 200, "words in white"
    assert not made[:, :40].any()


def test_a_legend_widens_a_narrow_picture_and_wraps_to_a_wide_one() -> None:
    narrow = np.zeros((4, 8, 8), np.uint8)
    made = with_legend(narrow, [((9, 9, 9), "pavement")])
    assert made.shape[0] == 4
    assert made.shape[2] > 50
    many = with_legend(BLACK, [((9, 9, 9), f"class {at}") for at in range(6)])
    assert many.shape[2] == 120
    assert many.shape[1] > with_legend(BLACK, [((9, 9, 9), "class 0")]).shape[1] + 20
    assert with_legend(narrow, [((9, 9, 9), "w" * 500)]).shape[2] < 600


def test_a_box_is_drawn_as_far_as_there_is_a_picture() -> None:
    """Numbers of any size: the part within is there, and nobody waits for the rest."""
    _, height, width = BLACK.shape
    far = boxed(BLACK, np.array([[-1e300, 5.0, 1e17, 1e300]]), ["word"])
    assert np.array_equal(far, boxed(BLACK, np.array([[-2.0, 5.0, width + 1.0, height + 1.0]]), ["word"]))
    assert far[:, 5, :].any(axis=0).all()

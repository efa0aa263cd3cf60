"""Numbers as pictures."""

import numpy as np

from asynclog.normal.plot import bars, envelope, heat, waves


def test_heat_rises_from_dark_to_light_and_what_is_no_number_is_black() -> None:
    shown = heat(np.array([[0.0, 1.0, 2.0, np.nan, np.inf]])).astype(int)[:, 0]
    assert shown[:, 0].sum() < shown[:, 1].sum() < shown[:, 2].sum()
    assert shown[:, 3:].max() == 0


def test_heat_of_numbers_at_the_edge_of_floats_keeps_its_ends() -> None:
    shown = heat(np.array([[-1.7e308, 0.0, 1.7e308]])).astype(int)[:, 0]
    assert shown[:, 0].sum() < shown[:, 1].sum() < shown[:, 2].sum()


def test_a_bar_is_as_high_as_the_root_of_its_share() -> None:
    lit = bars(np.array([0, 1, 4, 16]), height=100)[0] != 255
    assert lit.sum(axis=0).tolist() == [0, 25, 50, 100]
    assert lit[-1].tolist() == [False, True, True, True]
    assert not (bars(np.zeros(4, int))[0] != 255).any()


def test_a_column_of_a_wave_goes_from_its_lowest_to_its_highest_sample() -> None:
    lit = envelope(np.array([0, 0, -1, 1, 0.5, 0.5], np.float32), width=3, height=5)
    assert lit.T.tolist() == [[False, False, True, False, False], [True] * 5, [False, True, False, False, False]]


def test_few_samples_are_drawn_wide_and_channels_below_each_other() -> None:
    shown = waves(np.array([[1.0, 1.0], [-1.0, -1.0]], np.float32), width=10, height=4)
    assert shown.shape == (3, 8, 10)
    lit = shown[0] != 255
    assert lit.any(axis=1).tolist() == [True, False, False, False, False, False, False, True]

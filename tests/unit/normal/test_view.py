"""What lies in space as a picture."""

import numpy as np
import pytest

from asynclog.normal.view import box_edges, cloud, surface, tints

SQUARE = np.array([[-1.0, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])
FRONT = np.tile([0.0, -1.0, 0.0], (4, 1))


def lit(picture: np.ndarray) -> np.ndarray:
    return picture.any(axis=0)


def test_a_point_on_the_axes_is_seen_where_it_lies() -> None:
    """x to the right and towards us, z up: the picture is filled by what is in it."""
    points = np.array([[0.0, 0, -1], [0, 0, 1]])
    picture = cloud(points, np.array([[255, 0, 0], [0, 255, 0]], np.uint8), size=60, dot=1)
    red, green = (np.argwhere(picture[at] > 100).mean(axis=0) for at in (0, 1))
    assert red[0] > 50
    assert green[0] < 10
    assert abs(red[1] - green[1]) < 1.5


def test_the_nearer_point_hides_the_farther_whatever_their_order() -> None:
    toward_us = np.array([-np.sin(0.6) * np.cos(0.4), -np.cos(0.6) * np.cos(0.4), np.sin(0.4)])
    frame = np.array([[1.0, 1, 1], [-1, -1, -1]])
    points = np.concatenate([frame, [toward_us * 0.5, -toward_us * 0.5]])
    inks = np.array([[0, 0, 0], [0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
    for order in (np.arange(4), np.arange(4)[::-1]):
        picture = cloud(points[order], inks[order], size=48, dot=0)
        assert (picture[0].max(), picture[2].max()) == (255, 0)


def test_a_face_is_filled_without_holes_large_or_small() -> None:
    """A square of two faces, and the same of 20,000, light the same pixels."""
    large = surface(SQUARE, FACES, FRONT, size=100)
    side = 101
    across, up = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    fine = np.stack([across, np.zeros_like(across), up], axis=-1).reshape(-1, 3)
    at = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).reshape(-1)
    faces = np.concatenate([np.stack([at, at + 1, at + side], 1), np.stack([at + 1, at + side + 1, at + side], 1)])
    small = surface(fine, faces, np.tile(FRONT[0], (len(fine), 1)), size=100)
    assert (lit(large) == lit(small)).mean() > 0.99
    for picture in (large, small):
        for row in lit(picture):
            where = np.flatnonzero(row)
            assert len(where) in (0, np.ptp(where) + 1 if len(where) else 0), "a hole"


def test_a_face_keeps_its_colour_and_is_darker_where_it_turns_from_the_light_above() -> None:
    inks = np.tile(np.array([[200, 100, 0]], np.uint8), (4, 1))
    upward = surface(SQUARE, FACES, np.tile([0.0, 0.0, 1.0], (4, 1)), inks, size=60)
    turned = surface(SQUARE, FACES, FRONT, inks, size=60)
    middle = upward[:, 30, 30].astype(int), turned[:, 30, 30].astype(int)
    assert middle[0][0] > middle[1][0] > 0
    assert abs(middle[0][0] - 2 * middle[0][1]) <= 3
    assert middle[0][2] == 0


@pytest.mark.parametrize("size", [48, 300])
def test_nothing_and_what_is_not_finite_cost_nothing(size: int) -> None:
    assert not cloud(np.empty((0, 3)), np.empty((0, 3), np.uint8), size=size).any()
    assert not surface(np.empty((0, 3)), np.empty((0, 3), int), np.empty((0, 3)), size=size).any()
    holed = np.concatenate([SQUARE, [[np.nan, np.inf, 0]]])
    faces = np.concatenate([FACES, [[0, 1, 4]]])
    assert lit(surface(holed, faces, np.tile(FRONT[0], (5, 1)), size=size)).any()


def test_a_box_has_twelve_edges_of_its_size_turned_about_its_axes_in_order() -> None:
    edges = box_edges(np.array([[1.0, 2, 3, 2, 4, 6, 0, 0, np.pi / 2]]))
    assert edges.shape == (12, 2, 3)
    lengths = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    assert sorted(lengths.round(6).tolist()) == [2.0] * 4 + [4.0] * 4 + [6.0] * 4
    low, high = edges.min(axis=(0, 1)), edges.max(axis=(0, 1))
    assert np.allclose(low, [-1, 1, 0])
    assert np.allclose(high, [3, 3, 6])
    about_x_then_z = box_edges(np.array([[0.0, 0, 0, 2, 4, 6, np.pi / 2, 0, np.pi / 2]]))
    assert np.allclose(about_x_then_z.max(axis=(0, 1)), [3, 1, 2])


def test_a_box_around_points_is_drawn_in_white() -> None:
    picture = cloud(np.zeros((1, 3)), np.array([[255, 0, 0]], np.uint8), np.array([[0.0, 0, 0, 1, 1, 1, 0, 0, 0]]), size=60)
    assert (picture.min(axis=0) > 100).sum() > 50


def test_points_have_their_colours_or_one_a_label_or_by_height() -> None:
    xyz = np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, 2]])
    own = np.array([[1, 2, 3]] * 3, np.uint8)
    assert tints(xyz, own, np.array([1, 1, 2])) is own
    one, other, again = tints(xyz, None, np.array([7, 9, 7])).tolist()
    assert one == again != other
    low, _, high = tints(xyz, None, None).astype(int)
    assert high.sum() > low.sum()

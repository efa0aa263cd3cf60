"""Points: the axis of the coordinates, and which points are drawn."""

import numpy as np
import pytest

from asynclog.errors import InvalidValue
from asynclog.normal.point_cloud import chosen, colours, count, drawn, layout_of, rows


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((10, 3), "N3"),
        ((3, 10), "3N"),
        ((3, 3), "N3"),
        ((10, 6), "N6"),
        ((6, 10), "6N"),
        ((2, 10, 3), "BN3"),
        ((2, 3, 10), "B3N"),
        ((0, 3), "N3"),
        ((10, 2), None),
        ((3,), None),
        ((2, 2, 10, 3), None),
    ],
)
def test_the_axis_of_three_is_found(shape: tuple[int, ...], layout: str | None) -> None:
    assert layout_of(shape) == layout


@pytest.mark.parametrize("layout", ["N3", "3N", "BN3", "B3N"])
def test_points_are_rows(layout: str) -> None:
    points = np.arange(24.0).reshape(8, 3)
    given = points.reshape(2, 4, 3) if layout.startswith("B") else points
    data = np.swapaxes(given, -1, -2) if layout.endswith("N") else given
    assert rows(data, layout).tolist() == points.tolist()


def test_few_points_are_all_drawn() -> None:
    assert chosen(1000, 1000) is None
    assert chosen(5, None) is None


def test_of_many_the_same_ones_are_drawn_every_time_each_once_and_in_order() -> None:
    picked = chosen(100_000, 1000)
    assert picked is not None
    assert len(np.unique(picked)) == 1000
    assert (np.diff(picked) > 0).all()
    assert picked.tolist() == chosen(100_000, 1000).tolist()  # type: ignore[union-attr]


def test_they_are_drawn_from_all_of_the_cloud() -> None:
    picked = chosen(100_000, 1000)
    assert picked is not None
    assert np.histogram(picked, 10, (0, 100_000))[0].min() > 60


@pytest.mark.parametrize("layout", ["N3", "3N", "BN3", "B3N"])
@pytest.mark.parametrize("most", [7, None])
def test_those_that_are_drawn_are_the_same_in_every_layout(layout: str, most: int | None) -> None:
    points = np.arange(120.0).reshape(40, 3)
    given = points.reshape(2, 20, 3) if layout.startswith("B") else points
    data = np.swapaxes(given, -1, -2) if layout.endswith("N") else given
    assert count(data.shape, layout) == 40
    found, which = drawn(data, layout, most)
    wanted = points if most is None else points[chosen(40, most)]
    assert found.tolist() == wanted.tolist()
    assert found.tolist() == (points if which is None else points[which]).tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_as_many_as_are_asked_for_are_drawn_of_those_that_are_finite(bad: float, axis: int) -> None:
    points = np.arange(30_000.0).reshape(10_000, 3)
    points[::2, axis] = bad
    found, which = drawn(points, None, 1000)
    assert which is not None
    assert len(found) == 1000
    assert np.isfinite(found).all()
    assert (which % 2 == 1).all()
    assert found.tolist() == points[which].tolist()


def test_of_a_cloud_without_a_finite_point_nothing_is_drawn() -> None:
    found, which = drawn(np.full((5, 3), np.nan), None, 1000)
    assert found.shape == (0, 3)
    assert which is not None
    assert len(which) == 0


def test_colours_that_are_not_finite_leave_a_point_where_it_is() -> None:
    found, _ = drawn(np.array([[1.0, 2, 3, np.nan, 0, 0]]), None, 1000)
    assert len(found) == 1


def test_what_has_no_axis_of_coordinates_is_refused() -> None:
    with pytest.raises(InvalidValue):
        drawn(np.zeros((10, 2)), None, 1000)


def test_colours_are_bytes() -> None:
    assert colours(np.array([[0.0, 0.5, 1.0]])).tolist() == [[0, 128, 255]]
    assert colours(np.array([[0.0, 128.0, 255.0]])).tolist() == [[0, 128, 255]]
    assert colours(np.array([[-4, 7, 300]])).tolist() == [[0, 7, 255]]
    assert colours(np.array([[np.nan, 0.0, 1.0]])).tolist() == [[0, 0, 255]]

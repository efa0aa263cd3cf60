from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asynclog.demo.picture import SIZE, Curve, draw, smoothed, ticks


@pytest.mark.parametrize(
    ("last", "wanted", "expected"),
    [
        (500, 5, [0, 100, 200, 300, 400, 500]),
        (350, 8, [0, 50, 100, 150, 200, 250, 300, 350]),
        (7, 8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (1, 4, [0, 0.25, 0.5, 0.75, 1.0]),
        (19, 8, [0, 2.5, 5, 7.5, 10, 12.5, 15, 17.5]),
    ],
)
def test_ticks_are_round_and_end_within_the_axis(last: float, wanted: int, expected: list[float]) -> None:
    assert ticks(last, wanted) == pytest.approx(expected)


def test_smoothing_averages_what_came_before_and_keeps_the_length() -> None:
    np.testing.assert_allclose(smoothed(np.array([1.0, 3.0, 5.0, 7.0]), 2), [1, 2, 4, 6])
    np.testing.assert_allclose(smoothed(np.array([2.0]), 10), [2])


def test_the_picture_shows_both_curves_in_their_colours(tmp_path: Path) -> None:
    """A flat curve at half the height lies in the middle of the frame; a marked one has its dots."""
    x = np.array([0.0, 50.0, 100.0])
    path = tmp_path / "curve.png"
    draw(
        path,
        [
            Curve("train", x, np.full(3, 250.0), "#0000ff"),
            Curve("valid", x, np.full(3, 400.0), "#ff0000", marked=True),
        ],
        title="A title",
        subtitle="and more",
        x_label="updates",
        y_label="return",
        top=500.0,
        goal=(475.0, "solved"),
    )
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (SIZE[1], SIZE[0], 3)
    # Below the legend, which has the same colours.
    blue = np.argwhere((pixels[130:] == (0, 0, 255)).all(-1))
    red = np.argwhere((pixels[130:] == (255, 0, 0)).all(-1))
    assert np.ptp(blue[:, 0]) < np.ptp(red[:, 0])
    assert red[:, 0].mean() < blue[:, 0].mean()
    assert np.ptp(blue[:, 1]) > 0.8 * SIZE[0]

"""Charts, pictures and words."""

import numpy as np
import pytest
from rich.console import Console

from asynclog.cli.chart import chart, means, spark
from asynclog.cli.picture import drawn, pixels
from asynclog.cli.words import ago, clock, duration, number, size
from asynclog.values import Audio, Image, PointCloud, Tensor, Value, Video

COLOURFUL = Console(force_terminal=True, color_system="truecolor", width=100)
PLAIN = Console(force_terminal=True, color_system=None, width=100)


def test_a_spark_rises_with_its_values() -> None:
    """From the lowest eighth to the full block."""
    assert spark(np.arange(8.0), 8) == "▁▂▃▄▅▆▇█"


@pytest.mark.parametrize("values", [[], [np.nan], [np.inf, -np.inf]])
def test_a_spark_of_nothing_finite_is_empty(values: list[float]) -> None:
    """No warning, no line."""
    assert spark(np.array(values)).strip() == ""


def test_numbers_at_the_edge_of_floats_are_drawn_without_overflow() -> None:
    """Their difference is infinite."""
    assert spark(np.array([-1.7e308, 1.7e308, 1.7e308]), 3) == "▁██"


def test_means_fall_by_step_not_by_position() -> None:
    """A hundred points at the start don't push the rest aside; a column without points is empty."""
    step = np.array([0] * 100 + [9])
    found = means(step, np.array([1.0] * 100 + [5.0]), 10)
    assert found[0] == pytest.approx(1.0)
    assert found[-1] == 5.0
    assert np.isnan(found[1:-1]).all()


def test_a_chart_labels_range_and_steps() -> None:
    """Highest at the top left, first and last step below."""
    lines = chart(np.arange(100) + 1000, np.linspace(-1, 3, 100), width=60, height=6).plain.splitlines()
    assert lines[0].split()[0] == "2.98"
    assert lines[5].split()[0] == "-0.9798"
    assert lines[-1].split() == ["1,000", "1,099"]
    assert len(lines) == 8


def test_a_flat_series_is_drawn_half_high() -> None:
    """Nothing is divided by zero."""
    drawn_chart = chart(np.arange(10), np.full(10, 7.0), width=30, height=4).plain
    assert drawn_chart.splitlines()[0].startswith("        7 ┤")


def test_a_picture_becomes_half_blocks_of_its_colours() -> None:
    """The upper pixel in the foreground, the lower in the background."""
    data = np.zeros((3, 2, 1), np.uint8)
    data[0, 0, 0], data[2, 1, 0] = 255, 128
    text = drawn(Image(data), COLOURFUL)
    assert text is not None
    assert text.plain.strip() == "▀"
    style = next(span.style for span in text.spans)
    assert (style.color.triplet, style.bgcolor.triplet) == ((255, 0, 0), (0, 0, 128))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((1, 500, 700), np.uint8),
        np.random.default_rng(0).normal(size=(3, 90, 40)).astype(np.float32),
        np.full((4, 3, 1000), np.nan, np.float16),
        np.zeros((5, 5), bool),
        np.full((3, 2, 2), 1e38, np.float32),
    ],
)
def test_any_image_fits_the_terminal(data: np.ndarray) -> None:
    """Large, narrow, not finite, of one channel or four."""
    text = drawn(Image(data), COLOURFUL)
    assert text is not None
    lines = text.plain.splitlines()
    assert 0 < len(lines) <= 24
    assert max(map(len, lines)) <= 66


@pytest.mark.parametrize(
    "value", [Image(np.zeros((3, 0, 4), np.uint8)), Image(np.zeros(5)), Video(np.zeros((2, 2))), Audio(np.zeros((50, 50)))]
)
def test_what_a_file_calls_an_image_and_is_none_has_no_picture(value: Value) -> None:
    assert drawn(value, COLOURFUL) is None


def test_a_cloud_is_seen_from_a_corner_in_its_colours() -> None:
    """Half of the points are red, and so is half of what is lit."""
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    colours = np.zeros((500, 3), np.uint8)
    colours[:250, 0], colours[250:, 2] = 255, 255
    text = drawn(PointCloud(points, colours), COLOURFUL)
    assert text is not None
    shades = {span.style.color.triplet for span in text.spans}  # type: ignore[union-attr]
    assert shades == {(0, 0, 0), (255, 0, 0), (0, 0, 255)}


def test_a_small_image_keeps_its_pixels() -> None:
    """Nothing is blurred that fits."""
    data = np.random.default_rng(0).integers(0, 256, (3, 20, 30), np.uint8)
    np.testing.assert_array_equal(pixels(data, 60), data.transpose(1, 2, 0))


def test_without_colours_there_are_no_pictures_and_sounds_remain() -> None:
    """A terminal that can't show colour gets the words alone."""
    assert drawn(Image(np.zeros((3, 4, 4), np.uint8)), PLAIN) is None
    assert drawn(Tensor(np.zeros(3)), COLOURFUL) is None
    assert drawn(Audio(np.sin(np.arange(800.0))[None]), PLAIN) is not None


def test_a_film_shows_frames_side_by_side() -> None:
    """First, middle and last."""
    data = np.zeros((9, 3, 10, 10), np.uint8)
    text = drawn(Video(data), COLOURFUL)
    assert text is not None
    assert len(text.plain.splitlines()[0].strip()) == 32


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (size(0), "0 B"), (size(1023), "1023 B"), (size(1536), "1.5 KiB"), (size(5 << 40), "5.0 TiB"),
        (duration(4.21), "4.2 s"), (duration(200), "3 min 20 s"),
        (duration(18_420), "5 h 7 min"), (duration(-1), "0.0 s"),
        (ago(10**9, 8 * 10**9), "7 s ago"), (ago(0, 5), "–"),
        (ago(5, 0), "0 s ago"), (ago(1, 3 * 86_400 * 10**9), "3 d ago"),
        (number(3), "3"), (number(3.0), "3"), (number(0.123456), "0.1235"), (number(float("nan")), "nan"),
        (number(1_234_567), "1,234,567"), (clock(2**62), clock(2**62)),
    ],
)  # fmt: skip
def test_words_for_numbers(told: str, expected: str) -> None:
    """As people say them."""
    assert told == expected


def test_a_sound_is_a_wave_about_the_middle_line() -> None:
    """Silence in the first half, full swing in the second."""
    sound = np.concatenate([np.zeros(800), np.sin(np.arange(800.0))]).astype(np.float32)
    text = drawn(Audio(sound, 8000), PLAIN)
    assert text is not None
    lines = [line[2:].ljust(64) for line in text.plain.splitlines()]
    assert len(lines) == 6
    assert all("█" not in line[:30] for line in lines)
    assert all(line[40:60].strip() for line in lines)


def test_masks_and_boxes_lie_over_the_picture_and_labels_below() -> None:
    """A box of one pixel's breadth is still there when the picture is made small."""
    mask = np.zeros((400, 600), np.uint8)
    mask[:, 300:] = 1
    value = Image(
        np.zeros((400, 600), np.uint8),
        boxes=np.array([[50.0, 50, 250, 350], [np.nan, 0, 1, 1]]),
        masks={"half": mask},
        mask_labels={"half": {1: "road"}},
    )
    text = drawn(value, COLOURFUL)
    assert text is not None
    assert text.plain.splitlines()[-1].strip() == "■ road"
    shades = {(span.style.color.triplet or None) for span in text.spans if getattr(span.style, "color", None)}  # type: ignore[union-attr]
    assert len(shades) >= 3, "black, the mask, the box"


def test_a_large_film_is_drawn_without_another_library() -> None:
    """Frames are made small here, not by Pillow."""
    text = drawn(Video(np.full((2, 600, 600), 255, np.uint8)), COLOURFUL)
    assert text is not None
    assert len(text.plain.splitlines()) <= 24

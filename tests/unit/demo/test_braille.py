import numpy as np

from asynclog.demo.braille import Line, plot

BLANK = chr(0x2800)


def line(x: list[float], y: list[float], label: str = "line", style: str = "red") -> Line:
    return Line(label, np.array(x, np.float64), np.array(y, np.float64), style)


def canvas(text: str, width: int, height: int) -> list[str]:
    return [row[8 : 8 + width] for row in text.splitlines()[:height]]


def test_a_rising_line_goes_from_corner_to_corner() -> None:
    rows = canvas(plot([line([0, 1], [0, 1])], top=1.0, unit="s", width=10, height=5).plain, 10, 5)
    assert rows[-1][0] != BLANK
    assert rows[0][-1] != BLANK
    assert rows[0][0] == rows[-1][-1] == BLANK


def test_a_steep_stretch_has_no_holes() -> None:
    """A jump from bottom to top touches every row."""
    rows = canvas(plot([line([0, 1, 1.001, 2], [0, 0, 1, 1])], top=1.0, unit="s", width=10, height=6).plain, 10, 6)
    assert all(set(row) != {BLANK} for row in rows)


def test_the_axes_say_what_the_corners_are_worth() -> None:
    text = plot([line([0, 300], [0, 500])], top=500.0, unit="updates", width=40, height=15).plain
    rows = text.splitlines()
    assert rows[0].startswith("   500 ┤")
    assert rows[7].startswith("   250 ┤")
    assert rows[14].startswith("     0 ┤")
    assert rows[16].split() == ["0", "75", "150", "225", "300", "updates"]


def test_each_line_has_its_style_and_the_later_one_lies_on_top() -> None:
    text = plot([line([0, 1], [0, 0], "a", "red"), line([0, 1], [0, 0], "b", "blue")], top=1.0, unit="s", width=4)
    drawn = {str(span.style) for span in text.spans if set(text.plain[span.start : span.end]) & {"⣀", "⡀", "⠤"}}
    assert drawn == {"blue"}
    assert "━━ a" in text.plain
    assert "━━ b" in text.plain


def test_values_beyond_the_top_stay_on_the_canvas() -> None:
    rows = canvas(plot([line([0, 1], [9, 9])], top=1.0, unit="s", width=4, height=3).plain, 4, 3)
    assert set(rows[0]) != {BLANK}
    assert set(rows[1]) == {BLANK}


def test_a_line_covers_its_own_stretch_of_the_axis_alone() -> None:
    rows = canvas(plot([line([0, 4], [0, 0]), line([2, 4], [1, 1])], top=1.0, unit="s", width=8, height=3).plain, 8, 3)
    assert set(rows[0][:4]) == {BLANK}
    assert BLANK not in rows[0][4:]


def test_a_single_point_is_drawn() -> None:
    rows = canvas(plot([line([3], [1])], top=1.0, unit="s", width=8, height=3).plain, 8, 3)
    assert rows[0][0] != BLANK

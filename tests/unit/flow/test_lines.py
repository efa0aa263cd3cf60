"""What a program printed becomes lines, however the bytes come, and however many."""

import random

import pytest

from asynclog.flow.lines import LONGEST_BYTES, Line, Splitter

WHOLE: list[tuple[bytes, list[str]]] = [
    (b"one\ntwo\n", ["one", "two"]),
    (b"one\n\nthree", ["one", "", "three"]),
    (b"windows\r\n", ["windows"]),
    (b"\r 10%|#   |\r 50%|##  |\r100%|####|\ndone\n", ["100%|####|", "done"]),
    (b"\r 10%|\r 50%|", [" 50%|"]),
    (b"\x1b[31mred\x1b[0m \x1b]0;title\x07plain\n", ["red plain"]),
    ("grüße — 你好\n".encode(), ["grüße — 你好"]),
    (b"\xff\xfe bytes\n", ["\\xff\\xfe bytes"]),
    (b"", []),
]


def split(data: bytes, *, pieces: int | None = None, ansi: str = "strip") -> list[str]:
    splitter = Splitter(ansi=ansi)  # type: ignore[arg-type]
    found: list[Line] = []
    for at in range(0, len(data), pieces or max(1, len(data))):
        found += splitter.feed(data[at : at + (pieces or len(data))])
    return [one.text for one in found + splitter.finish()]


@pytest.mark.parametrize(("data", "lines"), WHOLE)
@pytest.mark.parametrize("pieces", [None, 1, 3])
def test_lines_are_the_same_however_the_bytes_come(data: bytes, lines: list[str], pieces: int | None) -> None:
    assert split(data, pieces=pieces) == lines


def test_colours_stay_where_that_is_asked_for() -> None:
    assert split(b"\x1b[31mred\x1b[0m\n", ansi="keep") == ["\x1b[31mred\x1b[0m"]


def test_a_line_says_where_it_ends_in_the_stream() -> None:
    splitter = Splitter(at=100)
    assert splitter.feed(b"one\ntw") == [Line("one", 104)]
    assert splitter.feed(b"o\n") == [Line("two", 108)]
    assert splitter.at == 108


def test_a_successor_that_begins_behind_a_line_finds_the_same_lines() -> None:
    data = b"".join(b"line %d\n" % at for at in range(100))
    whole = Splitter().feed(data)
    for one in whole[::7]:
        assert Splitter(at=one.until).feed(data[one.until :]) == whole[whole.index(one) + 1 :]


@pytest.mark.parametrize("size", [LONGEST_BYTES + 1, 100_000, 3_000_000])
@pytest.mark.parametrize("pieces", [1000, 65_536, None])
def test_a_long_line_is_cut_and_its_rest_counted(size: int, pieces: int | None) -> None:
    lines = split(b"x" * size + b"\nafter\n", pieces=pieces)
    assert lines[-1] == "after"
    assert lines[0].startswith("x" * LONGEST_BYTES)
    assert "bytes more" in lines[0]
    assert all(len(one) < LONGEST_BYTES + 100 for one in lines)
    assert len(lines) <= 3


def test_what_waits_for_the_end_of_a_line_is_bounded() -> None:
    splitter = Splitter()
    for _ in range(1000):
        splitter.feed(b"y" * 10_000)
    assert len(splitter._open) <= 1 << 16


def test_a_bar_that_goes_on_for_hours_is_seen_now_and_then() -> None:
    splitter = Splitter()
    seen = [one.text for at in range(20_000) for one in splitter.feed(b"\r%6d of 20000 |#####     | 3.1 it/s" % at)]
    assert 2 <= len(seen) <= 10
    assert seen == sorted(seen)
    assert [one.text for one in splitter.finish()] == [" 19999 of 20000 |#####     | 3.1 it/s"]


def test_what_was_skipped_is_said_and_the_next_line_is_whole() -> None:
    splitter = Splitter()
    splitter.feed(b"begun and never")
    splitter.skip(1000)
    (notice, whole) = splitter.feed(b" ended\nwhole\n")
    assert "1,022 bytes were printed here and not recorded" in notice.text
    assert whole == Line("whole", 15 + 1000 + 7 + 6)


def test_random_bytes_in_random_pieces_are_no_trouble() -> None:
    chance = random.Random(7)
    for _ in range(200):
        data = bytes(chance.choices(b"ab\n\r\x1b[3m\xff\xc3", k=300))
        at, splitter, found = 0, Splitter(), []
        while at < len(data):
            size = chance.randint(1, 40)
            found += splitter.feed(data[at : at + size])
            at += size
        texts = [one.text for one in found + splitter.finish()]
        assert texts == split(data)
        assert [one.until for one in found] == sorted({one.until for one in found})

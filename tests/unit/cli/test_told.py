"""A value in a terminal's words: size and range of every kind, and what stands below."""

from io import StringIO
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from asynclog.cli.told import body, told
from asynclog.values import (
    Audio,
    Histogram,
    Image,
    Mesh,
    PointCloud,
    Record,
    Rollout,
    Spectrogram,
    Table,
    Tensor,
    Video,
)

TRIANGLE = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]))
TALK = Rollout(
    [
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": "2, 2"}}]},
        {"role": "tool", "name": "add", "content": "4\nexactly"},
    ],
    tokens=np.arange(9),
    reward=1.0,
    rewards={"format": 0.5},
    stop="eos",
)


def shown(kind: str, value: Any, *, colours: bool = False, full: bool = False) -> str:
    console = Console(
        file=StringIO(), force_terminal=True, color_system="truecolor" if colours else None, width=100, record=True
    )
    console.print(body(kind, value, console, full=full) or "")
    return console.export_text()


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [
        ("scalar", 0.25, "scalar 0.25"),
        ("string", "héllo", "string of 5 characters"),
        ("config", {"lr": 1}, "config of 1"),
        ("image", Image(np.array([[0.0, 2.5, np.nan]])), "image 1×3 float64, in [0, 2.5]"),
        ("image", Image((np.zeros((2, 2), np.uint8), np.full((3, 3), 9, np.uint8))), "2 images 2×2 uint8 …, in [0, 9]"),
        ("audio", Audio(np.array([[-0.5, 0.25] * 4000] * 2), 8000), "audio 1 s at 8000 Hz, 2×8000 float64, in [-0.5, 0.25]"),
        ("spectrogram", Spectrogram(np.zeros(800, np.int16), 8000), "spectrogram 0.1 s at 8000 Hz, 800 int16, in [0, 0]"),
        ("video", Video(np.full((5, 3, 8, 9), 7, np.uint8)), "video of 5 frames 3×8×9 at 12 fps, in [7, 7]"),
        (
            "histogram",
            Histogram(np.array([1, 1]), 0.0, 2.0, 3, 1.0, 0.5, nans=1),
            "histogram of 3: 1 ± 0.5 in [0, 2], 1 NaN",
        ),
        (
            "point_cloud",
            PointCloud(np.array([[0, 1, 2], [3, 4, 9]]), labels=np.array([1, 2])),
            "2 points, in [0, 3] × [1, 4] × [2, 9], with labels",
        ),
        ("mesh", TRIANGLE, "mesh of 3 vertices and 1 faces, in [0, 1] × [0, 1] × [0, 1]"),
        ("table", Table.of_rows(["a", "b"], [(1, "x")]), "table of 1 rows: a, b"),
        ("tensor", Tensor(np.array([1, -2], np.int8)), "tensor 2 int8, in [-2, 1]"),
        ("rollout", TALK, "rollout: 3 messages of 9 tokens, reward 1, format 0.5, stop: eos"),
        ("record", Record("disk\x1b full", 40), "ERROR disk\\x1b full"),
    ],
    ids=lambda one: one if isinstance(one, str) and " " not in one else "",
)
def test_every_kind_says_its_size_and_its_range(kind: str, value: Any, line: str) -> None:
    assert told(kind, value) == line


def test_an_image_says_its_captions_boxes_and_what_its_masks_mean() -> None:
    mask = np.ones((2, 3), int)
    value = Image(
        np.zeros((2, 3)),
        "a street",
        masks={"ground": mask},
        mask_labels={"ground": {1: "road", 2: "sky"}},
        boxes=np.zeros((2, 4)),
        box_labels=["car", "car"],
    )
    line = told("image", value)
    for words in ('"a street"', "2 boxes (car)", "mask ground (1 road, 2 sky)"):
        assert words in line


@pytest.mark.parametrize(
    "value",
    [Image(np.zeros(5)), PointCloud(np.zeros((4, 2))), Video(np.zeros((2, 2))), Audio(np.zeros((50, 50)))],
    ids=lambda one: one.kind,
)
def test_what_a_file_calls_by_a_kind_and_is_none_is_still_told(value: Any) -> None:
    assert str(value.arrays().popitem()[1].shape[0]) in told(value.kind, value) or "s at" in told(value.kind, value)
    assert shown(value.kind, value, colours=True).strip() == ""


def test_a_table_stands_under_its_columns_and_counts_what_it_leaves_out() -> None:
    value = Table.of_rows(["step", "said"], [(at, f"line {at}\x1b[2J") for at in range(25)])
    lines = shown("table", value).splitlines()
    assert lines[0].split() == ["step", "said"]
    assert lines[1].split() == ["0", "line", "0\\x1b[2J"]
    assert lines[-1].startswith("… and 15 more rows")
    assert "24" in shown("table", value, full=True)


def test_a_rollout_is_a_conversation() -> None:
    lines = shown("rollout", TALK).splitlines()
    assert [line.rstrip() for line in lines] == [
        "  user", "    2+2?",
        "  assistant", "    → add(2, 2)",
        "  tool add", "    4", "    exactly",
    ]  # fmt: skip


def test_settings_are_nested_and_a_text_keeps_its_lines() -> None:
    assert shown("config", {"net": {"width": 64, "act": "\x1b"}, "lr": 0.1}).splitlines() == [
        "    net:", "      width: 64", "      act: \\x1b", "    lr: 0.1",
    ]  # fmt: skip
    assert shown("string", "one\ntwo").splitlines() == ["    one", "    two"]
    assert "more; --full" in shown("config", {str(at): at for at in range(900)})


def test_a_record_tells_where_it_is_from_and_its_traceback() -> None:
    text = shown("record", Record("boom", 50, "net", "net.py:3", "Traceback\nboom", {"host": "a"}))
    for words in ("logger: net", "where: net.py:3", "host: a", "Traceback\n    boom"):
        assert words in text


def test_a_tensor_shows_numbers_few_of_many() -> None:
    assert "[1 2 3]" in shown("tensor", Tensor(np.array([1, 2, 3])))
    assert len(shown("tensor", Tensor(np.zeros((100, 100, 100)))).splitlines()) < 60
    assert shown("tensor", Tensor(np.array([0x3FC0], np.uint16), "bfloat16")).strip() == "[1.5]"


@pytest.mark.parametrize(
    "value", [TRIANGLE, Spectrogram(np.random.default_rng(0).normal(size=8000), 8000)], ids=["mesh", "spec"]
)
def test_what_has_a_picture_has_one_where_there_are_colours(value: Any) -> None:
    assert "▀" in shown(value.kind, value, colours=True)
    assert shown(value.kind, value).strip() == ""

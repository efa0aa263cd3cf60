"""``asynclog show --save``: a file, or exit code 2 and a line that says what can't be and what can."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.values import Audio, Image, Mesh, PointCloud, Table, Tensor, Video
from tests.runfiles import StreamWriter, make_run
from tests.unit.cli.conftest import Invoke

FRAMES = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
SOUND = np.linspace(-1, 1, 64, dtype=np.float32)
ODD: dict[str, Any] = {
    "labelled": Image(FRAMES[0], masks={"class": np.ones((16, 16), int)}, boxes=np.array([[1.0, 2, 3, 4]]), box_labels=["car"]),
    "rings": Image(tuple(FRAMES), layout="HWC"),
    "sizes": Image((FRAMES[0], FRAMES[0, :8]), layout="HWC"),
    "notes": Audio((SOUND, SOUND), 8000),
    "fast sound": Audio(SOUND, 700_000),
    "no sound": Audio(SOUND, 2**32 - 1),
    "episodes": Video((FRAMES, FRAMES[:2]), 12.0),
    "slow": Video(FRAMES, 0.001),
    "still": Video(np.zeros_like(FRAMES), 0.001),
    "fast": Video(FRAMES, 1e9),
    "cloud": PointCloud(np.array([[0.0, 0, 0], [np.inf, 0, 0], [1e300, -np.inf, np.nan]])),
    "mesh": Mesh(
        np.array([[0.0, 0, 0], [np.inf, 0, 0], [0, -np.inf, np.nan], [1, 1, 1e300]]), np.array([[0, 1, 2], [0, 2, 3]])
    ),
    "half": Tensor(np.array([[0x3FC0, 0x7F81], [0xC000, 0x3F80]], np.uint16), "bfloat16"),
    "wave": Tensor(np.array([1e300, np.inf, -np.inf, np.nan])),
    "cells": Table.of_rows(["a"], [({},), ({},)]),
}


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A run of what files have trouble with."""
    writer = StreamWriter(make_run(tmp_path / "odd"))
    for key, value in ODD.items():
        writer.event(key, value, step=0)
    writer.footer()
    return writer.run


@pytest.mark.parametrize("key", ODD)
def test_any_value_as_any_file_is_written_or_refused_in_a_line(asynclog: Invoke, odd: Path, key: str, tmp_path: Path) -> None:
    """No traceback, no warning, no file that is half there; a refusal names a file that can be."""
    for module in ("PIL", "av", "soundfile", "pyarrow"):
        pytest.importorskip(module)
    for suffix in (
        ".png",
        ".wav",
        ".flac",
        ".mp4",
        ".gif",
        ".ply",
        ".npy",
        ".npz",
        ".csv",
        ".parquet",
        ".json",
        ".txt",
        ".html",
        "",
    ):
        target = tmp_path / f"saved{suffix}"
        shown = asynclog("show", odd, key, "--save", target)
        assert shown.exit_code in (0, 2), (suffix, shown.exception)
        if shown.exit_code == 0:
            assert target.stat().st_size > 0
            continue
        assert not target.exists()
        assert shown.stderr.startswith("error: ")
        assert shown.stderr.count("\n") == 1
        assert ".html" in shown.stderr


def test_the_closing_line_says_what_the_file_says_otherwise(asynclog: Invoke, odd: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    shown = asynclog("show", odd, "fast", "--save", tmp_path / "fast.mp4")
    assert "played at 1,000 frames per second" in " ".join(shown.stderr.split())
    shown = asynclog("show", odd, "half", "--save", tmp_path / "half.npy")
    assert "the numbers of bfloat16 as float32" in " ".join(shown.stderr.split())
    assert np.load(tmp_path / "half.npy")[:, 0].tolist() == [1.5, -2.0]


def test_infinities_are_shown_without_a_word_of_numpy(asynclog: Invoke, odd: Path) -> None:
    """Warnings are errors in these tests."""
    shown = asynclog("cat", odd, "*")
    assert shown.exit_code == 0, shown.exception
    assert asynclog("cat", odd).exit_code == 0
    for key in ODD:
        assert asynclog("show", odd, key).exit_code == 0


def test_the_range_of_a_dtype_that_numpy_lacks_is_of_its_numbers(asynclog: Invoke, odd: Path) -> None:
    """Not of the bits, of which 1.5 has 16,320."""
    assert "tensor 2×2 bfloat16, in [-2, 1.5]" in asynclog("cat", odd, "half").stdout
    told = asynclog("cat", odd, "half", "--json").stdout
    assert '"min": -2.0, "max": 1.5' in told
    assert '"dtype": "bfloat16"' in told
    assert '""min"": -2.0' in asynclog("export", "csv", odd).stdout

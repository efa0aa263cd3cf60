"""``asynclog export``: files, MCAP and Rerun recordings, by the sinks."""

import json
from pathlib import Path

import numpy as np
import pytest

from asynclog.values import Image, Table
from tests.runfiles import StreamWriter
from tests.unit.cli.conftest import Invoke

pytest.importorskip("PIL")
# The command has the loop to itself.
pytestmark = pytest.mark.blocking


def test_files_of_a_run_and_their_index(asynclog: Invoke, run: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    shown = asynclog("export", "files", run, target, "--format", "histogram=.npz", "--format", "string=")
    assert shown.exit_code == 0, shown.output
    assert "exported" in shown.stderr
    index = [json.loads(line) for line in (target / "index.jsonl").read_text().splitlines()]
    assert [one["file"] for one in index] == ["image/00000000-recon.png", "histogram/00000001-weights.npz"]
    assert len((target / "scalars.csv").read_text().splitlines()) == 23


def test_a_directory_with_something_in_it_is_left_alone(asynclog: Invoke, run: Path, tmp_path: Path) -> None:
    """--force replaces what an export has left, and nothing else."""
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    for options in ((), ("--force",)):
        shown = asynclog("export", "files", run, target, *options)
        assert shown.exit_code == 2
        assert "isn't empty" in shown.stderr
    assert [one.name for one in target.iterdir()] == ["mine.txt"]
    other = tmp_path / "other"
    assert asynclog("export", "files", run, other).exit_code == 0
    assert asynclog("export", "files", run, other).exit_code == 2
    assert asynclog("export", "files", run, other, "--force", "--format", "image=.webp").exit_code == 0
    assert [one.name for one in (other / "image").iterdir()] == ["00000000-recon.webp"]


def test_the_size_that_is_told_is_that_of_what_was_written(asynclog: Invoke, run: Path, tmp_path: Path) -> None:
    (tmp_path / "out-of-old").mkdir()
    (tmp_path / "out-of-old" / "big").write_bytes(bytes(5 << 20))
    for name in ("out", "[o]ut"):
        shown = asynclog("export", "files", run, tmp_path / name)
        assert shown.exit_code == 0, shown.output
        assert "KiB to" in shown.stderr


def test_a_directory_of_another_program_is_refused_in_words(asynclog: Invoke, run: Path, tmp_path: Path) -> None:
    (tmp_path / "index.jsonl").write_text('{"a": 1}\n')
    shown = asynclog("export", "files", run, tmp_path, "--force")
    assert shown.exit_code == 2
    assert "is no index of this sink" in shown.stderr
    assert (tmp_path / "index.jsonl").read_text() == '{"a": 1}\n'


@pytest.mark.parametrize("words", ["image", "image=.jpeg", "picture=.png"])
def test_a_format_that_there_isnt_is_refused(asynclog: Invoke, run: Path, tmp_path: Path, words: str) -> None:
    shown = asynclog("export", "files", run, tmp_path / "out", "--format", words)
    assert shown.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_what_cant_be_shown_is_told(asynclog: Invoke, recorded: StreamWriter, tmp_path: Path) -> None:
    recorded.event("torn", Table(["a", "b"], rest={"0": [1, 2], "1": [1]}))
    shown = asynclog("export", "files", recorded.run, tmp_path / "out")
    assert shown.exit_code == 0
    assert "left out  1: no file can show this table" in shown.stderr


@pytest.mark.parametrize(
    ("kind", "libraries"), [("mcap", ["mcap_protobuf", "foxglove_schemas_protobuf"]), ("rrd", ["rerun.chunk"])]
)
def test_a_recording_for_a_viewer(asynclog: Invoke, run: Path, tmp_path: Path, kind: str, libraries: list[str]) -> None:
    """None is replaced unasked; several writers have a file each, and their later epochs files that follow."""
    for library in libraries:
        pytest.importorskip(library)
    target = tmp_path / "out" / f"run.{kind}"
    target.parent.mkdir()
    assert asynclog("export", kind, run, target).exit_code == 0
    first = target.stat().st_size
    assert asynclog("export", kind, run, target).exit_code == 2
    for name, epoch in (("main", 1), ("other", 0)):
        writer = StreamWriter(run, name, epoch)
        writer.event("recon", Image(np.zeros((3, 8, 8), np.uint8)))
        writer.footer()
    shown = asynclog("export", kind, run, target, "--force")
    assert shown.exit_code == 0, shown.output
    assert "27 events" in shown.stderr
    names = {one.name for one in target.parent.iterdir()}
    assert names == {f"run.1.{kind}", f"run.{kind}", f"run.rank1.{kind}"}
    assert abs(target.stat().st_size - first) < first / 4


def test_nothing_is_left_of_an_export_that_failed(asynclog: Invoke, run: Path, tmp_path: Path) -> None:
    missing = asynclog("export", "mcap", tmp_path / "nothing", tmp_path / "out.mcap")
    assert missing.exit_code == 2
    assert not list(tmp_path.glob("*out*"))

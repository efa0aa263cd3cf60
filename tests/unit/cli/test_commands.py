"""What each command shows, and what it gives to scripts."""

import json
import os
from pathlib import Path

import pytest

from asynclog.cli.screen import screen
from tests.runfiles import StreamWriter, flip, make_run
from tests.unit.cli.conftest import Invoke


def damaged(recorded: StreamWriter) -> Path:
    """The run, with a bit of its numbers turned over."""
    path, at, _, _ = recorded.frames[2]
    flip(path, at + 100)
    return recorded.run


def test_ls_finds_runs_below_a_directory(asynclog: Invoke, run: Path, tmp_path: Path) -> None:
    """Name, status, steps, events; nothing is sought inside a run."""
    make_run(tmp_path / "runs" / "deep" / "empty", name="later")
    shown = asynclog("ls", tmp_path / "runs")
    assert shown.exit_code == 0
    first, second = shown.stdout.splitlines()[1:]
    assert first.split()[:6] == ["digits", "finished", "1", "10", "25", "1.8"]
    assert second.split()[:3] == ["deep/empty", "later", "empty"]
    (line, _) = map(json.loads, asynclog("ls", tmp_path / "runs", "--json").stdout.splitlines())
    assert (line["name"], line["status"], line["events"], line["last_step"]) == ("digits", "finished", 25, 10)


def test_ls_of_nothing_says_so(asynclog: Invoke, tmp_path: Path) -> None:
    """An empty directory is no error, a missing one is."""
    assert "no runs below" in asynclog("ls", tmp_path).stdout
    assert asynclog("ls", tmp_path / "nowhere").exit_code == 2


def test_cat_shows_series_with_their_range_and_events_with_a_summary(asynclog: Invoke, run: Path) -> None:
    """One table each."""
    shown = asynclog("cat", run).stdout
    assert any(line.split()[:6] == ["accuracy", "train", "11", "1", "0", "1"] for line in shown.splitlines())
    assert any(line.split()[:6] == ["net/loss", "train", "11", "0.09091", "0.09091", "1"] for line in shown.splitlines())
    assert "image 3×8×8 uint8" in shown
    assert "histogram of 8" in shown


def test_cat_draws_a_key_as_a_chart(asynclog: Invoke, run: Path) -> None:
    """By its name, its full name, or a pattern."""
    for key in ("loss", "net/loss", "net/*"):
        shown = asynclog("cat", run, key).stdout
        assert shown.startswith("net/loss  train  11 points · last 0.09091 · min 0.09091 · max 1")
        assert "█" in shown
        assert "accuracy" not in shown


def test_cat_gives_scripts_every_point(asynclog: Invoke, run: Path) -> None:
    """As JSON, under the names that the library uses."""
    found = json.loads(asynclog("cat", run, "accuracy", "--json").stdout)
    assert (found["step"], found["value"][-1]) == (list(range(11)), 1.0)
    overview = json.loads(asynclog("cat", run, "--json").stdout)
    assert {one["key"] for one in overview["keys"]} == {"loss", "accuracy", "recon", "weights", "note"}


def test_a_key_that_is_not_there_ends_with_near_names(asynclog: Invoke, run: Path) -> None:
    """On standard error, with 2."""
    shown = asynclog("cat", run, "acuracy")
    assert shown.exit_code == 2
    assert "near it: accuracy (train)" in shown.stderr


def test_tail_shows_the_last_writes_a_line_each(asynclog: Invoke, run: Path) -> None:
    """Numbers of one write share a line."""
    lines = asynclog("tail", run, "-n", 4).stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].split()[1:] == ["train", "10", "net/loss", "0.09091", "accuracy", "1"]
    only = asynclog("tail", run, "loss", "-n", 2).stdout.splitlines()
    assert [line.split()[1:] for line in only] == [
        ["train", "9", "net/loss", "0.1"],
        ["train", "10", "net/loss", "0.09091"],
    ]


def test_tail_gives_scripts_an_object_an_event(asynclog: Invoke, run: Path) -> None:
    """Strict JSON lines."""
    lines = [json.loads(line) for line in asynclog("tail", run, "-n", 4, "--json").stdout.splitlines()]
    assert [line["key"] for line in lines] == ["loss", "accuracy", "recon", "weights", "note"]


def test_tail_f_of_an_ended_run_ends_and_says_how_it_ended(asynclog: Invoke, run: Path) -> None:
    """Nothing is waited for that can't come, and nothing is shown twice."""
    shown = asynclog("tail", run, "-f", "-n", 2)
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert len(lines) == 3
    assert lines[-1] == "the run has ended: finished"


def test_verify_ends_with_1_for_a_damaged_run_only(asynclog: Invoke, run: Path, recorded: StreamWriter) -> None:
    """And names place and reason."""
    assert asynclog("verify", run).exit_code == 0
    shown = asynclog("verify", damaged(recorded))
    assert shown.exit_code == 1
    assert "a frame whose checksum does not hold (seq 0)" in shown.stdout
    assert "record 0 never came" in shown.stdout
    found = json.loads(asynclog("verify", run, "--json").stdout)
    assert (found["sound"], found["missing"]) == (False, 1)


def test_repair_makes_a_copy_that_verifies(asynclog: Invoke, recorded: StreamWriter, tmp_path: Path) -> None:
    """And won't write over anything."""
    shown = asynclog("repair", damaged(recorded), tmp_path / "copy")
    assert shown.exit_code == 0
    assert "1 record could not be read" in shown.stdout
    assert asynclog("verify", tmp_path / "copy").exit_code == 0
    again = asynclog("repair", recorded.run, tmp_path / "copy")
    assert again.exit_code == 2
    assert "exists" in again.stderr


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_export_writes_a_file_and_replaces_none_unasked(asynclog: Invoke, run: Path, tmp_path: Path, kind: str) -> None:
    """25 events in each format."""
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    target = tmp_path / f"out.{kind}"
    shown = asynclog("export", kind, run, target)
    assert shown.exit_code == 0
    assert "25 events" in shown.stderr
    assert target.stat().st_size > 500
    assert asynclog("export", kind, run, target).exit_code == 2
    assert asynclog("export", kind, run, target, "--force").exit_code == 0


def test_export_to_standard_output_is_nothing_but_the_data(asynclog: Invoke, run: Path) -> None:
    """So that it can be piped on."""
    lines = asynclog("export", "jsonl", run).stdout.splitlines()
    assert len([json.loads(line) for line in lines]) == 25


def test_stats_shows_what_became_of_events_on_each_route(asynclog: Invoke, run: Path) -> None:
    """From the cursors; one that can't be read costs only itself."""
    for route, content in (
        ("metrics", {"epoch": 0, "counters": {"offered": 25, "delivered": 20, "not_due": 5}}),
        ("bad", []),
    ):
        (run / "cursors" / route).mkdir(parents=True)
        (run / "cursors" / route / "main.json").write_text(json.dumps(content))
    shown = asynclog("stats", run).stdout
    assert any(line.split() == ["metrics", "main", "25", "20", "5", "0", "0", "0", "0", "0"] for line in shown.splitlines())
    found = json.loads(asynclog("stats", run, "--json").stdout)
    assert [(one["route"], one["delivered"]) for one in found["routes"]] == [("metrics", 20)]
    assert found["journal"][0]["events"] == 25


@pytest.mark.parametrize("width", [60, 80, 200])
def test_stats_names_every_counter_of_a_route_however_narrow_the_terminal(asynclog: Invoke, run: Path, width: int) -> None:
    """Under the names by which the page about statistics explains them."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "statistics.md").read_text()
    rows = page.partition("## `routes`")[2].partition("Always:")[0].splitlines()
    names = [row.split("`")[1] for row in rows if row.startswith("| `")]
    counters = [name for name in names if name not in ("state", "error", "place")]
    assert {"offered", "delivered", "pending"} <= set(counters)
    (run / "cursors" / "metrics").mkdir(parents=True)
    saved = {name: 1_234_567_800 + at for at, name in enumerate(counters)}
    (run / "cursors" / "metrics" / "main.json").write_text(json.dumps({"epoch": 0, "counters": saved}))
    screen.width = width
    words = asynclog("stats", run).stdout.split()
    assert {*counters, *(f"{value:,}" for value in saved.values())} <= set(words)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_ls_lists_a_run_that_can_not_be_read_beside_the_others(asynclog: Invoke, run: Path, tmp_path: Path) -> None:
    """One run's permissions, or a bad disk, don't hide the rest."""
    other = StreamWriter(make_run(tmp_path / "runs" / "other"))
    other.path.chmod(0)
    shown = asynclog("ls", tmp_path / "runs")
    assert shown.exit_code == 0
    listed = {tuple(line.split()[:2]) for line in shown.stdout.splitlines()}
    assert {("digits", "finished"), ("other", "unreadable")} <= listed

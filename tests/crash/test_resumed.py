"""A training killed between two checkpoints goes on from the last one, twice: in every reader, and in what is made of the run
later, stands what a training shows that was never interrupted."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import asynclog as al
from asynclog.cli.app import app
from tests.crash import trainer

STOP = 230
Points = dict[tuple[str, str], list[tuple[int, float]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    assert life(folder) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Killed at step 130, 30 steps behind its checkpoint, then at 195 and at 185: twice behind one checkpoint."""
    folder = tmp_path_factory.mktemp("resumed")
    for killed_at in (130, 195, 185):
        assert life(folder, killed_at) == -9
    assert life(folder) == 0
    return folder / "run"


def life(folder: Path, killed_at: int | None = None) -> int:
    words = [sys.executable, "-m", trainer.__name__, str(folder), str(STOP)]
    words += [] if killed_at is None else ["--killed-at", str(killed_at)]
    return subprocess.run(words, check=False, timeout=120).returncode


def points(events: Iterable[tuple[str, str, int, float]]) -> Points:
    found: Points = {}
    for phase, name, step, value in events:
        if not name.startswith("asynclog/"):
            found.setdefault((phase, name), []).append((step, value))
    return found


def read(run: Path) -> Points:
    return points(
        (one.phase, one.name, step, value)
        for one in al.read(run).all_series()
        for step, value in zip(one.step.tolist(), one.value.tolist(), strict=True)
    )


@pytest.mark.timeout(180)
def test_the_series_are_those_of_a_training_that_nothing_happened_to(whole: Path, resumed: Path) -> None:
    run = al.read(resumed)
    assert len({one.epoch for one in run.writers}) == 4
    assert run.superseded > 2 * 30
    assert read(resumed) == read(whole)
    assert len(read(whole)["train", "loss"]) == STOP
    pictures = [(one.step, int(one.value.data.max())) for one in run.events(kind="image")]
    assert pictures == [(step, step) for step in (49, 99, 149, 199)]


@pytest.mark.timeout(180)
def test_tensorboard_shows_them(whole: Path, resumed: Path) -> None:
    """As its own reader reads the files that were written over four lives."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def shown(run: Path) -> Points:
        found = accumulators.EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
        return points(
            ("", tag.partition("/")[2], one.step, one.value) for tag in found.Tags()["scalars"] for one in found.Scalars(tag)
        )

    assert shown(resumed) == shown(whole)
    assert len(shown(whole)["", "loss"]) == STOP


@pytest.mark.timeout(180)
def test_what_sync_makes_of_the_run_has_them_alone(whole: Path, resumed: Path, tmp_path: Path) -> None:
    def synced(run: Path, to: str, target: Path) -> None:
        done = CliRunner().invoke(app, ["sync", str(run), "--to", to, "--set", f"path={target}", "--name", f"{to}-new"])
        assert done.exit_code == 0, done.output

    def lines(run: Path, target: Path) -> Points:
        synced(run, "jsonlines", target)
        return points(
            (line["phase"], name, line["step"], value)
            for line in map(json.loads, target.read_text().splitlines())
            for name, value in line.get("metrics", {}).items()
        )

    assert lines(resumed, tmp_path / "resumed.jsonl") == lines(whole, tmp_path / "whole.jsonl") == read(whole)
    parquet: Any = pytest.importorskip("pyarrow.parquet")

    def table(run: Path, target: Path) -> Points:
        synced(run, "parquet", target)
        rows = [row for row in parquet.read_table(target).to_pylist() if row["kind"] == "scalar"]
        rows.sort(key=lambda row: row["time"])
        return points(
            (row["phase"], "/".join(filter(None, (row["namespace"], row["key"]))), row["step"], row["value"]) for row in rows
        )

    assert table(resumed, tmp_path / "resumed.parquet") == read(whole)


@pytest.mark.timeout(180)
def test_what_was_written_on_the_way_says_where_training_went_back_to(resumed: Path) -> None:
    lines = [json.loads(line) for line in (resumed / "metrics.jsonl").read_text().splitlines()]
    back = [line["step"] for line in lines if line["phase"] == "train" and "asynclog/rewound_to" in line.get("metrics", {})]
    assert back == [99, 149, 149]

"""Checkpoints: those that were asked for, the latest, and the best; whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration
from asynclog.routines import Checkpoints, Epoch, Routines
from asynclog.state import State


def write(path: Path, info: dict[str, Any]) -> None:
    path.write_text(json.dumps(info))


def ended(number: int, phase: str = "train", **means: float) -> Epoch:
    valid = "valid" if phase == "val" else phase
    return Epoch(phase, State(number, valid, number, level="epoch"), State(10 * number, valid, number), means)  # type: ignore[arg-type]


def names(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir())


def test_the_latest_replaces_the_one_before_and_some_epochs_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, write, every=2, latest_every=1)
    for number in range(1, 6):
        checkpoints.settle(ended(number))
    assert names(tmp_path) == ["2.pt", "4.pt", "5_latest.pt"]
    assert json.loads((tmp_path / "4.pt").read_text()) == {"batch": 40, "epoch": 4}


def test_no_more_stay_than_are_to_be_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, write, every=[3, 4, 10], latest_every=None, keep=2)
    for number in range(1, 11):
        checkpoints.settle(ended(number))
    assert names(tmp_path) == ["10.pt", "4.pt"]


def test_training_that_went_back_keeps_what_it_saves_then(tmp_path: Path) -> None:
    """What has a higher number is of before, and is let go first."""
    before = Checkpoints(tmp_path, write, every=1, keep=2)
    for number in range(1, 8):
        before.settle(ended(number))
    checkpoints = Checkpoints(tmp_path, write, every=1, keep=2)
    checkpoints.settle(ended(4))
    assert names(tmp_path) == ["4.pt", "4_latest.pt", "7.pt"]
    checkpoints.settle(ended(5))
    assert names(tmp_path) == ["4.pt", "5.pt", "5_latest.pt"]


@pytest.mark.parametrize(("larger", "best"), [(False, 2), (True, 3)])
def test_the_best_by_a_metric_is_selected(tmp_path: Path, larger: bool, best: int) -> None:
    """A run that goes on knows what was best before; NaN is never better."""
    for number, value in enumerate((0.5, 0.2, 0.9, float("nan"), 0.4), 1):
        checkpoints = Checkpoints(tmp_path, write, latest_every=None, select="score", larger=larger)
        checkpoints.settle(ended(number, "val", score=value))
    assert names(tmp_path) == ["selected.json", "selected.pt"]
    assert json.loads((tmp_path / "selected.pt").read_text())["epoch"] == best
    assert checkpoints.best() == (0.9 if larger else 0.2)


def test_one_more_is_saved_when_asked_for(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, write, latest_every=None)
    checkpoints.settle(ended(1))
    checkpoints.save_next = True
    for number in (2, 3):
        checkpoints.settle(ended(number))
    assert names(tmp_path) == ["2.pt"]


def test_a_save_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    Checkpoints(tmp_path, write, latest_every=None, select="loss").settle(ended(1, "val", loss=1.0))

    def fail(path: Path, info: dict[str, Any]) -> None:
        path.write_text("half")
        raise OSError("no room")

    failing = Checkpoints(tmp_path, fail, latest_every=None, select="loss")
    with pytest.raises(OSError, match="no room"):
        failing.settle(ended(2, "val", loss=0.5))
    assert json.loads((tmp_path / "selected.pt").read_text())["epoch"] == 1
    assert failing.best() == 1.0


def no_room(path: Path, info: dict[str, Any]) -> None:
    raise OSError("no room")


async def test_a_save_that_fails_costs_the_epochs_means_nothing(tmp_path: Path) -> None:
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        routines = Routines(log, {"metric": ["loss"]}, trackers=[Checkpoints(tmp_path / "kept", no_room)])
        await routines.log_iter({"phase": "train", "epoch": 0, "loss": 0.5})
        with pytest.raises(OSError, match="no room"):
            await routines.log_epoch()
    assert al.read(tmp_path / "run").series("Metric-EpochWise/loss/train").value.tolist() == [0.5]


def test_nor_does_it_in_a_loop_that_is_not_async(tmp_path: Path) -> None:
    with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        routines = Routines(log, {"metric": ["loss"]}, trackers=[Checkpoints(tmp_path / "kept", no_room)])
        routines.log_iter_blocking({"phase": "train", "epoch": 0, "loss": 0.5})
        with pytest.raises(OSError, match="no room"):
            routines.log_epoch_blocking()
    assert al.read(tmp_path / "run").series("Metric-EpochWise/loss/train").value.tolist() == [0.5]


def test_a_checkpoint_may_be_a_directory(tmp_path: Path) -> None:
    def shards(path: Path, info: dict[str, Any]) -> None:
        path.mkdir()
        write(path / "info", info)

    checkpoints = Checkpoints(tmp_path, shards, select="loss", suffix="")
    for number, loss in ((1, 2.0), (2, 1.0)):
        checkpoints.settle(ended(number))
        checkpoints.settle(ended(number, "val", loss=loss))
    assert names(tmp_path) == ["2_latest", "selected", "selected.json"]
    assert json.loads((tmp_path / "selected" / "info").read_text())["select_metric"] == 1.0


async def test_the_run_keeps_them_when_asked_to(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "kept", write, every=1, select="loss", artifacts=True)
    async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        routines = Routines(log, {"metric": ["loss"]}, trackers=[checkpoints])
        for epoch in range(2):
            for phase in ("train", "val"):
                await routines.log_iter({"phase": phase, "epoch": epoch, "loss": 1.0 - epoch / 2})
                await routines.log_epoch()
    kept = [one.value.name for one in al.read(tmp_path / "run").events("artifact")]
    first, second = ["checkpoint/0.pt", "checkpoint/latest.pt"], ["checkpoint/1.pt", "checkpoint/latest.pt"]
    assert kept == [*first, "checkpoint/selected.pt", *second, "checkpoint/selected.pt"]


@pytest.mark.parametrize("options", [{"every": 0}, {"latest_every": -1}, {"keep": 0}])
def test_numbers_below_one_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfiguration, match="expected at least 1, or None"):
        Checkpoints(tmp_path, write, **options)


def test_what_saves_is_a_function(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="save: expected a function of a path and a dict"):
        Checkpoints(tmp_path, "model.pt")  # type: ignore[arg-type]

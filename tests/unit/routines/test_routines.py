"""What a loop says of its iterations, read back: names, steps, means, pictures, and what is refused."""

import argparse
import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration, InvalidValue
from asynclog.routines import Checkpoints, Ratio, Routines, Tracker, hyperparameters
from asynclog.routines.magma import COLOURS, coloured
from asynclog.routines.sheets import SAMPLE

torch = pytest.importorskip("torch")
TRAIN = {"phase": "train", "epoch": 0}


def logger(run: Path, **options: Any) -> al.MultiLogger:
    return al.MultiLogger(run, recorder="thread", **options)


async def test_an_epochs_mean_is_of_all_iterations_weighted(tmp_path: Path) -> None:
    async with logger(tmp_path / "run") as log:
        routines = Routines(log, {"metric": ["loss", "parts", "right"]})
        for iteration, (loss, size) in enumerate([(1.0, 8), (torch.tensor(2.0, requires_grad=True), 8), (np.float32(6), 4)]):
            said = {"loss": loss, "parts": {"kl": 1, "l1": torch.ones(3)}, "right": Ratio(iteration, size)}
            await routines.log_iter({**TRAIN, "total_iters": iteration, "batch_size": size, **said})
        await routines.log_iter({"phase": "val", "epoch": 0, "iteration": 7, "loss": 3.0})
        await routines.log_epoch()
        await routines.log_iter({"phase": "train", "epoch": 1, "total_iters": 3, "loss": 5.0})
        await routines.end_log()
        await routines.end_log()
    run = al.read(tmp_path / "run")
    batch = run.series("Metric-BatchWise/loss/train")
    assert (batch.step.tolist(), batch.value.tolist()) == ([1, 2, 3, 4], [1.0, 2.0, 6.0, 5.0])
    means = run.series("Metric-EpochWise/loss/train")
    assert (means.step.tolist(), means.value.tolist()) == ([0, 1], [pytest.approx(48 / 20), 5.0])
    assert run.series("Metric-EpochWise/loss/val").value.tolist() == [3.0]
    assert run.series("Metric-BatchWise/loss/val").step.tolist() == [7]
    assert run.series("Metric-EpochWise/right/train").value.tolist() == [pytest.approx(3 / 20)]
    assert run.series("Metric-EpochWise/kl/train").value.tolist() == [1.0]
    spread = [one.value.count for one in run.events("histogram", "Metric-Hist/loss/train")]
    assert spread == [3, 1]
    assert {one.level for one in run.events("scalar", "Metric-EpochWise/loss/train")} == {"epoch"}
    assert "Metric-EpochWise-Rank" not in {one.namespace for one in run.keys()}  # noqa: SIM118


def test_a_loop_that_is_not_async_says_the_same(tmp_path: Path) -> None:
    with logger(tmp_path / "run") as log:
        routines = Routines(log, {"metric": ["loss"], "image": ["grey"]})
        routines.log_hyperparams_blocking({"lr": 0.1}, {"accuracy": 0.5})
        for iteration in range(3):
            routines.log_iter_blocking({**TRAIN, "iteration": iteration, "loss": 1.0, "grey": np.full((2, 1, 4, 4), 1.0)})
        routines.log_epoch_blocking()
        routines.end_log_blocking()
    run = al.read(tmp_path / "run")
    assert run.config == {"lr": 0.1}
    assert run.series("accuracy").value.tolist() == [0.5]
    assert run.series("Metric-EpochWise/loss/train").value.tolist() == [1.0]
    pictures = [one.value for one in run.events("image", "grey/train")]
    assert len(pictures) == 6
    assert pictures[0].data[:, 0, 0].tolist() == COLOURS[255].tolist()


async def test_all_that_an_epoch_had_is_one_histogram(tmp_path: Path) -> None:
    async with logger(tmp_path / "run") as log:
        routines = Routines(log, {"hist": ["errors"]})
        for epoch in range(2):
            for value in (np.ones((2, 3)), torch.zeros(4), 5, 0.5):
                await routines.log_iter({"phase": "train", "epoch": epoch, "errors": value})
            await routines.log_epoch()
    found = [(one.step, one.value.count) for one in al.read(tmp_path / "run").events("histogram")]
    assert found == [(0, 12), (1, 12)]


async def test_pictures_films_and_shapes_are_recorded_a_sample_each(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(subdivisions=0)
    said: dict[str, Any] = {
        "views": [torch.rand(2, 3, 6, 5), np.random.default_rng(0).random((2, 4, 6, 5))],
        "film": torch.rand(2, 4, 1, 6, 5),
        "one": ball,
        "balls": [ball, ball],
        "points": torch.rand(2, 7, 3),
        "colours": np.array([[0, 0, 0, 1.0, 0, 0.5], [1, 1, 1, 0, 0, 0]]),
        "bright": torch.tensor([[0, 0, 0, 255.0, 0, 2]]),
        "meta_info": {"viz_id": ["mug", "cup"]},
    }
    tracked = {"image": ["views"], "video": ["film"], "mesh": ["one", "balls", "points", "colours", "bright"]}
    async with logger(tmp_path / "run", strict=True) as log:
        routines = Routines(log, tracked)
        await routines.log_iter({**TRAIN, **said})
        await routines.log_iter({**TRAIN, **said, "viz_flag": False})
        one = Routines(log, tracked, viz_one_per_batch=True)
        await one.log_iter({**TRAIN, "iteration": 9, **said})
    run = al.read(tmp_path / "run")
    pictures = [one for one in run.events("image", "views/train") if one.step == 1]
    assert [one.value.caption for one in pictures] == ["mug view 0", "mug view 1", "cup view 0", "cup view 1"]
    assert {one.value.data.shape for one in pictures} == {(3, 6, 5)}
    np.testing.assert_array_equal(pictures[1].value.data, said["views"][1][0, :3])
    films = [one for one in run.events("video") if one.step == 1]
    assert [(one.value.data.shape, one.value.fps) for one in films] == [((4, 1, 6, 5), 10.0)] * 2
    count = {key: len([one for one in run.events(key=f"{key}/train") if one.step == 1]) for key in tracked["mesh"]}
    assert count == {"one": 1, "balls": 2, "points": 2, "colours": 1, "bright": 1}
    colours = next(run.events("point_cloud", "colours/train")).value
    assert colours.colors.tolist() == [[255, 0, 127], [0, 0, 0]]
    assert next(run.events("point_cloud", "bright/train")).value.colors.tolist() == [[255, 0, 2]]
    assert not [one for one in run.events() if one.step == 2]
    assert len([one for one in run.events() if one.step == 9]) == 2 + 1 + 5


async def test_rows_of_a_sheet_come_with_their_samples_names_and_columns_with_means(tmp_path: Path) -> None:
    async with logger(tmp_path / "run") as log:
        routines = Routines(log)
        parser = {"xls": ["results"], "metric": ["loss"]}
        for batch, iou in ((4, [0.5, 0.7]), (5, torch.tensor([0.9]))):
            data = {"results": {"iou": iou, "name": ["a"] * len(iou)}, "loss": torch.tensor(0.5)}
            names = {"viz_id": [f"{batch}-{at}" for at in range(len(iou))]}
            await routines.log_batch(
                {"phase": "val", "epoch": 3, "batch": batch, "data": data, "output_parser": parser, "meta_info": names}
            )
        await routines.log_phase()
    run = al.read(tmp_path / "run")
    table = run.table("results/val")
    assert list(table.columns) == ["iou", "name", SAMPLE]
    assert table[SAMPLE].tolist() == ["4-0", "4-1", "5-0"]
    assert run.series("Sheet-Mean/results/iou/val").value.tolist() == [pytest.approx(0.7)]
    assert run.series("Metric-BatchWise/loss/val").step.tolist() == [4, 5]


async def test_a_bad_value_costs_itself_alone(tmp_path: Path) -> None:
    tracked = {
        "metric": ["bad", "loss"],
        "image": ["flat"],
        "video": ["flat"],
        "mesh": ["flat"],
        "hist": ["bad"],
        "xls": ["bad"],
    }
    async with logger(tmp_path / "run") as log:
        routines = Routines(log, tracked)
        await routines.log_iter({**TRAIN, "loss": 1.0, "bad": "x", "flat": np.zeros((2, 4))})
        assert log.statistics()["invalid"] == 6
    assert al.read(tmp_path / "run").series("Metric-BatchWise/loss/train").value.tolist() == [1.0]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ([], "iteration: expected a mapping"),
        ({"epoch": 0}, "iteration 'phase': expected a word such as train, val or test, got nothing"),
        ({"phase": "dev"}, "iteration 'phase': expected a word such as train, val or test, got str 'dev'"),
        ({"phase": "train", "epoch": 0.5}, "iteration 'epoch': expected a whole number"),
        ({"phase": "train", "iteration": "3"}, "iteration 'iteration': expected a whole number"),
        ({"phase": "train", "batch_size": -1}, "iteration 'batch_size': expected a number"),
    ],
)
async def test_an_iteration_that_says_no_phase_or_step_is_refused(tmp_path: Path, data: Any, why: str) -> None:
    routines = Routines(logger(tmp_path / "run"), {"metric": ["loss"]})
    with pytest.raises(InvalidValue, match=why):
        await routines.log_iter(data)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"tracked_variables": {"metrics": ["loss"]}}, "there is no 'metrics'; near it: metric"),
        ({"tracked_variables": {"metric": "loss"}}, "metric: expected a list of keys"),
        ({"tracked_variables": ["loss"]}, "expected {kind: "),
        ({"tracked_variables": {"image": ["x"]}, "loggers": ["metric"]}, "'image' is not among the loggers, metric"),
        ({"loggers": "metric"}, "loggers: expected a list"),
        ({"loggers": ["imagee"]}, "there is no 'imagee'; near it: image"),
        ({"trackers": ["metric"]}, "trackers: expected Trackers"),
    ],
)
def test_what_is_asked_for_is_checked(tmp_path: Path, arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidConfiguration, match=why):
        Routines(logger(tmp_path / "run"), **arguments)


def test_a_checkpoints_metric_must_be_tracked(tmp_path: Path) -> None:
    best = Checkpoints(tmp_path, print, select="val_los")
    with pytest.raises(InvalidConfiguration, match="goes by 'val_los', which is no tracked metric; near it: val_loss"):
        Routines(logger(tmp_path / "run"), {"metric": ["val_loss"]}, trackers=[best])


async def test_keys_that_never_came_are_named_at_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with logger(tmp_path / "run") as log:
        routines = Routines(log, {"metric": ["loss", "val_loss"]})
        await routines.log_iter({**TRAIN, "loss": 1.0})
        with caplog.at_level(logging.WARNING, "asynclog"):
            await routines.end_log()
    assert [one.getMessage() for one in caplog.records] == ["tracked metric 'val_loss' was in no iteration's data"]


async def test_a_tracker_of_ones_own_is_asked_in_turn(tmp_path: Path) -> None:
    class Signs(Tracker):
        kind = "sign"

        def log_value(self, log: Any, key: str, value: Any, at: Any, aside: Any) -> None:
            log.log_string(key, "+" if value > 0 else "-")

    async with logger(tmp_path / "run") as log:
        routines = Routines(log, {"metric": ["loss"]}, trackers=[Signs(["loss"])])
        await routines.log_iter({**TRAIN, "loss": -1.0})
        log.log_scalar("own", 1.0)
        await routines.log_iter({**TRAIN, "loss": 1.0})
        await log.write(5)
    run = al.read(tmp_path / "run")
    assert [one.value for one in run.events("string")] == ["-", "+"]
    assert run.series("own").step.tolist() == [5]


@dataclasses.dataclass
class Settings:
    lr: float = 0.5


@pytest.mark.parametrize("params", [{"lr": 0.5}, argparse.Namespace(lr=0.5), Settings()])
def test_hyperparameters_of_any_make_with_the_models_and_the_jobs(params: Any) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1).requires_grad_(False))
    found = hyperparameters(params, model, {"SLURM_JOB_ID": "17"})
    counts = {"total": 11, "trainable": 8, "non_trainable": 3}
    assert found == {"lr": 0.5, "slurm_job_id": "17", **{f"model/params/{name}": one for name, one in counts.items()}}


def test_hyperparameters_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidValue, match="expected a mapping, a Namespace, a dataclass, or OmegaConf, got int 3"):
        hyperparameters(3)


def test_grey_becomes_magma_as_matplotlib_has_it() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    grey = np.linspace(-0.2, 1.2, 400).reshape(20, 20)
    wanted = (matplotlib.colormaps["magma"](np.clip(grey, 0, 1))[..., :3] * 255).astype(np.uint8)
    np.testing.assert_array_equal(coloured(grey.astype(np.float64)), np.moveaxis(wanted, -1, 0))
    np.testing.assert_array_equal(coloured(torch.from_numpy(grey)).numpy(), np.moveaxis(wanted, -1, 0))
    np.testing.assert_array_equal(coloured(np.arange(256, dtype=np.uint8)[None])[:, 0].T, COLOURS)
    assert coloured(np.full((1, 1), np.nan)).tolist() == COLOURS[0][:, None, None].tolist()

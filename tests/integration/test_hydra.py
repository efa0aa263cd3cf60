"""Hydra's real machinery over the configs that the package brings: composed, overridden, instantiated, trained with."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import asynclog as al

hydra = pytest.importorskip("hydra")
pytest.importorskip("pydantic")

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "asynclog" / "config" / "hydra"
SINKS = sorted(name.lower() for name in al.sinks.__all__)
LOGGERS = [path for path in sorted((CONFIGS / "logger").glob("*.yaml")) if path.stem != "many_loggers"]


def written(directory: Path, **files: str) -> None:
    for name, text in files.items():
        path = directory / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Path]:
    """The config directory of an application, which Hydra reads."""
    directory = tmp_path / "configs"
    directory.mkdir()
    with hydra.initialize_config_dir(str(directory), version_base=None):
        yield directory


def composed(name: str, *overrides: str) -> Any:
    """As in an application that hydra.main runs, whose runtime the configs speak of."""
    from hydra.core.hydra_config import HydraConfig

    config = hydra.compose(name, overrides=list(overrides), return_hydra_config=True)
    config.hydra.runtime.output_dir = "outputs/now"
    config.hydra.runtime.cwd = "."
    config.hydra.job.name = "train"
    HydraConfig.instance().set_config(config)
    return config


TRAIN = """
defaults:
  - asynclog: default
  - asynclog/sinks: [tensorboard, jsonlines]
  - optional experiment: null
  - _self_
lr: 0.1
asynclog:
  limit: {every: 1.0, spare: [scalar]}
  config: {lr: "${lr}"}
  sinks:
    jsonlines: {route: {limit: 5}}
"""


def test_the_group_asynclog_makes_a_multilogger_and_its_sinks(app: Path, tmp_path: Path) -> None:
    written(app, train=TRAIN)
    config = composed(
        "train", f"asynclog.run={tmp_path}/run", "asynclog.recorder=thread", "asynclog.sinks.jsonlines.path=l.jsonl"
    )
    with hydra.utils.instantiate(config.asynclog) as log:
        log.log_scalar("loss", 0.5)
        log.write_nowait(0)
    board, lines = log._core.routes
    assert (board.name, lines.name) == ("tensorboard", "jsonlines")
    assert lines.limit is not None
    assert lines.limit.interval("train") == 5.0
    run = al.read(tmp_path / "run")
    assert run.series("loss").value.tolist() == [0.5]
    assert next(iter(run.events(kind="config"))).value == {"lr": 0.1}
    assert "0.5" in (tmp_path / "run" / "l.jsonl").read_text()


def test_an_experiment_overrides_which_sinks_there_are(app: Path) -> None:
    experiment = (
        "# @package _global_\ndefaults:\n  - override /asynclog/sinks: [aim, csv]\nasynclog: {sinks: {csv: {layout: long}}}"
    )
    written(app, train=TRAIN.replace("    jsonlines: {route: {limit: 5}}\n", "    {}\n"), experiment__long=experiment)
    log = hydra.utils.instantiate(composed("train", "experiment=long").asynclog)
    assert [type(one.sink).__name__ for one in log._core.routes] == ["Aim", "CSV"]
    assert log._core.routes[0].sink.experiment == "train"
    assert log._core.routes[1].sink.layout == "long"
    assert str(log._core.directory) == "outputs/now/asynclog"


def test_what_is_mistyped_is_said_with_its_key(app: Path) -> None:
    written(app, train=TRAIN)
    config = composed("train", "+asynclog.sinks.tensorboard.pth=x", "+asynclog.rn=x")
    with pytest.raises(hydra.errors.InstantiationException) as caught:
        hydra.utils.instantiate(config.asynclog)
    said = str(caught.value)
    assert "sinks.tensorboard.pth: there is no such setting; did you mean 'path'?" in said
    assert "rn: there is no such key; did you mean 'run'?" in said


def test_each_sink_has_a_config_that_makes_it(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("NEPTUNE_PROJECT", "team/digits")
    monkeypatch.setenv("ARTIFACTS_URL", "memory:///")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "https://localhost/hook")
    written(app, train=f"defaults:\n  - asynclog: default\n  - asynclog/sinks: [{', '.join(SINKS)}]\n")
    log = hydra.utils.instantiate(composed("train").asynclog)
    assert [(type(one.sink).__name__.lower(), one.name) for one in log._core.routes] == [(name, name) for name in SINKS]


def test_the_applications_own_config_of_a_name_comes_first(app: Path) -> None:
    written(app, train="defaults:\n  - asynclog/sinks: [csv]\n", asynclog__sinks__csv="csv: {mine: 1}")
    assert composed("train").asynclog.sinks == {"csv": {"mine": 1}}


# -- unifi3d -----------------------------------------------------------------------------------------------------------

MAIN = """
defaults:
  - _self_
  - logger: null
  - experiment: null
experiment_name: train
tags: [dev]
paths: {root_dir: "%(root)s", output_dir: "%(root)s/out"}
"""
# As unifi3d's README has it.
EXPERIMENT = """
# @package _global_
defaults:
  - override /logger: %(backend)s
experiment_name: chairs
logger:
  %(backend)s: # Should be the same as /logger
    config:
      loggers: ["metric", "image", "hist", "hparams"] # List and type of logging implementations
      tracked_variables: # The keys should match aim/loggers
        metric: ["reconstruction_loss", "regularization_loss"]
        image: ["render_gt", "render_rec_gt", "render_rec"]
        hist: ["hist_loss"]
"""


def unifi3d(app: Path, root: Path, backend: str, *overrides: str) -> Any:
    written(app, main=MAIN % {"root": root}, experiment__own=EXPERIMENT % {"backend": backend})
    return composed("main", "experiment=own", *overrides).logger


@pytest.mark.parametrize("backend", ["aim", "comet", "mlflow", "neptune", "wandb", "jsonlines"])
def test_override_logger_makes_unifi3ds_logger_for_each_backend(app: Path, tmp_path: Path, backend: str) -> None:
    logger = hydra.utils.instantiate(unifi3d(app, tmp_path, backend)[backend])
    routes = {one.name: one for one in logger.log._core.routes}
    assert list(routes) == [backend, "console", "console-epochs"]
    assert str(logger.log._core.directory) == f"{tmp_path}/out/log/{backend}"
    assert routes["console"].limit is not None
    assert routes["console"].limit.interval("train") == 1.0
    of = {"aim": ("experiment", "chairs"), "wandb": ("project", "chairs"), "neptune": ("project", "workspace/chairs")}
    if backend in of:
        attribute, expected = of[backend]
        assert getattr(routes[backend].sink, attribute) == expected
    assert [type(one).__name__ for one in logger.routines.trackers] == ["Metrics", "Images", "Histograms"]


def test_unifi3ds_readme_trains(app: Path, tmp_path: Path) -> None:
    import numpy as np

    config = unifi3d(app, tmp_path, "tensorboard", "logger.tensorboard.config.print_every_n_seconds=0")
    logger = hydra.utils.instantiate(config.tensorboard)
    logger.log_hyperparams({"lr": 0.1})
    picture = np.zeros((2, 3, 8, 8), np.float32)
    for iteration in range(4):
        data = {"reconstruction_loss": 1.0 / (1 + iteration), "regularization_loss": 0.5, "render_gt": picture}
        said = {"phase": "train", "epoch": 0, "iteration": iteration, "batch_size": 2, "max_epochs": 1}
        logger.log_iter({**said, **data, "render_rec_gt": picture, "render_rec": picture, "hist_loss": np.arange(9.0)})
    logger.log_epoch()
    logger.end_log()
    run = al.read(tmp_path / "out" / "log" / "tensorboard")
    assert run.status == "finished"
    losses = run.series("reconstruction_loss/train", namespace="Metric-BatchWise")
    assert losses.value.tolist() == [1.0, 0.5, 1 / 3, 0.25]
    assert losses.step.tolist() == [0, 1, 2, 3]
    assert {event.kind for event in run.events()} >= {"scalar", "image", "histogram", "config"}
    assert list((tmp_path / "out" / "log" / "tensorboard" / "tensorboard").glob("events.*"))


@pytest.mark.parametrize("path", LOGGERS, ids=lambda path: path.stem)
def test_a_loggers_config_is_of_the_backend_that_it_is_named_after(path: Path) -> None:
    from omegaconf import OmegaConf

    from asynclog.config.unifi3d import parsed

    found: Any = OmegaConf.load(path)
    assert list(found) == [path.stem]
    assert parsed(found[path.stem].config).logint == path.stem


def test_many_loggers_have_a_run_each(app: Path, tmp_path: Path) -> None:
    written(app, main=MAIN % {"root": tmp_path})
    config = composed("main", "logger=many_loggers").logger
    made = [hydra.utils.instantiate(one) for one in config.values() if "_target_" in one]
    assert [one.config.logint for one in made] == ["tensorboard", "wandb"]
    assert len({str(one.log._core.directory) for one in made}) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("+logger.aim.config.tracked_variable=1", "tracked_variable: there is no such key; did you mean 'tracked_variables'?"),
        ("logger.aim.config.logint=ami", "logint: expected 'aim', 'comet'"),
        ("logger.aim.config.loggers=[metrc]", "there is no 'metrc'"),
        ("logger.aim.config.loggers=[metric]", "'image' is not among the loggers"),
    ],
)
def test_unifi3ds_configuration_is_checked(app: Path, tmp_path: Path, change: str, said: str) -> None:
    config = unifi3d(app, tmp_path, "aim", change)
    with pytest.raises(hydra.errors.InstantiationException) as caught:
        hydra.utils.instantiate(config.aim)
    assert said in str(caught.value)


# -- an application ----------------------------------------------------------------------------------------------------

PROGRAM = """
import hydra

@hydra.main(version_base=None, config_path="configs", config_name="train")
def main(cfg):
    with hydra.utils.instantiate(cfg.asynclog) as log:
        log.log_scalar("loss", cfg.lr)
        log.write_nowait(0)

main()
"""


def test_an_application_finds_the_configs_by_itself(tmp_path: Path) -> None:
    """And its run lies in the job's own directory."""
    written(tmp_path / "configs", train=TRAIN)
    (tmp_path / "train.py").write_text(PROGRAM)
    words = ["hydra.run.dir=job", "asynclog/sinks=[csv]", "~asynclog.sinks.jsonlines", "asynclog.recorder=thread", "lr=0.25"]
    done = subprocess.run(
        [sys.executable, "train.py", *words], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert al.read(tmp_path / "job" / "asynclog").series("loss").value.tolist() == [0.25]

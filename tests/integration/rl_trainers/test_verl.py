"""A training in verl's style: ``Tracking.log(data, step)`` in its fit loop, validations with their generations."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration
from asynclog.integrations import verl

pytest.importorskip("torch")

from docs.examples.async_rl.environment import TURNS
from docs.examples.async_rl.policy import Learner
from tests.integration.rl_trainers.training import generated, text

STEPS = 12
CONFIG = {"trainer": {"project_name": "digits", "logger": ["console", "file"]}, "actor": {"lr": 0.02}}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASYNCLOG_DIR", str(tmp_path / "runs"))
    return tmp_path / "runs"


def fit(tracking: Any, said: list[tuple[int, dict[str, Any]]], generations: list[tuple[int, list[Any]]]) -> None:
    """As verl's trainer: metrics of a step in one mapping, those of a validation among them."""
    learner, validations = Learner(), verl.ValidationGenerationsLogger("digits", "reinforce")
    for step in range(1, STEPS + 1):
        samples = generated(learner, 64, step, seed=step)
        known = learner.update(samples)
        metrics = {
            "training/global_step": step,
            "training/epoch": step // 5,
            "actor/pg_loss": known["loss"],
            "actor/entropy": np.float32(known["entropy"]),
            "critic/score/mean": known["reward"],
        }
        if step % 4 == 0:
            judged = generated(learner, 8, step, seed=1000)
            scores = [sum(one.rewards) / TURNS for one in judged]
            metrics["val-core/digits/reward/mean@8"] = float(np.mean(scores))
            shown = [[text(one.prompt), text(one.tokens), score] for one, score in zip(judged, scores, strict=True)]
            validations.log(tracking.logger, shown, step)
            generations.append((step, shown))
        tracking.log(data=metrics, step=step)
        said.append((step, metrics))


def test_a_training_is_recorded_step_by_step(runs: Path) -> None:
    said: list[tuple[int, dict[str, Any]]] = []
    generations: list[tuple[int, list[Any]]] = []
    tracking = verl.Tracking("digits", "reinforce", default_backend=["console", "file"], config=CONFIG)
    fit(tracking, said, generations)
    tracking.finish()
    tracking.finish()
    run = al.read(runs / "digits" / "reinforce")
    assert run.status == "finished"
    assert run.config == CONFIG
    for key in ("training/global_step", "actor/pg_loss", "actor/entropy", "critic/score/mean"):
        found = run.series(key, phase="train")
        assert found.step.tolist() == [step for step, _ in said]
        assert found.value.tolist() == [float(metrics[key]) for _, metrics in said]
    validated = run.series("val-core/digits/reward/mean@8", phase="valid")
    assert validated.step.tolist() == [4, 8, 12]
    assert {event.epoch for event in run.events(key="actor/pg_loss")} == {0, 1, 2}
    rollouts = list(run.events(kind="rollout", key="val/generations"))
    assert [(event.step, event.value.reward) for event in rollouts] == [
        (step, pytest.approx(score)) for step, shown in generations for _, _, score in shown
    ]
    first = generations[0][1][0]
    assert [one["content"] for one in rollouts[0].value.messages] == first[:2]
    table = run.table("val/generations", phase="valid")
    assert list(table) == [tuple(row) for _, shown in generations for row in shown]
    assert table.step.tolist() == [step for step, shown in generations for _ in shown]
    assert len((runs / "digits" / "reinforce" / "metrics.jsonl").read_text().splitlines()) > STEPS


def test_steps_that_come_late_and_again_are_kept_as_they_are(runs: Path) -> None:
    tracking = verl.Tracking("digits", "late", default_backend="asynclog")
    for step in (1, 2, 3, 2, 1, 3):
        tracking.log({"x": float(step)}, step)
    tracking.finish()
    assert al.read(runs / "digits" / "late").series("x").step.tolist() == [1, 2, 3, 2, 1, 3]


def test_a_failed_training_is_told_as_one(runs: Path) -> None:
    tracking = verl.Tracking("digits", "failed", default_backend="asynclog")
    tracking.log({"x": 1.0}, 1)
    tracking.finish(exit_code=3)
    run = al.read(runs / "digits" / "failed")
    assert (run.status, len(run)) == ("failed", 1)


def test_an_unknown_backend_is_refused_and_one_without_a_sink_is_named(runs: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AssertionError, match="frobnicate is not supported"):
        verl.Tracking("digits", "wrong", default_backend=["frobnicate"])
    verl.Tracking("digits", "named", default_backend=["swanlab"]).finish()
    assert "'swanlab' gets nothing" in caplog.text


def test_only_what_is_for_one_of_its_backends_is_recorded(runs: Path) -> None:
    tracking = verl.Tracking("digits", "some", default_backend=["file"])
    tracking.log({"x": 1.0}, 1, backend=["wandb"])
    tracking.log({"x": 2.0}, 2, backend=["file"])
    tracking.finish()
    assert al.read(runs / "digits" / "some").series("x").value.tolist() == [2.0]


def test_it_is_called_on_a_loop_by_many_tasks(runs: Path) -> None:
    backend = verl.Backend("digits", "actors")

    async def actor(number: int) -> None:
        for step in range(50):
            backend.log({f"actor{number}/reward": float(step)}, step)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*map(actor, range(20)))

    asyncio.run(main())
    backend.finish()
    run = al.read(runs / "digits" / "actors")
    assert all(run.series(f"actor{number}/reward").step.tolist() == list(range(50)) for number in range(20))


def test_filtered_groups_are_rows(runs: Path) -> None:
    backend = verl.Backend("digits", "dapo")
    verl.DapoFilteredRewardTableLogger().log(["asynclog"], {1.0: 3, 0.0: 5}, 7)
    backend.finish()
    table = al.read(runs / "digits" / "dapo").table("training/filter_groups/filtered_reward_counts")
    assert list(table) == [(0.0, 5), (1.0, 3)]
    assert table.step.tolist() == [7, 7]


def test_an_environment_variable_puts_it_in_place_of_verls_own(tmp_path: Path) -> None:
    """With a verl of the one module that matters, which imports what its own variable names, as verl does."""
    package = tmp_path / "verl" / "utils"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tracking.py").write_text("class Tracking: ...\nclass ValidationGenerationsLogger: ...\n")
    (tmp_path / "verl" / "__init__.py").write_text(
        "import importlib, os\nfor name in filter(None, os.environ.get('VERL_USE_EXTERNAL_MODULES', '').split(',')):\n"
        "    importlib.import_module(name)\n"
    )
    program = (
        "import verl\nfrom verl.utils.tracking import Tracking, ValidationGenerationsLogger\n"
        "one = Tracking('p', 'e', ['asynclog'])\none.log({'x': 1.5}, 1)\n"
        "ValidationGenerationsLogger().log(one.logger, [['in', 'out', 0.5]], 1)\none.finish()\n"
    )
    environ = {
        **os.environ,
        "VERL_USE_EXTERNAL_MODULES": "asynclog.integrations.verl.plugin",
        "PYTHONPATH": f"{tmp_path}:{os.getcwd()}",
    }
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environ, check=True, timeout=50)
    run = al.read(tmp_path / "runs" / "p" / "e")
    assert run.series("x").value.tolist() == [1.5]
    assert [event.value.reward for event in run.events(kind="rollout")] == [0.5]


@pytest.mark.parametrize(("project", "experiment"), [("digits", "../../elsewhere"), ("..", "ppo"), ("digits", "/elsewhere")])
def test_names_that_lead_elsewhere_are_refused(runs: Path, project: str, experiment: str) -> None:
    with pytest.raises(InvalidConfiguration, match="below"):
        verl.Backend(project, experiment, root=runs)

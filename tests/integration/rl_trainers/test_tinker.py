"""A training in tinker-cookbook's style: a loop that logs metrics synchronously, and an evaluator beside it that ends late."""

import asyncio
import dataclasses
import json
import logging
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.integrations import tinker

pytest.importorskip("torch")

from docs.examples.async_rl.environment import TURNS
from docs.examples.async_rl.policy import Learner
from tests.integration.rl_trainers.training import generated

BATCHES = 10


class Schedule(Enum):
    CONSTANT = "constant"


@dataclasses.dataclass
class Optimizer:
    lr: float = 0.02
    schedule: Schedule = Schedule.CONSTANT


@dataclasses.dataclass
class Config:
    batch: int = 32
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    reward: Any = sum


async def train(ml_logger: tinker.Logger, said: list[dict[str, Any]]) -> None:
    learner, ended = Learner(), asyncio.Event()

    async def evaluate(batch: int) -> None:
        samples = generated(learner, 8, batch, seed=1000)
        await ended.wait()
        ml_logger.log_metrics({"test/env/all/reward/total": sum(sum(one.rewards) for one in samples) / (8 * TURNS)}, step=batch)

    async with asyncio.TaskGroup() as evaluations:
        for batch in range(BATCHES):
            samples = generated(learner, 32, batch, seed=batch)
            known = await asyncio.to_thread(learner.update, samples)
            metrics = {"progress/batch": batch, "env/all/reward/total": known["reward"], "optim/loss": known["loss"]}
            ml_logger.log_metrics(metrics, step=batch)
            said.append(metrics)
            if batch == 2:
                evaluations.create_task(evaluate(batch))
        ml_logger.log_long_text("transcript", "a long text\n" * 1000)
        ml_logger.log_metrics({"time/total": 1.5})
        ended.set()


@pytest.fixture
def root_logger() -> Iterator[None]:
    """As it was, afterwards: a recipe configures the logging of its process."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    for one in set(root.handlers) - set(handlers):
        root.removeHandler(one)
        one.close()
    root.setLevel(level)


def test_a_training_is_recorded_and_its_late_evaluation_is_where_it_belongs(tmp_path: Path, root_logger: None) -> None:
    said: list[dict[str, Any]] = []
    ml_logger = tinker.setup_logging(str(tmp_path / "log"), config=Config())
    asyncio.run(train(ml_logger, said))
    assert ml_logger.get_logger_url() == (tmp_path / "log" / "asynclog").resolve().as_uri()
    ml_logger.sync()
    ml_logger.close()
    run = al.read(tmp_path / "log" / "asynclog")
    for key in said[0]:
        found = run.series(key, phase="train")
        assert found.step.tolist() == list(range(BATCHES))
        assert found.value.tolist() == [one[key] for one in said]
    assert run.series("test/env/all/reward/total", phase="test").step.tolist() == [2]
    assert run.series("time/total").step.tolist() == [BATCHES - 1]
    (text,) = run.events(kind="string", key="transcript")
    assert text.value == "a long text\n" * 1000
    assert run.config == {"batch": 32, "optimizer": {"lr": 0.02, "schedule": "constant"}, "reward": "builtins.sum"}
    lines = [json.loads(line) for line in (tmp_path / "log" / "metrics.jsonl").read_text().splitlines()]
    assert {"env/all/reward/total", "test/env/all/reward/total"} <= {key for line in lines for key in str(line).split("'")}
    assert run.status == "finished"


def test_it_takes_its_place_among_other_loggers(tmp_path: Path) -> None:
    class Collecting:
        """One with the two methods that the cookbook insists on."""

        def __init__(self) -> None:
            self.rows: list[Any] = []

        def log_hparams(self, config: Any) -> None:
            self.rows.append(config)

        def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
            self.rows.append((step, metrics))

        def get_logger_url(self) -> str | None:
            return None

    other: Any = Collecting()
    both = tinker.MultiplexLogger([other, tinker.AsynclogLogger(tmp_path)])
    both.log_hparams({"lr": 1})
    both.log_metrics({"loss": 0.5}, 3)
    both.log_long_text("text", "said")
    both.close()
    run = al.read(tmp_path / "asynclog")
    assert other.rows == [{"lr": 1}, (3, {"loss": 0.5})]
    assert run.series("loss").step.tolist() == [3]
    assert [event.step for event in run.events(kind="string")] == [3]
    assert run.config == {"lr": 1}
    assert str(both.get_logger_url()).startswith("file:///")

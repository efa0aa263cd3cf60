"""Lightning's Trainer trains for a moment, and the run holds what its module logged."""

import asyncio
import csv
import math
import pickle
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al

pytestmark = [
    # Of Lightning's own making: few workers, checkpoints that are there, torch's parts that move.
    pytest.mark.filterwarnings("ignore:::lightning"),
    pytest.mark.filterwarnings("ignore:::pytorch_lightning"),
    pytest.mark.filterwarnings("ignore:::torch"),
    pytest.mark.filterwarnings("ignore:::lightning_fabric"),
]


@pytest.fixture(scope="module")
def lightning() -> Any:
    """Imported by the process that runs these tests, and by no other that collects them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("lightning")


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Lightning ignores Ctrl-C for ever once it has met one."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def logger_class(lightning: Any) -> Any:
    from asynclog.integrations.lightning import AsynclogLogger

    return AsynclogLogger


def module_of(package: Any, **hooks: Any) -> Any:
    """A module that learns one weight, and remembers what it logged."""
    import torch

    class Line(package.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters({"lr": 0.1, "net": {"width": 1}})
            self.layer = torch.nn.Linear(2, 1)
            self.said: list[tuple[int, float]] = []

        def training_step(self, batch: Any, number: int) -> Any:
            loss = (self.layer(batch[0]) - 1).pow(2).mean()
            self.said.append((self.global_step, loss.item()))
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            if "training_step" in hooks:
                hooks["training_step"](self, number)
            return loss

        def validation_step(self, batch: Any, number: int, dataloader_idx: int = 0) -> None:
            self.log("val_loss", (self.layer(batch[0]) - 1).pow(2).mean())

        def test_step(self, batch: Any, number: int) -> None:
            self.log("test_acc", 0.5 + number)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    return Line()


def loader(batches: int = 6, seed: int = 0) -> Any:
    import torch

    numbers = torch.randn(batches * 4, 2, generator=torch.Generator().manual_seed(seed))
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(numbers), batch_size=4)


def trainer_of(package: Any, logger: Any, **given: Any) -> Any:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    given = {"max_epochs": 2, "log_every_n_steps": 1, **quiet, **given}
    return package.Trainer(logger=logger, accelerator="cpu", devices=1, **given)


def points(run: al.Run, key: str) -> list[tuple[int, float]]:
    series = run.series(key)
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


def test_what_a_module_logs_is_what_the_run_holds(lightning: Any, logger_class: Any, tmp_path: Path) -> None:
    """Beside Lightning's own CSV logger: cell by cell the same, and in the phases that the names say."""
    beside = lightning.pytorch.loggers.CSVLogger(tmp_path / "csv")
    module = module_of(lightning)
    trainer = trainer_of(lightning, [logger_class(tmp_path / "run"), beside])
    trainer.fit(module, loader(), [loader(2, 1), loader(3, 2)])
    trainer.validate(module, loader(2, 3), verbose=False)
    trainer.test(module, loader(2), verbose=False)

    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.missing == 0
    assert points(run, "train_loss_step") == module.said
    means = [np.mean([loss for _, loss in module.said[:6]]), np.mean([loss for _, loss in module.said[6:]])]
    assert points(run, "train_loss_epoch") == [(5, pytest.approx(means[0])), (11, pytest.approx(means[1]))]

    with (Path(beside.log_dir) / "metrics.csv").open() as file:
        cells = {
            (key, int(row["step"]), float(row["epoch"]), float(value))
            for row in csv.DictReader(file)
            for key, value in row.items()
            if value and key not in ("step", "epoch")
        }
    scalars = list(run.events(kind="scalar"))
    assert {(one.key, one.step, float(one.epoch), one.value) for one in scalars} == cells
    assert {(one.key, one.phase) for one in scalars} == {
        ("train_loss_step", "train"),
        ("train_loss_epoch", "train"),
        ("val_loss/dataloader_idx_0", "valid"),
        ("val_loss/dataloader_idx_1", "valid"),
        ("val_loss", "valid"),
        ("test_acc", "test"),
    }
    assert run.config == {"lr": 0.1, "net": {"width": 1}}
    (model,) = run.events(kind="string")
    assert "Linear(in_features=2, out_features=1" in model.value


def test_fabric_logs_into_a_run(lightning: Any, logger_class: Any, tmp_path: Path) -> None:
    """Lightning's loop for those who write their own."""
    logger = logger_class(tmp_path / "run")
    fabric = lightning.Fabric(accelerator="cpu", devices=1, loggers=logger)
    for step in range(3):
        fabric.log_dict({"loss": float(step), "val_acc": 0.5}, step=step)
    logger.finalize("success")
    run = al.read(tmp_path / "run")
    assert points(run, "loss") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert {one.phase for one in run.events(key="val_acc")} == {"valid"}


def test_an_exception_in_a_training_is_how_the_run_ends(lightning: Any, logger_class: Any, tmp_path: Path) -> None:
    def fails(module: Any, number: int) -> None:
        if number == 3:
            raise ValueError("the loss has gone")

    trainer = trainer_of(lightning, logger_class(tmp_path / "run"))
    with pytest.raises(ValueError, match="the loss has gone"):
        trainer.fit(module_of(lightning, training_step=fails), loader())
    run = al.read(tmp_path / "run")
    assert run.status == "failed"
    (writer,) = run.writers
    assert writer.error == "ValueError: the loss has gone"
    assert len(run.series("train_loss_step")) == 3


def test_ctrl_c_in_a_training_is_how_the_run_ends(lightning: Any, logger_class: Any, tmp_path: Path) -> None:
    def interrupted(module: Any, number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    trainer = trainer_of(lightning, logger_class(tmp_path / "run"))
    with pytest.raises(SystemExit):
        trainer.fit(module_of(lightning, training_step=interrupted), loader())
    (writer,) = al.read(tmp_path / "run").writers
    assert (writer.status, writer.error) == ("failed", "KeyboardInterrupt")


def test_a_training_that_goes_on_goes_on_with_its_run(lightning: Any, logger_class: Any, tmp_path: Path) -> None:
    """From a checkpoint, with another Trainer and another logger, as after a restart."""
    trainer = trainer_of(lightning, logger_class(tmp_path / "run"), max_epochs=1)
    trainer.fit(module_of(lightning), loader())
    trainer.save_checkpoint(tmp_path / "last.ckpt")

    module = module_of(lightning)
    trainer = trainer_of(lightning, logger_class(tmp_path / "run", resume="must"), max_epochs=3)
    trainer.fit(module, loader(), ckpt_path=tmp_path / "last.ckpt", weights_only=False)
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert [step for step, _ in points(run, "train_loss_step")] == list(range(18))
    assert points(run, "train_loss_step")[6:] == module.said
    assert [one.epoch for one in run.events(key="train_loss_epoch")] == [0, 1, 2]
    assert [one.epoch for one in run.writers] == [0, 1]


def test_pictures_sounds_films_tables_and_texts(logger_class: Any, tmp_path: Path) -> None:
    logger = logger_class(tmp_path / "run")
    pictures = [np.full((3, 4, 4), number, np.uint8) for number in (1, 2)]
    logger.log_metrics({"loss": 1.0, "epoch": 3}, step=7)
    logger.log_image("val_samples", pictures, step=8, caption=["one", "two"])
    logger.log_audio("speech", [np.zeros(16, np.float32)], sample_rate=8000)
    logger.log_audio("more", [np.zeros(16, np.float32)] * 2, sample_rate=[8000, 16000])
    logger.log_video("film", [np.zeros((2, 3, 4, 4), np.uint8)], fps=5)
    logger.log_table("confusion", ["seen", "said"], [["a", "b"], ["c", "c"]])
    logger.log_text("note", "all is well")
    logger.log_text("answers", columns=["prompt", "answer"], data=[["hi", "hello"]])
    logger.log_hyperparams({"lr": 1.0}, {"hp_metric": 2.0})
    with pytest.raises(TypeError, match="expected a list"):
        logger.log_image("bad", pictures[0])
    with pytest.raises(ValueError, match="2 of them, with 1"):
        logger.log_image("bad", pictures, caption=["one"])
    logger.finalize("success")

    run = al.read(tmp_path / "run")
    found = {one.key: one for one in run.events()}
    assert (found["val_samples"].step, found["val_samples"].phase, found["val_samples"].epoch) == (8, "valid", 3)
    assert found["val_samples"].value.captions == ["one", "two"]
    assert [int(one.max()) for one in found["val_samples"].value.data] == [1, 2]
    assert (found["speech"].step, found["speech"].value.sample_rate) == (7, 8000)
    assert [one.value.sample_rate for one in run.events(key="more")] == [8000, 16000]
    assert found["film"].value.fps == 5
    assert found["confusion"].value.canonical() == [("a", "b"), ("c", "c")]
    assert found["note"].value == "all is well"
    assert found["answers"].value.columns == ["prompt", "answer"]
    assert (found["hp_metric"].value, run.config["lr"]) == (2.0, 1.0)


def test_what_a_module_logs_on_the_experiment_comes_with_the_next_metrics(
    lightning: Any, logger_class: Any, tmp_path: Path
) -> None:
    def draws(module: Any, number: int) -> None:
        module.logger.experiment.log_image("weights", np.full((2, 2), module.global_step, np.uint8))

    trainer = trainer_of(lightning, logger_class(tmp_path / "run"), max_epochs=1)
    trainer.fit(module_of(lightning, training_step=draws), loader())
    found = [(one.step, int(one.value.data[0, 0])) for one in al.read(tmp_path / "run").events(kind="image")]
    assert found == [(step, step) for step in range(6)]


def test_a_logger_that_is_handed_over_stays_its_owners(lightning: Any, logger_class: Any, tmp_path: Path) -> None:
    memory = al.sinks.Memory()
    with al.MultiLogger(tmp_path / "run", sinks=[memory]) as log:
        for _ in range(2):
            trainer = trainer_of(lightning, logger_class(log), max_epochs=1)
            trainer.fit(module_of(lightning), loader())
        log.log_scalar("after", 1.0)
        log.write_blocking(100)
    run = al.read(tmp_path / "run")
    assert [step for step, _ in points(run, "train_loss_step")] == [*range(6), *range(6)]
    assert points(run, "after") == [(100, 1.0)]
    assert [one.value for one in memory.events if one.key == "train_loss_step"] == run.series("train_loss_step").value.tolist()
    assert len(run.writers) == 1


def test_other_ranks_are_silent_or_writers_of_their_own(lightning: Any, logger_class: Any, tmp_path: Path) -> None:
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    before = rank_zero_only.rank
    memory = al.sinks.Memory()
    zero, every = logger_class(tmp_path / "zero"), logger_class(tmp_path / "every", ranks="all", sinks=[memory])
    try:
        rank_zero_only.rank = 1
        for logger in (zero, every):
            logger.log_hyperparams({"lr": 1.0})
            logger.log_metrics({"loss": 0.5}, step=3)
            logger.log_text("note", "hi")
            logger.experiment.log_scalar("own", 1.0)
            logger.finalize("success")
    finally:
        rank_zero_only.rank = before
    assert not (tmp_path / "zero").exists()
    run = al.read(tmp_path / "every")
    assert [one.writer for one in run.writers] == ["rank1"]
    assert points(run, "loss") == [(3, 0.5)]
    assert memory.events == []
    with pytest.raises(al.InvalidConfiguration, match="names the writers itself"):
        logger_class(tmp_path / "every", ranks="all", writer="mine")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_processes_train_and_record_one_run(lightning: Any, logger_class: Any, tmp_path: Path) -> None:
    """Spawned, so that the loggers are pickled; gloo takes the mean."""
    from tests.integration.frameworks.ranks import RankModule

    loggers = [logger_class(tmp_path / "zero"), logger_class(tmp_path / "every", ranks="all")]
    trainer = lightning.Trainer(
        logger=loggers, accelerator="cpu", devices=2, strategy="ddp_spawn", max_epochs=1, log_every_n_steps=1,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(RankModule(), loader(4))
    zero, every = al.read(tmp_path / "zero"), al.read(tmp_path / "every")
    assert (zero.status, every.status) == ("finished", "finished")
    assert len(zero.writers) == 1
    assert sorted(one.writer for one in every.writers) == ["rank0", "rank1"]
    assert points(zero, "mean_rank") == [(0, 0.5), (1, 0.5)]
    assert points(zero, "own_rank") == [(0, 0.0), (1, 0.0)]
    assert sorted(points(every, "own_rank")) == [(0, 0.0), (0, 1.0), (1, 0.0), (1, 1.0)]


def test_a_logger_travels_to_another_process(logger_class: Any, tmp_path: Path) -> None:
    """Pickled before its run was opened it is the same; afterwards it is a writer of its own."""
    logger = logger_class(tmp_path / "run", writer="here")
    there = pickle.loads(pickle.dumps(logger))
    there.log_metrics({"loss": 1.0}, step=0)
    there.finalize("success")
    logger.log_metrics({"loss": 2.0}, step=1)
    there = pickle.loads(pickle.dumps(logger))
    there.log_metrics({"loss": 3.0}, step=2)
    there.finalize("success")
    logger.finalize("success")
    run = al.read(tmp_path / "run")
    assert points(run, "loss") == [(0, 1.0), (1, 2.0), (2, 3.0)]
    assert len({one.writer for one in run.writers}) == 2


@pytest.mark.blocking
async def test_a_notebooks_cell_trains_on_a_running_loop(lightning: Any, logger_class: Any, tmp_path: Path) -> None:
    """The loop stands still, as in any notebook; other tasks' entries aren't disturbed."""
    async with al.MultiLogger(tmp_path / "run") as log:
        entry = log.at(5)
        entry.log_scalar("reward", 1.0)
        trainer_of(lightning, logger_class(log), max_epochs=1).fit(module_of(lightning), loader())
        trainer_of(lightning, logger_class(tmp_path / "own"), max_epochs=1).fit(module_of(lightning), loader())
        await asyncio.sleep(0)
        await entry.write(5)
    run = al.read(tmp_path / "run")
    assert len(run.series("train_loss_step")) == 6
    assert points(run, "reward") == [(5, 1.0)]
    assert len(al.read(tmp_path / "own").series("train_loss_step")) == 6


def test_metrics_that_no_float_holds_are_kept_as_they_are(logger_class: Any, tmp_path: Path) -> None:
    logger = logger_class(tmp_path / "run")
    logger.log_metrics({"nan": math.nan, "inf": math.inf, "count": 2**60, "epoch": 1.5}, step=0)
    logger.finalize("success")
    run = al.read(tmp_path / "run")
    assert math.isnan(run.series("nan").value[0])
    assert (run.series("inf").value[0], run.series("count").value[0]) == (math.inf, 2**60)
    assert run.series("epoch").value[0] == 1.5


def test_pytorch_lightning_is_served_by_its_own_class(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = pytest.importorskip("pytorch_lightning")
        from asynclog.integrations.pytorch_lightning import AsynclogLogger
    logger = AsynclogLogger(tmp_path / "run")
    assert isinstance(logger, package.loggers.Logger)
    module = module_of(package)
    trainer_of(package, logger, max_epochs=1).fit(module, loader())
    assert points(al.read(tmp_path / "run"), "train_loss_step") == module.said


def test_nothing_of_lightning_is_loaded_by_asynclog_itself() -> None:
    import subprocess

    code = "import sys, asynclog.integrations.trainer_logger; print(sorted({'lightning', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

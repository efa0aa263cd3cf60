"""A real training by Composer's Trainer, recorded by AsynclogLogger, and Composer's own destinations as sinks.

Composer asks for a torch older than the one that everything else here is tested with, so this is skipped where it isn't
installed; ``tests/unit/integrations/test_composer*.py`` hold the same classes to Composer's signatures without it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import asynclog as al
from tests.unit.integrations.composer_training import Notes

composer = pytest.importorskip("composer")
pytestmark = pytest.mark.filterwarnings("ignore")

from composer.loggers import FileLogger, InMemoryLogger, LoggerDestination  # noqa: E402
from composer.models import ComposerClassifier  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from asynclog.integrations.composer import AsynclogLogger, DestinationSink  # noqa: E402


def trainer(*loggers: Any, max_duration: str = "2ep", run_name: str = "digits", callbacks: Any = None) -> Any:
    torch.manual_seed(0)
    inputs = torch.randn(32, 4)
    data = DataLoader(TensorDataset(inputs, (inputs[:, 0] > 0).long()), batch_size=8)
    model = ComposerClassifier(torch.nn.Linear(4, 2), num_classes=2)
    return composer.Trainer(
        model=model,
        train_dataloader=data,
        eval_dataloader=data,
        max_duration=max_duration,
        optimizers=torch.optim.SGD(model.parameters(), 0.1),
        loggers=list(loggers),
        callbacks=callbacks,
        run_name=run_name,
        device="cpu",
        progress_bar=False,
    )


def test_a_training_is_recorded_as_composer_says_it(tmp_path: Path) -> None:
    """Beside Composer's own memory: the same values at the same batches; events reach a sink; the run is finished."""
    theirs, notes = InMemoryLogger(), Notes()
    ours = AsynclogLogger(str(tmp_path / "{run_name}"), sinks=[al.Route(notes, place="thread")])
    one = trainer(theirs, ours)
    one.fit()
    one.close()
    run = al.read(tmp_path / "digits")
    assert run.status == "finished"
    for metric, points in theirs.data.items():
        if not isinstance(points[0][1], float | int | torch.Tensor):
            continue
        found = run.series(metric)
        assert found.value.tolist() == [float(value) for _, value in points], metric
        assert found.step.tolist() == [stamp.batch.value for stamp, _ in points], metric
    assert run.series("metrics/eval/MulticlassAccuracy").phase == "valid"
    assert "composer_version" in run.config
    assert notes.names[0] == "init"
    assert notes.names.count("batch_end") == 8
    assert [name for name in notes.names if name.startswith("epoch_")] == [
        "epoch_start", "epoch_end", "epoch_checkpoint",
    ] * 2  # fmt: skip
    assert notes.names[-1] == "fit_end"


class Diverged(Exception):
    pass


class Diverging(composer.Callback):
    def batch_end(self, state: Any, logger: Any) -> None:
        if int(state.timestamp.batch) == 3:
            raise Diverged("the loss is NaN")


def test_a_training_that_fails_is_a_run_that_failed(tmp_path: Path) -> None:
    one = trainer(AsynclogLogger(tmp_path / "run"), callbacks=[Diverging()])
    with pytest.raises(Diverged):
        one.fit()
    one.close()
    assert al.read(tmp_path / "run").status == "failed"


class Seen(LoggerDestination):
    """What a destination of somebody's does: some of the methods, some of the events."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.said.append((step, metrics))

    def epoch_end(self, state: Any, logger: Any) -> None:
        self.said.append(("epoch_end", int(state.timestamp.epoch)))


def test_composers_own_destinations_are_sinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """InMemoryLogger's time series, FileLogger's lines, which are LogFile's, and one of somebody's."""
    monkeypatch.chdir(tmp_path)
    memory, seen = InMemoryLogger(), Seen()
    file = FileLogger("theirs.txt", capture_stdout=False, capture_stderr=False)
    sinks = [
        DestinationSink(memory),
        al.Route(DestinationSink(seen), name="seen"),
        al.Route(DestinationSink(file), name="file"),
        al.sinks.LogFile("ours.txt"),
    ]
    with al.MultiLogger(tmp_path / "run", sinks=sinks) as log:
        log.log_config({"lr": 0.1, "layers": [64, 64]})
        log.write_blocking(al.State(0, level="fit"))
        for step in range(4):
            log.log({"loss": 0.5 * step, "seen": 8 * step, "note": "fine"})
            log.log_table("examples", {"said": "yes/no", "count": step})
            log.log_record("norms", "", logger="trace", fields={"trace": {"grad": 1.5}})
            log.write_blocking(al.State(step, epoch=step // 2, axes={"sample": 8 * step}))
            log.hook_blocking("batch_end", step)
        log.hook_blocking("epoch_end", al.State(3, epoch=1, level="epoch"))
    series = memory.get_timeseries("loss")
    assert np.array_equal(series["loss"], [0.0, 0.5, 1.0, 1.5])
    assert np.array_equal(series["batch"], range(4))
    assert np.array_equal(series["sample"], range(0, 32, 8))
    assert memory.hyperparameters == {"lr": 0.1, "layers": [64, 64]}
    assert seen.said[0] == (0, {"loss": 0.0, "seen": 0, "note": "fine"})
    assert seen.said[-1] == ("epoch_end", 1)
    theirs, ours = Path("theirs.txt").read_text(), (tmp_path / "run" / "ours.txt").read_text()
    assert sorted(theirs.splitlines()) == sorted(ours.splitlines())
    assert theirs.count("\n") == 2 + 4 * 5


def test_the_recorded_signatures_are_composers() -> None:
    from tests.unit.integrations.test_composer import SIGNATURES, signature

    for name, recorded in SIGNATURES.items():
        assert signature(getattr(LoggerDestination, name)) == recorded, name

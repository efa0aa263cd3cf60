"""A loop with Accelerate trains for a moment, and the run holds what it logged."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al

pytestmark = [pytest.mark.filterwarnings("ignore:::accelerate"), pytest.mark.filterwarnings("ignore:::torch")]


@pytest.fixture(scope="module")
def accelerate() -> Any:
    """Imported by the process that runs these tests, and by no other that collects them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("accelerate")


@pytest.fixture
def tracker_class(accelerate: Any) -> Iterator[Any]:
    from accelerate.state import AcceleratorState, GradientState
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    from asynclog.integrations.accelerate import AsynclogTracker

    yield AsynclogTracker
    LOGGER_TYPE_TO_CLASS.pop("asynclog", None)
    # Accelerate keeps these for the process.
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def trained(accelerator: Any, epochs: int = 2) -> list[float]:
    """The losses of a small training, logged as they come."""
    import torch

    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(16, 2)), batch_size=4)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    losses = []
    for epoch in range(epochs):
        for (batch,) in loader:
            loss = (model(batch) - 1).pow(2).mean()
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            accelerator.log({"loss": loss.item()}, step=len(losses))
            losses.append(loss.item())
        accelerator.log({"val_loss": losses[-1]}, step=len(losses), log_kwargs={"asynclog": {"epoch": epoch}})
    return losses


def points(run: al.Run, key: str, phase: str | None = None) -> list[tuple[int, float]]:
    series = run.series(key, phase=phase)
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


def test_what_a_loop_logs_is_what_the_run_holds(accelerate: Any, tracker_class: Any, tmp_path: Path) -> None:
    accelerator = accelerate.Accelerator(log_with=tracker_class(tmp_path / "run"), cpu=True)
    accelerator.init_trackers("digits", config={"lr": 0.1, "seed": 0})
    losses = trained(accelerator)
    assert accelerator.get_tracker("asynclog", unwrap=True) is accelerator.trackers[0].tracker
    accelerator.end_training()

    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert run.missing == 0
    assert points(run, "loss", "train") == list(enumerate(losses))
    assert points(run, "val_loss", "valid") == [(4, losses[3]), (8, losses[7])]
    assert [one.epoch for one in run.events(key="val_loss")] == [0, 1]
    assert run.config == {"lr": 0.1, "seed": 0}


def test_a_registered_class_is_asked_for_by_name(accelerate: Any, tracker_class: Any, tmp_path: Path) -> None:
    tracking = pytest.importorskip("accelerate.tracking")
    if not hasattr(tracking, "register_tracker_class"):
        pytest.skip("of a later release of Accelerate")
    tracking.register_tracker_class(tracker_class)
    accelerator = accelerate.Accelerator(log_with="asynclog", project_dir=tmp_path, cpu=True)
    accelerator.init_trackers("digits", init_kwargs={"asynclog": {"sinks": [al.sinks.JSONLines(tmp_path / "metrics.jsonl")]}})
    losses = trained(accelerator, 1)
    accelerator.end_training()
    assert points(al.read(tmp_path / "digits"), "loss") == list(enumerate(losses))
    assert (tmp_path / "metrics.jsonl").read_text().count('"loss"') == 4


def test_pictures_tables_texts_and_groups(accelerate: Any, tracker_class: Any, tmp_path: Path) -> None:
    accelerator = accelerate.Accelerator(log_with=tracker_class(tmp_path / "run"), cpu=True)
    accelerator.init_trackers("any")
    tracker = accelerator.get_tracker("asynclog")
    accelerator.log({"losses": {"kl": 1.0, "ce": {"a": 2.0}}, "note": "all is well"})
    accelerator.log({"score": 3.0}, log_kwargs={"asynclog": {"phase": "test"}})
    tracker.log_images({"eval/samples": np.zeros((3, 4, 4, 3), np.uint8)}, step=7)
    tracker.log_table("confusion", columns=["seen", "said"], data=[["a", "b"]], step=8)
    tracker.tracker.log_string("own", "pending")
    accelerator.log({"loss": 0.5})
    accelerator.end_training()

    run = al.read(tmp_path / "run")
    found = {one.key: (one.step, one.phase) for one in run.events()}
    assert found == {
        "losses/kl": (0, "train"),
        "losses/ce/a": (0, "train"),
        "note": (0, "train"),
        "score": (1, "test"),
        "eval/samples": (7, "valid"),
        "confusion": (8, "train"),
        "own": (9, "train"),
        "loss": (9, "train"),
    }
    (samples,) = run.events(kind="image")
    assert len(samples.value.data) == 3
    (table,) = run.events(kind="table")
    assert table.value.canonical() == [("a", "b")]


def test_an_exception_under_with_is_how_the_run_ends(accelerate: Any, tracker_class: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the loss has gone"), tracker_class(tmp_path / "run") as tracker:  # noqa: PT012
        accelerator = accelerate.Accelerator(log_with=tracker, cpu=True)
        accelerator.init_trackers("any")
        accelerator.log({"loss": 1.0}, step=0)
        raise ValueError("the loss has gone")
    (writer,) = al.read(tmp_path / "run").writers
    assert (writer.status, writer.error) == ("failed", "ValueError: the loss has gone")


def test_a_loop_that_goes_on_goes_on_with_its_run(accelerate: Any, tracker_class: Any, tmp_path: Path) -> None:
    for first in (0, 10):
        accelerator = accelerate.Accelerator(log_with=tracker_class(tmp_path / "run"), cpu=True)
        accelerator.init_trackers("any")
        accelerator.log({"loss": 1.0}, step=first)
        accelerator.log({"loss": 2.0})
        accelerator.end_training()
    run = al.read(tmp_path / "run")
    assert points(run, "loss") == [(0, 1.0), (1, 2.0), (10, 1.0), (11, 2.0)]
    assert len(run.writers) == 2


def test_other_processes_are_silent_or_writers_of_their_own(accelerate: Any, tracker_class: Any, tmp_path: Path) -> None:
    """As the process of rank 1 sees it."""
    main, every = tracker_class(tmp_path / "main"), tracker_class(tmp_path / "every", ranks="all")
    state = accelerate.state.PartialState(cpu=True)
    state.process_index, state.num_processes = 1, 2
    state.distributed_type = accelerate.DistributedType.MULTI_CPU
    for tracker in (main, every):
        tracker.start()
        tracker.store_init_configuration({"lr": 1.0})
        tracker.log({"loss": 0.5}, step=3)
        tracker.log_images({"picture": np.zeros((1, 4, 4), np.uint8)})
        tracker.log_table("table", data=[{"a": 1}])
        tracker.finish()
    assert not (tmp_path / "main").exists()
    run = al.read(tmp_path / "every")
    assert [one.writer for one in run.writers] == ["rank1"]
    assert points(run, "loss") == [(3, 0.5)]

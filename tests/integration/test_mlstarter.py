"""What ml-starter's users have: its documentation's example, its loggers ported, and the shapes that its tests expect.

Its rules of scaling and its bugs are looked at one by one in tests/unit/logger/test_ml_starter.py.
"""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import asynclog as al
from asynclog.integrations.mlstarter import BaseLogger, BaseLoggerConfig, Ported, State

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "mlstarter"
pytestmark = pytest.mark.blocking


# -- shapes ------------------------------------------------------------------------------------------------------------


def shapes(run: Path, log_it: Callable[[al.MultiLogger], None]) -> dict[str, tuple[int, ...]] | None:
    """The canonical shape of each kind that was logged; None if it was refused."""
    with al.MultiLogger(run, recorder="thread") as log:
        log_it(log)
        log.write_nowait(0)
    events = list(al.read(run).events())
    if any(event.key == "invalid" for event in events):
        return None
    return {event.kind: event.value.canonical().shape for event in events}


def random(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(*shape)


@pytest.mark.parametrize(
    ("method", "shape", "expected"),
    [
        ("log_image", (100, 100), (1, 100, 100)),
        ("log_image", (2, 100, 100), None),
        ("log_image", (3, 100, 100), (3, 100, 100)),
        ("log_images", (100, 100), None),
        ("log_images", (1, 100, 100), (1, 100, 100)),
        ("log_images", (2, 100, 75), (1, 100, 150)),
        ("log_images", (1, 3, 100, 100), (3, 100, 100)),
        ("log_video", (5, 100, 100), (5, 1, 100, 100)),
        ("log_video", (2, 100, 100, 100), None),
        ("log_video", (5, 3, 100, 100), (5, 3, 100, 100)),
        ("log_videos", (5, 100, 100), None),
        ("log_videos", (5, 1, 100, 20), (1, 1, 100, 100)),
        ("log_videos", (5, 3, 100, 20), (3, 1, 100, 100)),
        ("log_videos", (5, 4, 3, 100, 20), (4, 3, 100, 100)),
        ("log_audio", (2, 100), (2, 100)),
        ("log_audio", (100,), (1, 100)),
        ("log_audio", (2, 2, 100), None),
        ("log_audios", (2, 100), (1, 200)),
        ("log_audios", (2, 2, 100), (2, 200)),
        ("log_spectrogram", (2, 1024), (513, 5)),
        ("log_spectrogram", (2, 4096), (513, 17)),
        ("log_spectrograms", (2, 1, 1024), (513, 10)),
        ("log_spectrograms", (2, 3, 3, 1024), None),
    ],
)
def test_a_shape_is_shown_in_its_canonical_form_or_refused(
    tmp_path: Path, method: str, shape: tuple[int, ...], expected: tuple[int, ...] | None
) -> None:
    kept = {"keep_resolution": True} if method.startswith("log_image") else {}
    found = shapes(tmp_path / "run", lambda log: getattr(log, method)("x", random(shape), **kept))
    assert (None if found is None else next(iter(found.values()))) == expected


@pytest.mark.parametrize(
    ("method", "shape", "width"),
    [
        ("log_labeled_image", (100, 100), 100),
        ("log_labeled_image", (5, 100, 100), None),
        ("log_labeled_images", (1, 100, 100), 100),
        ("log_labeled_images", (5, 100, 20), 100),
    ],
)
def test_labels_stand_below_images_as_one_array_and_a_list(
    tmp_path: Path, method: str, shape: tuple[int, ...], width: int | None
) -> None:
    label: Any = "Test" if method == "log_labeled_image" else ["Test"] * shape[0]
    found = shapes(tmp_path / "run", lambda log: getattr(log, method)("x", (random(shape), label), keep_resolution=True))
    if width is None:
        assert found is None
        return
    assert found is not None
    channels, height, wide = found["image"]
    assert channels in (1, 3)
    assert (wide, height > 100) == (width, True)


def test_as_many_labels_as_images_are_asked_for(tmp_path: Path) -> None:
    with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        log.log_labeled_images("x", (random((3, 9, 9)), ["one", "two"]))
        log.write_nowait(0)
    (event,) = al.read(tmp_path / "run").events()
    assert event.value == "image 'x': expected a label for each of 3 images, got 2 labels"


def test_a_point_cloud_of_batches_draws_at_most_a_thousand(tmp_path: Path) -> None:
    with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        log.log_point_cloud("x", random((4, 500, 3)))
        log.write_nowait(0)
    (event,) = al.read(tmp_path / "run").events()
    assert event.value.canonical().xyz.shape == (1000, 3)


# -- loggers of one's own ----------------------------------------------------------------------------------------------


class Kept(BaseLogger):
    """Keeps what it was given, as its own loggers do until write."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.values: dict[str, Any] = {}
        self.written: list[tuple[str, int, dict[str, Any]]] = []
        self.configs: list[Any] = []

    def log_scalar(self, key: str, value: Callable[[], Any], state: State, namespace: str) -> None:
        self.values[f"{namespace}/{key}"] = value()

    log_string = log_image = log_audio = log_video = log_histogram = log_point_cloud = log_scalar

    def log_config(self, config: Any, metrics: Any) -> None:  # type: ignore[override]
        self.configs.append((config, metrics))

    def write(self, state: State) -> None:
        self.written.append((state.phase, state.num_steps, dict(self.values)))

    def clear(self, state: State) -> None:
        self.values.clear()


class AsTensors(Kept):
    tensors = True


def recorded(run: Path, logger: BaseLogger, body: Callable[[al.MultiLogger], None], **options: Any) -> None:
    sinks = [al.Route(Ported(logger), place="caller")]
    with al.MultiLogger(run, sinks=sinks, recorder="thread", **options) as log:
        body(log)


def test_a_ported_logger_gets_canonical_forms_by_calling(tmp_path: Path) -> None:
    logger = Kept()

    def body(log: al.MultiLogger) -> None:
        log.log_scalar("number", 0.5, namespace="a")
        log.log_string("text", "words")
        log.log_image("image", random((20, 25, 3)), keep_resolution=True)
        log.log_labeled_image("labelled", (random((260, 240)), "Test"))
        log.log_audio("audio", random((100, 2)), sample_rate=8000)
        log.log_spectrogram("spectrogram", random((2, 1024)))
        log.log_video("video", random((5, 8, 10, 3)))
        log.log_histogram("histogram", random((3, 3)))
        log.log_point_cloud("points", random((2, 7, 3)))
        log.write_nowait(al.State(3, "valid"))

    recorded(tmp_path / "run", logger, body, config={"lr": 0.1})
    ((phase, step, values),) = logger.written
    assert (phase, step) == ("valid", 3)
    assert values["a/number"] == 0.5
    assert values["/text"] == "words"
    assert (values["/image"].shape, values["/image"].dtype) == ((3, 20, 25), np.uint8)
    assert values["/labelled"].shape[2] == 240
    samples, rate = values["/audio"]
    assert (samples.shape, rate) == ((2, 100), 8000)
    assert values["/spectrogram"].shape == (1, 513, 5)
    assert values["/video"].shape == (5, 3, 8, 10)
    assert values["/histogram"].count == 9
    assert values["/points"].shape == (1, 14, 3)
    assert logger.configs == [({"lr": 0.1}, {})]


def test_a_ported_logger_may_have_tensors(tmp_path: Path) -> None:
    logger = AsTensors()

    def body(log: al.MultiLogger) -> None:
        log.log_image("image", np.zeros((9, 9)), keep_resolution=True)
        log.log_audio("audio", np.zeros(9, np.float32))
        log.write_nowait(0)

    recorded(tmp_path / "run", logger, body)
    values = logger.written[0][2]
    assert isinstance(values["/image"], torch.Tensor)
    assert isinstance(values["/audio"][0], torch.Tensor)


def test_several_components_share_a_logger_and_are_written_together(tmp_path: Path) -> None:
    """Model, task and trainer had a MultiLogger each, over the same loggers."""
    logger = Kept()

    def body(log: al.MultiLogger) -> None:
        model, task = log.child("model"), log.child("task")
        for step in range(2):
            model.log_scalar("norm", step)
            task.log_scalar("loss", 10 + step)
            with log.namespace("trainer"):
                log.log_scalar("lr", 0.5)
                log.log_scalar("decay", 0.25, namespace="deeper")
            log.write_nowait(al.State(step))

    recorded(tmp_path / "run", logger, body)
    both = {"trainer/lr": 0.5, "trainer/deeper/decay": 0.25}
    assert [values for _, _, values in logger.written] == [
        {**both, "model/norm": 0, "task/loss": 10},
        {**both, "model/norm": 1, "task/loss": 11},
    ]


class Slower(Kept):
    """As its TensorBoard logger."""

    def default_write_every_n_seconds(self, state: State) -> float:
        return 10.0 if state.num_steps > 5000 else 1.0


TIMES = [(0, "train", 0.0), (1, "train", 0.75), (2, "valid", 0.75), (3, "train", 1.0), (4, "valid", 1.5), (5, "valid", 1.75)]
LATER = [(6000, "train", 3.0), (6001, "train", 11.0), (6002, "train", 13.0)]


@pytest.mark.parametrize(
    ("config", "times", "due"),
    [
        (None, TIMES, [0, 2, 3, 5]),
        (None, [*TIMES, *LATER], [0, 2, 3, 5, 6001]),
        (BaseLoggerConfig(write_every_n_seconds=0.75), TIMES, [0, 1, 2, 4]),
        (BaseLoggerConfig(write_train_every_n_seconds=5.0), TIMES, [0, 2, 5]),
        ({"write_every_n_seconds": 5.0, "write_val_every_n_seconds": 0.0}, TIMES, [0, 2, 4, 5]),
    ],
)
def test_should_write_goes_by_phase_then_the_general_interval_then_the_loggers_default(
    tmp_path: Path, config: Any, times: list[tuple[int, Any, float]], due: list[int]
) -> None:
    logger, asked = Slower(config), []

    def body(log: al.MultiLogger) -> None:
        for step, phase, elapsed in times:
            log.log_image("made", lambda: asked.append(1) or np.zeros((4, 4)))  # type: ignore[func-returns-value]
            log.write_nowait(al.State(step, phase, elapsed_s=elapsed))

    recorded(tmp_path / "run", logger, body)
    assert [step for _, step, _ in logger.written] == due
    assert len(asked) == len(due), "a callable is called if a logger is due, and only then"
    assert all("/made" in values for _, _, values in logger.written)


def test_the_intervals_of_a_configuration_are_the_same_rule(tmp_path: Path) -> None:
    memory = al.sinks.Memory()
    config = {"write_every_n_seconds": 0.75, "sinks": [memory], "run": tmp_path / "run", "recorder": "thread"}
    with al.from_config(config) as log:
        for step, phase, elapsed in TIMES:
            log.log_scalar("x", step)
            log.write_nowait(al.State(step, phase, elapsed_s=elapsed))  # type: ignore[arg-type]
    assert [event.step for event in memory.events] == [0, 1, 2, 4]


def test_a_state_by_its_names() -> None:
    state = State.of(al.State(7, "valid", 2, elapsed_s=3.5, axes={"samples": 64}), 0.0)
    assert (state.num_steps, state.phase, state.num_epochs, state.elapsed_time_s, state.num_samples) == (7, "valid", 2, 3.5, 64)
    assert not state.training


def test_what_is_no_base_logger_is_refused() -> None:
    with pytest.raises(al.InvalidConfiguration, match="expected a BaseLogger"):
        Ported(Kept)  # type: ignore[arg-type]


# -- the example -------------------------------------------------------------------------------------------------------


def test_the_example_of_its_documentation(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = tmp_path / "run"
    command, environment = [sys.executable, str(EXAMPLE / "run.py"), str(run)], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=55)
    assert done.returncode == 0, done.stderr
    found = al.read(run)
    assert found.status == "finished"
    assert {event.kind for event in found.events()} == {
        "scalar", "string", "image", "audio", "spectrogram", "video", "histogram", "point_cloud", "config",
    }  # fmt: skip
    assert {event.namespace for event in found.events() if event.kind != "config"} == {"model", "task", "trainer"}
    assert len(found.series("loss", namespace="task")) == 60
    assert found.series("loss", namespace="task").value[-1] < 0.1
    # The ported logger was due every half second of the loop's clock: every fifth step.
    rows = list(csv.reader((run / "sinks" / "table" / "table.csv").read_text().splitlines()))
    assert sorted({int(step) for phase, step, *_ in rows if phase == "train"}) == list(range(0, 60, 5))
    assert {name for *_, name, _ in rows} == {"model/gradient", "task/accuracy", "task/loss", "trainer/learning_rate"}
    seen = json.loads((run / "sinks" / "table" / "shapes.json").read_text())
    assert seen["task/points"] == [1, 50, 3]
    assert seen["task/film"] == [8, 1, 40, 40]
    assert json.loads((run / "sinks" / "table" / "settings.json").read_text())["batch_size"] == 64
    assert {path.name for path in (run / "tensorboard").iterdir()} >= {"train", "valid"}
    assert "train step 0" in done.stderr

"""What a Composer destination is told is what is read back; its methods are Composer's, by name and signature."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration
from asynclog.integrations.composer import DestinationSink, LogLevel, Recording
from asynclog.integrations.composer.hosting import StandIn, Timestamp
from asynclog.integrations.composer.levels import level_of, phase_of_event
from asynclog.integrations.composer.pictures import pictures
from tests.unit.integrations.composer_training import Notes, fit

SIGNATURES = {
    "log_hyperparameters": "(self, hyperparameters)",
    "log_table": "(self, columns, rows, name='Table', step=None)",
    "log_metrics": "(self, metrics, step=None)",
    "log_traces": "(self, traces)",
    "log_images": (
        "(self, images, name='Images', channels_last=False, step=None, masks=None, mask_class_labels=None, use_table=True)"
    ),
    "upload_file": "(self, state, remote_file_name, file_path, *, overwrite)",
    "download_file": "(self, remote_file_name, destination, overwrite=False, progress_bar=True)",
    "can_upload_files": "(self)",
    "run_event": "(self, event, state, logger)",
    "close": "(self, state, logger)",
    "post_close": "(self)",
}
"""Of LoggerDestination in Composer 0.32.1, without types. ``tests/integration/test_composer.py`` asks Composer, where it is."""


def signature(method: Any) -> str:
    """Names, kinds and defaults of a method's parameters, without their types."""
    plain = [one.replace(annotation=inspect.Parameter.empty) for one in inspect.signature(method).parameters.values()]
    return str(inspect.Signature(plain))


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_method_of_a_destination_is_here_as_composer_calls_it(name: str) -> None:
    assert signature(getattr(Recording, name)) == SIGNATURES[name]


# -- a destination of Composer's that records ---------------------------------------------------------------------------


def test_a_training_is_read_back_as_it_was_told(tmp_path: Path) -> None:
    """Settings that come before the run has its name, metrics at their batch, phases by name, samples as an axis, events."""
    notes = Notes()
    recording = Recording(str(tmp_path / "{run_name}"), sinks=[al.Route(notes, place="thread")])
    state = fit(recording)
    recording.close(state, None)
    recording.post_close()
    run = al.read(tmp_path / "digits")
    assert run.status == "finished"
    assert run.config == {"composer_version": "0.32.1"}
    loss = run.series("loss/train/total")
    assert loss.step.tolist() == list(range(6))
    assert loss.value.tolist() == [1 / (step + 1) for step in range(6)]
    accuracy = run.series("metrics/eval/Accuracy")
    assert (accuracy.phase, accuracy.step.tolist()) == ("valid", [3, 6])
    first = next(event for event in run.events() if event.key == "loss/train/total")
    assert first.axes == {"sample": 8.0, "token": 0.0}
    assert notes.names == [
        "init", "fit_start",
        *(["epoch_start", *["batch_start", "batch_end"] * 3, "eval_start", "eval_end", "epoch_end"] * 2),
        "fit_end",
    ]  # fmt: skip


def test_a_fit_that_did_not_end_is_a_run_that_failed(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "run")
    with pytest.raises(FloatingPointError):
        fit(recording, fails_at=4)
    recording.post_close()
    run = al.read(tmp_path / "run")
    assert (run.status, len(run.series("loss/train/total"))) == ("failed", 4)


def test_a_run_that_is_lent_stays_open(tmp_path: Path) -> None:
    with al.MultiLogger(tmp_path / "run") as log:
        recording = Recording(log)
        fit(recording)
        recording.post_close()
        log.log_scalar("afterwards", 1.0)
        log.write_blocking(7)
    assert al.read(tmp_path / "run").series("afterwards").step.tolist() == [7]


def test_tables_traces_tensors_and_text_are_kept_as_such(tmp_path: Path) -> None:
    with Recording(tmp_path / "run") as recording:
        recording.log_table(["said", "count"], [["yes", 1], ["no", 2]], "examples", 3)
        recording.log_traces({"norms": {"grad": 1.5}})
        recording.log_metrics({"weights": np.arange(3.0), "note": "fine", "loss": np.float32(0.5)}, 4)
    run = al.read(tmp_path / "run")
    assert [*run.table("examples").rows(0, 2)] == [("yes", 1), ("no", 2)]
    found = {event.key: event for event in run.events()}
    assert found["norms"].value.fields == {"trace": {"grad": 1.5}}
    assert found["weights"].value.data.tolist() == [0.0, 1.0, 2.0]
    assert (found["note"].value, found["note"].step, found["loss"].value) == ("fine", 4, 0.5)


def test_images_keep_their_masks_and_what_these_mean(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    mask = np.arange(2 * 64).reshape(2, 8, 8) % 3
    with Recording(tmp_path / "run") as recording:
        recording.log_images(picture, "seen", True, 5, {"predicted": mask}, {1: "left", 2: "right"})
        recording.log_images([one.transpose(2, 0, 1) for one in picture], "plain", step=6)
    run = al.read(tmp_path / "run")
    seen = [event.value for event in run.events(kind="image") if event.key == "seen"]
    assert [one.data.tolist() for one in seen] == picture.tolist()
    assert [one.masks["predicted"].tolist() for one in seen] == mask.tolist()
    assert seen[0].legend()[0][1] == "left"
    (plain,) = [event.value for event in run.events(kind="image") if event.key == "plain"]
    assert plain.batch
    assert len(plain.data) == 2


def test_files_are_uploaded_as_they_are_at_the_call_and_come_down_again(tmp_path: Path) -> None:
    """The training may write on at once; without overwrite=True the name keeps what it has."""
    state, file = StandIn("digits", Timestamp()), tmp_path / "ep0.pt"
    with Recording(tmp_path / "run") as recording:
        assert recording.can_upload_files()
        for content, overwrite in (("one", False), ("two", False), ("three", True)):
            file.write_text(content)
            recording.upload_file(state, "checkpoints/latest.pt", file, overwrite=overwrite)
            file.write_text("torn")
            recording.download_file("checkpoints/latest.pt", str(tmp_path / "down.pt"), overwrite=True)
            assert (tmp_path / "down.pt").read_text() == ("three" if overwrite else "one")
        recording.log_symlink_artifact(state, LogLevel.FIT, "checkpoints/latest.pt", "best.pt", overwrite=True)
        recording.get_file_artifact("best.pt", str(tmp_path / "best" / "best.pt"), False, False)
        assert (tmp_path / "best" / "best.pt").read_text() == "three"
        with pytest.raises(FileExistsError):
            recording.download_file("best.pt", str(tmp_path / "down.pt"))
        with pytest.raises(FileNotFoundError):
            recording.download_file("worst.pt", str(tmp_path / "none.pt"))


@pytest.mark.parametrize(
    ("images", "last", "expected"),
    [
        (np.zeros((4, 5)), False, [(False, (4, 5), "HW")]),
        (np.zeros((3, 4, 5)), False, [(False, (3, 4, 5), "CHW")]),
        (np.zeros((4, 5, 3)), True, [(False, (4, 5, 3), "HWC")]),
        ([np.zeros((4, 5)), np.zeros((3, 4, 5))], False, [(False, (4, 5), "HW"), (False, (3, 4, 5), "CHW")]),
    ],
)
def test_images_come_in_any_of_composers_forms(images: Any, last: bool, expected: list[Any]) -> None:
    found = pictures(images, last, {}, {})
    assert [(several, one.shape, given["layout"]) for several, one, given in found] == expected


def test_destinations_of_0_8_record_at_their_level(tmp_path: Path) -> None:
    state = StandIn("digits", Timestamp(epoch=1, batch=7))
    with Recording(tmp_path / "run") as recording:
        for level in LogLevel:
            recording.log_data(state, level, {level.name: 0.5})
    found = {event.key: (event.level, event.step, event.epoch) for event in al.read(tmp_path / "run").events()}
    assert found == {"FIT": ("fit", 7, 1), "EPOCH": ("epoch", 7, 1), "BATCH": ("batch", 7, 1)}


def test_only_rank_zero_records_unless_all_shall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    silent = Recording(tmp_path / "zero")
    fit(silent)
    silent.post_close()
    assert not (tmp_path / "zero").exists()
    every = Recording(tmp_path / "all", ranks="all")
    fit(every)
    every.post_close()
    assert [one.writer for one in al.read(tmp_path / "all").writers] == ["rank1"]
    with pytest.raises(InvalidConfiguration, match="ranks: expected 'zero' or 'all'"):
        Recording(tmp_path / "run", ranks="some")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "level", "phase"),
    [
        ("init", "fit", "train"),
        ("fit_end", "fit", "train"),
        ("epoch_start", "epoch", "train"),
        ("batch_end", "batch", "train"),
        ("after_loss", "batch", "train"),
        ("eval_end", "epoch", "valid"),
        ("eval_batch_end", "batch", "valid"),
        ("predict_before_forward", "batch", "test"),
    ],
)
def test_events_have_a_level_and_a_phase(event: str, level: str, phase: str) -> None:
    assert (level_of(event), phase_of_event(event)) == (level, phase)


# -- a destination of somebody's that is a sink -------------------------------------------------------------------------


class Destination:
    """Of Composer's shape: some of its methods, some of its events."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def init(self, state: Any, logger: Any) -> None:
        self.said.append(("init", state.run_name))

    def log_hyperparameters(self, hyperparameters: dict[str, Any]) -> None:
        self.said.append(hyperparameters)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.said.append((step, metrics))

    def log_images(self, images: Any, name: str, channels_last: bool, step: int, masks: Any, labels: Any, table: bool) -> None:
        self.said.append((name, [one.shape for one in images], channels_last, step, list(masks), labels))

    def epoch_end(self, state: Any, logger: Any) -> None:
        self.said.append(("epoch_end", int(state.timestamp.epoch), state.timestamp.batch.value))

    def close(self, state: Any, logger: Any) -> None:
        self.said.append(("close", int(state.timestamp.batch)))

    def post_close(self) -> None:
        self.said.append("post_close")


def test_a_destination_is_told_what_was_recorded(tmp_path: Path) -> None:
    """In order, with its events; what it has no method for is counted as rejected."""
    destination = Destination()
    with al.MultiLogger(tmp_path / "digits", sinks=[DestinationSink(destination)], config={"lr": 0.1}) as log:
        log.write_blocking(al.State(0, level="fit"))
        log.hook_blocking("batch_start", 1)
        log.log({"loss": 0.5, "note": "fine"}, namespace="train")
        log.log_image("seen", np.zeros((8, 6, 3), np.uint8), masks={"m": np.ones((8, 6), int)}, mask_labels={"m": {1: "cat"}})
        log.log_tensor("weights", np.arange(3.0))
        log.write_blocking(1)
        log.hook_blocking("epoch_end", al.State(1, epoch=1, level="epoch"))
    assert destination.said[:2] == [("init", "digits"), {"lr": 0.1}]
    assert sorted(map(repr, destination.said[2:-3])) == sorted(
        map(repr, [(1, {"train/loss": 0.5, "train/note": "fine"}), ("seen", [(8, 6, 3)], True, 1, ["m"], {1: "cat"})])
    )
    assert destination.said[-3:] == [("epoch_end", 1, 1), ("close", 1), "post_close"]
    assert log.statistics()["routes"]["destinationsink"]["rejected"] == 1


def test_a_destination_of_0_8_gets_data_with_its_level(tmp_path: Path) -> None:
    class Old:
        def __init__(self) -> None:
            self.said: list[Any] = []

        def log_data(self, state: Any, log_level: Any, data: dict[str, Any]) -> None:
            self.said.append((log_level.name, int(state.timestamp.batch), data))

    old = Old()
    with al.MultiLogger(tmp_path / "run", sinks=[DestinationSink(old)], config={"lr": 0.1}) as log:
        for step, level in enumerate(("fit", "epoch", "batch")):
            log.log_scalar("x", 0.5)
            log.write_blocking(al.State(step, level=level))
    assert old.said == [
        ("FIT", 0, {"lr": 0.1}), ("FIT", 0, {"x": 0.5}), ("EPOCH", 1, {"x": 0.5}), ("BATCH", 2, {"x": 0.5}),
    ]  # fmt: skip


def test_a_destination_that_can_upload_files_gets_the_run_s(tmp_path: Path) -> None:
    class Shelf:
        def __init__(self) -> None:
            self.files: dict[str, tuple[str, bool]] = {}

        def can_upload_files(self) -> bool:
            return True

        def upload_file(self, state: Any, remote_file_name: str, file_path: Path, *, overwrite: bool) -> None:
            self.files[remote_file_name] = file_path.read_text(), overwrite

    shelf = Shelf()
    (tmp_path / "ep0.pt").write_text("weights")
    with al.MultiLogger(tmp_path / "run", sinks=[DestinationSink(shelf)]) as log:
        log.log_artifact("ep0.pt", tmp_path / "ep0.pt", overwrite=True)
        log.write_blocking(0)
    assert shelf.files == {"ep0.pt": ("weights", True)}


def test_a_state_outside_of_composers_trainer_says_what_it_lacks() -> None:
    with pytest.raises(AttributeError, match=r"'model': a LoggerDestination outside of Composer's trainer"):
        _ = StandIn("digits", Timestamp()).model

"""The facade by itself: what it keeps that W&B drops, from where it is called, media, endings, what it says it doesn't do."""

import asyncio
import os
import subprocess
import sys
import threading
import wave
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import asynclog as al
import asynclog.integrations.wandb as wandb
from asynclog.integrations.wandb import said
from asynclog.integrations.wandb.configuration import ConfigError

MEBIBYTE = 1 << 20


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Runs end with their test, and a word that was said once is said again."""
    said._heard.clear()
    yield
    wandb.teardown()
    wandb.configure()


@pytest.fixture
def run(tmp_path: Path) -> wandb.Run:
    return wandb.init(project="p", dir=tmp_path)


def ended(run: wandb.Run) -> al.Run:
    run.finish()
    return al.read(run.directory)


def steps_of(run: al.Run, key: str) -> list[int]:
    return run.series(key).step.tolist()


# -- steps ------------------------------------------------------------------------------------------------------------


def test_late_repeated_and_decreasing_steps_are_kept(run: wandb.Run) -> None:
    for step in (0, 10, 5, 5, 20, -3, 10):
        wandb.log({"x": float(step)}, step=step)
    found = ended(run).series("x")
    assert found.step.tolist() == [0, 10, 5, 5, 20, -3, 10] == found.value.tolist()


def test_a_late_row_keeps_the_counter_and_the_policy_it_belongs_to(run: wandb.Run) -> None:
    wandb.define_metric("eval/*", step_metric="policy_version")
    for version in range(5):
        wandb.log({"policy_version": version, "loss": 1.0})
    wandb.log({"eval/return": 0.5, "policy_version": 1}, step=1)
    assert run.step == 5
    (event,) = ended(run).events(key="eval/return")
    assert (event.step, event.phase, event.axes) == (1, "valid", {"policy_version": 1.0})


def test_what_is_wrong_is_refused_as_by_wandb(run: wandb.Run) -> None:
    with pytest.raises(TypeError, match="dictionary"):
        wandb.log([1])
    with pytest.raises(TypeError, match="strings"):
        wandb.log({1: 2})
    with pytest.raises(wandb.Error, match="min, max"):
        wandb.define_metric("x", summary="best")
    run.finish()
    with pytest.raises(wandb.UsageError, match="is finished"):
        run.log({"x": 1})
    with pytest.raises(wandb.Error, match=r"wandb\.init\(\) before wandb\.log"):
        wandb.log({"x": 1})
    with pytest.raises(wandb.Error, match=r"before wandb\.config"):
        wandb.config.lr  # noqa: B018


# -- from where it is called ------------------------------------------------------------------------------------------


def test_tasks_of_a_loop_and_threads_log_at_once(run: wandb.Run) -> None:
    def from_a_thread(name: str) -> None:
        for step in range(200):
            run.log({name: float(step)}, step=step)

    async def from_a_task(name: str) -> None:
        for step in range(200):
            run.log({name: float(step)}, step=step)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(from_a_task(f"task{number}") for number in range(5)))

    threads = [threading.Thread(target=from_a_thread, args=(f"thread{number}",)) for number in range(3)]
    for one in threads:
        one.start()
    asyncio.run(main())
    for one in threads:
        one.join()
    found = ended(run)
    for name in [*(f"task{number}" for number in range(5)), *(f"thread{number}" for number in range(3))]:
        assert steps_of(found, name) == list(range(200)), name


def test_a_loop_never_waits_for_memory_and_nothing_is_lost_or_torn(tmp_path: Path) -> None:
    """Five times as much as there is, without a turn of the loop, from one array that is overwritten each time."""
    wandb.configure(slabs=16 * MEBIBYTE)
    run = wandb.init(dir=tmp_path)
    frame = np.empty((1024, 1024, 3), np.uint8)

    async def main() -> bool:
        for step in range(27):
            frame[:] = step
            run.log({"frame": wandb.Image(frame), "x": step}, step=step)
        waited = "0 rows" not in repr(run._outbox)
        while "0 rows" not in repr(run._outbox):
            await asyncio.sleep(0.01)
        return waited

    assert asyncio.run(main())
    found = ended(run)
    shown = {event.step: event.value.data for event in found.events(kind="image")}
    assert sorted(shown) == list(range(27)) == steps_of(found, "x")
    assert all((data == step).all() for step, data in shown.items())


def test_what_waits_for_memory_is_recorded_by_the_end_of_the_run_too(tmp_path: Path) -> None:
    wandb.configure(slabs=16 * MEBIBYTE)
    run = wandb.init(dir=tmp_path)

    async def main() -> None:
        for step in range(20):
            run.log({"frame": wandb.Image(np.full((1024, 1024, 3), step, np.uint8))}, step=step)

    asyncio.run(main())
    assert [event.step for event in ended(run).events(kind="image")] == list(range(20))


# -- settings, summary ------------------------------------------------------------------------------------------------


def test_settings_are_read_and_written_as_with_wandb(tmp_path: Path) -> None:
    run = wandb.init(dir=tmp_path, config=Namespace(lr=0.1, hidden=3), config_exclude_keys=["hidden"])  # type: ignore[arg-type]
    wandb.config.batch = 8
    wandb.config["seed"] = 1
    wandb.config.update({"lr": 0.2}, allow_val_change=True)
    wandb.config.setdefaults({"lr": 9, "decay": 0.0})
    with pytest.raises(ConfigError, match="allow_val_change=True"):
        wandb.config.update({"lr": 0.3})
    assert (wandb.config.lr, wandb.config["seed"], wandb.config.get("none", 7), "decay" in wandb.config) == (0.2, 1, 7, True)
    with pytest.raises(AttributeError, match="but lr, batch"):
        wandb.config.lrr  # noqa: B018
    found = ended(run).config
    assert {key: found[key] for key in found if key != "wandb"} == {"lr": 0.2, "batch": 8, "seed": 1, "decay": 0.0}


def test_what_a_program_puts_into_the_summary_is_recorded_at_once(run: wandb.Run) -> None:
    wandb.run.summary["best"] = np.float32(0.5)
    wandb.summary.update({"name": "run"})
    run.log({"acc": 0.5})
    assert (wandb.summary.acc, wandb.summary["best"], set(wandb.summary.keys())) == (0.5, 0.5, {"acc", "best", "name"})
    put = [event.value.fields for event in ended(run).events(kind="record", key="summary")]
    assert put == [{"best": 0.5}, {"name": "run"}, {"best": 0.5, "name": "run", "acc": 0.5}]


# -- media ------------------------------------------------------------------------------------------------------------


def test_media_and_values_of_every_kind(run: wandb.Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (8, 10, 3), np.uint8)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 4, "NONE", ""))
        file.writeframes(np.arange(4, dtype=np.int16).tobytes())
    (tmp_path / "page.html").write_text("<b>file</b>")
    masks = {"parts": {"mask_data": np.ones((8, 10), np.uint8), "class_labels": {1: "all"}}}
    boxes = {
        "found": {
            "box_data": [{"position": {"minX": 0.1, "maxX": 0.5, "minY": 0, "maxY": 1}, "class_id": 2}],
            "class_labels": {2: "cat"},
        }
    }
    run.log(
        {
            "image": wandb.Image(image, caption="one"),
            "over": wandb.Image(image, masks=masks, boxes=boxes),
            "images": [wandb.Image(image, caption="a"), wandb.Image(image[:4])],
            "audio": wandb.Audio(np.zeros((100, 2), np.float32), sample_rate=8000, caption="silence"),
            "wav": wandb.Audio(str(tmp_path / "a.wav")),
            "video": wandb.Video(np.zeros((3, 3, 4, 4), np.uint8), fps=7),
            "histogram": wandb.Histogram([1.0, 2.0, 2.0]),
            "counted": wandb.Histogram(np_histogram=np.histogram([1.0, 2.0, 2.0, 5.0], bins=[0, 1, 4, 8])),
            "table": wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]]),
            "html": wandb.Html("<b>said</b>"),
            "html file": wandb.Html(str(tmp_path / "page.html")),
            "cloud": wandb.Object3D(rng.normal(size=(5, 6)).astype(np.float32)),
            "classes": wandb.Object3D.from_point_cloud(np.hstack([rng.normal(size=(5, 3)), np.ones((5, 1))]), []),
            "array": np.arange(100.0),
            "few": np.arange(3.0),
            "list": [1, 2, 3],
            "one": np.array([[2.5]]),
            "words": ["a", {"b": 1}],
            "al": al.Tensor(np.arange(2)),
        }
    )
    events = {event.key: event for event in ended(run).events() if event.namespace == ""}
    kinds = {key: event.kind for key, event in events.items() if event.kind != "config"}
    assert kinds == {
        "image": "image",
        "over": "image",
        "images": "image",
        "audio": "audio",
        "audio.caption": "string",
        "wav": "audio",
        "video": "video",
        "histogram": "histogram",
        "counted": "histogram",
        "table": "table",
        "html": "string",
        "html file": "string",
        "cloud": "point_cloud",
        "classes": "point_cloud",
        "array": "histogram",
        "few": "tensor",
        "list": "tensor",
        "one": "scalar",
        "words": "string",
        "al": "tensor",
    }
    value = {key: event.value for key, event in events.items()}
    assert (value["image"].data == image).all()
    assert (value["image"].layout, value["image"].caption) == ("HWC", "one")
    assert value["over"].boxes.tolist() == [[1.0, 0.0, 5.0, 8.0]]
    assert (value["over"].box_labels, value["over"].mask_labels["parts"]) == (["cat"], {1: "all"})
    assert [one.shape for one in value["images"].data] == [(8, 10, 3), (4, 10, 3)]
    assert (value["audio"].sample_rate, value["audio"].layout, value["audio.caption"]) == (8000, "TC", "silence")
    assert (value["wav"].sample_rate, value["wav"].data.tolist()) == (8000, [[0], [1], [2], [3]])
    assert (value["video"].fps, value["histogram"].count) == (7, 3)
    assert (value["counted"].count, int(value["counted"].counts.sum()), value["counted"].high) == (4, 4, 8.0)
    assert value["table"].canonical() == [(1, "x"), (2, "y")]
    assert (value["html"], value["html file"], value["one"]) == ("<b>said</b>", "<b>file</b>", 2.5)
    assert value["cloud"].colors.shape == (5, 3)
    assert value["classes"].labels.tolist() == [1] * 5


def test_a_table_that_grows_is_recorded_by_what_was_added(run: wandb.Run) -> None:
    table = wandb.Table(columns=["step", "said"], log_mode="INCREMENTAL")
    for step in range(3):
        table.add_data(step, f"at {step}")
        run.log({"samples": table})
    whole = wandb.Table(columns=["x", "seen"])
    whole.add_data(1, wandb.Image(np.zeros((4, 4, 3), np.uint8)))
    run.log({"whole": whole})
    found = ended(run)
    assert list(found.table("samples")) == [(0, "at 0"), (1, "at 1"), (2, "at 2")]
    assert list(found.table("whole")) == [(1, "Image of row 0")]
    assert [event.key for event in found.events(kind="image")] == ["whole.seen"]


def test_gradients_and_parameters_of_a_watched_module(run: wandb.Run) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(40, 2)
    run.watch(model, log="all", log_freq=2)
    with pytest.raises(ValueError, match="once per model"):
        run.watch(model)
    expected = []
    for step in range(4):
        model.zero_grad()
        loss = model(torch.full((3, 40), float(step))).sum()
        loss.backward()
        expected.append(model.weight.grad.abs().max().item())
        run.log({"loss": loss}, step=step)
    run.unwatch()
    model(torch.ones(1, 40)).sum().backward()
    run.log({"loss": 0.0})
    found = ended(run)
    gradients = [(event.step, event.value.high) for event in found.events(kind="histogram", key="gradients/weight")]
    assert gradients == [(1, pytest.approx(expected[1])), (3, pytest.approx(expected[3]))]
    assert [event.step for event in found.events(kind="histogram", key="parameters/bias")] == [1, 3]
    assert found.series("loss").step.tolist() == [0, 1, 2, 3, 3]


# -- files ------------------------------------------------------------------------------------------------------------


def test_files_are_kept_from_a_thread_and_from_a_loop(run: wandb.Run, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(name)
    clip = folder / "clip.mp4"
    clip.write_bytes(b"not a video, but kept as it is")
    artifact = wandb.Artifact("weights", type="model", metadata={"epoch": 3})
    artifact.add_dir(str(folder), name="all")
    with artifact.new_file("notes.txt", mode="w") as file:
        file.write("made here")
    assert wandb.save(str(folder / "*.txt"), base_path=folder, policy="now") == ["a.txt", "b.txt"]

    async def main() -> None:
        run.log_artifact(artifact, aliases=["best"])
        await asyncio.to_thread(run.log_model, clip, name="clip")
        run.log({"clip": wandb.Video(str(clip))}, step=5)

    asyncio.run(main())
    found = ended(run)
    logged = {event.key: event for event in found.events(kind="artifact")}
    assert sorted(logged) == [
        *(
            "a.txt",
            "b.txt",
            "clip/clip.mp4",
            "media/clip.mp4",
            "weights/all/a.txt",
            "weights/all/b.txt",
            "weights/all/clip.mp4",
        ),
        "weights/notes.txt",
    ]
    assert logged["media/clip.mp4"].step == 5
    about = {event.value.message: event.value.fields for event in found.events(kind="record", key="artifact")}
    assert about["weights"]["metadata"] == {"epoch": 3}
    assert about["weights"]["aliases"] == ["best"]
    assert about["clip"]["type"] == "model"


# -- beginnings and ends ----------------------------------------------------------------------------------------------


def test_a_run_ends_as_its_body_or_its_exit_code_says(tmp_path: Path) -> None:
    failed = wandb.init(dir=tmp_path)
    error = ZeroDivisionError("division by zero")
    failed.log({"x": 1})
    failed.__exit__(ZeroDivisionError, error, None)
    run = wandb.init(dir=tmp_path)
    wandb.finish(exit_code=2)
    wandb.finish()
    writers = [al.read(one.directory).writers[0] for one in (failed, run)]
    assert [one.status for one in writers] == ["failed", "failed"]
    assert "ZeroDivisionError" in str(writers[0].error)


def test_a_program_that_ends_without_finish_loses_nothing(tmp_path: Path) -> None:
    program = (
        "import sys, asynclog.integrations.wandb as wandb\n"
        "wandb.init(dir=sys.argv[1], id='left')\n"
        "wandb.log({'x': 1.0}, step=3)\nwandb.log({'kept': 2.0}, commit=False)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=True, timeout=50, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )

    async def whole() -> al.Run:
        while (run := await asyncio.to_thread(al.read, tmp_path / "uncategorized" / "left")).status == "running":
            await asyncio.sleep(0.02)
        return run

    run = asyncio.run(whole())
    assert (run.status, steps_of(run, "x"), steps_of(run, "kept")) == ("exited", [3], [3])


def test_a_run_is_gone_on_with(tmp_path: Path) -> None:
    first = wandb.init(dir=tmp_path, id="again", config={"lr": 1})
    first.log({"x": 0.0})
    first.log({"x": 1.0})
    first.finish()
    with pytest.raises(wandb.UsageError, match="resume='never'"):
        wandb.init(dir=tmp_path, id="again", resume="never")
    with pytest.raises(wandb.UsageError, match="there is no run 'other'"):
        wandb.init(dir=tmp_path, id="other", resume="must")
    second = wandb.init(dir=tmp_path, id="again", resume="must")
    assert (second.resumed, second.step, second.starting_step, second.config.lr) == (True, 2, 2, 1)
    second.log({"x": 2.0})
    assert steps_of(ended(second), "x") == [0, 1, 2]


def test_runs_whose_ids_and_names_look_alike_are_kept_apart(tmp_path: Path) -> None:
    """seed-1 is a run of that id, and where one of id 1 that is called seed would lie."""
    first = wandb.init(dir=tmp_path, id="seed-1")
    first.log({"x": 0.0})
    first.finish()
    with pytest.raises(wandb.UsageError, match="is the run 'seed-1'"):
        wandb.init(dir=tmp_path, id="1", name="seed")
    for identity in ("1", "*", "see[d]-1"):
        other = wandb.init(dir=tmp_path, id=identity)
        other.log({"x": 1.0})
        other.finish()
        assert (other.resumed, other.directory.name) == (False, identity)
    assert al.read(first.directory).series("x").value.tolist() == [0.0]


def test_a_named_run_is_found_by_its_id_whatever_it_is_called_now(tmp_path: Path) -> None:
    first = wandb.init(dir=tmp_path, id="a[1]", name="before")
    first.log({"x": 0.0})
    first.finish()
    again = wandb.init(dir=tmp_path, id="a[1]", name="after", resume="must")
    assert (again.resumed, again.directory) == (True, first.directory)


@pytest.mark.parametrize("identity", ["..", ".", "a/b"])
def test_an_id_that_leads_elsewhere_is_refused(tmp_path: Path, identity: str) -> None:
    with pytest.raises(wandb.UsageError, match="id"):
        wandb.init(dir=tmp_path / "runs", id=identity)
    assert not (tmp_path / "runs").exists()


def test_auto_resumes_what_was_not_finished(tmp_path: Path) -> None:
    left = wandb.init(dir=tmp_path, resume="auto")
    left.log({"x": 0.0})
    left.finish(exit_code=1)
    again = wandb.init(dir=tmp_path, resume="auto")
    assert (again.id, again.step) == (left.id, 1)
    again.finish()
    assert wandb.init(dir=tmp_path, resume="auto").id != left.id


def test_init_returns_the_run_that_goes_on_unless_told_otherwise(tmp_path: Path) -> None:
    first = wandb.init(dir=tmp_path)
    assert wandb.init(dir=tmp_path) is first is wandb.run
    beside = wandb.init(dir=tmp_path, reinit="create_new")
    assert beside is not first is wandb.run
    last = wandb.init(dir=tmp_path, reinit="finish_previous")
    assert wandb.run is last
    with pytest.raises(wandb.UsageError):
        first.log({"x": 1})


def test_several_processes_share_a_run_by_its_id_and_labels(tmp_path: Path) -> None:
    runs = [
        wandb.init(dir=tmp_path, id="shared", mode="shared", reinit="create_new", settings=wandb.Settings(x_label=label))
        for label in ("trainer", "evaluator")
    ]
    for number, run in enumerate(runs):
        run.log({f"x{number}": 1.0})
    for run in runs:
        run.finish()
    found = al.read(tmp_path / "uncategorized" / "shared")
    assert sorted(one.writer for one in found.writers) == ["evaluator", "trainer"]
    assert [len(found.series(key)) for key in ("x0", "x1")] == [1, 1]


def test_a_disabled_run_takes_everything_and_keeps_nothing(tmp_path: Path) -> None:
    run = wandb.init(dir=tmp_path, mode="disabled", config={"lr": 1})
    run.log({"x": 1})
    run.define_metric("x", summary="max")
    run.alert("title", "text")
    run.summary["best"] = 1
    assert (run.config.lr, run.disabled) == (1, True)
    run.finish()
    assert list(tmp_path.iterdir()) == []


def test_sinks_are_configured_beside_the_program(tmp_path: Path) -> None:
    wandb.configure(sinks=[al.sinks.JSONLines("metrics.jsonl")])
    run = wandb.init(dir=tmp_path, project="p", name="my run")
    run.log({"x": 1.0})
    run.finish()
    assert run.directory == tmp_path / "p" / f"my_run-{run.id}"
    assert '"x"' in (run.directory / "metrics.jsonl").read_text()


def test_the_environment_says_what_arguments_leave_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WANDB_PROJECT": "env", "WANDB_DIR": str(tmp_path), "WANDB_TAGS": "a,b", "WANDB_NAME": "named"}.items():
        monkeypatch.setenv(name, value)
    run = wandb.init(name="said", settings=wandb.Settings(run_group="g"))
    assert (run.project, run.name, run.tags, run.group) == ("env", "said", ("a", "b"), "g")
    run.notes = "later"
    about = ended(run).config["wandb"]
    assert about == {"id": run.id, "project": "env", "name": "said", "tags": ["a", "b"], "group": "g", "notes": "later"}


def test_what_it_does_not_do_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = wandb.init(dir=tmp_path, save_code=True, sync_tensorboard=True, settings={"silent": True})
    for _ in range(3):
        run.log({"what": object()})
    words = [record.getMessage().split(": ", 1)[1] for record in caplog.records]
    assert words == [
        "init(save_code=…) has no meaning here",
        "init(sync_tensorboard=…) has no meaning here",
        "Settings(silent=…) has no meaning here",
        "log({'what': …}): a object is not recorded",
    ]


def test_an_alert_is_recorded_and_repeats_wait(run: wandb.Run) -> None:
    for _ in range(3):
        wandb.alert("Low accuracy", "it is 0.1", level=wandb.AlertLevel.WARN, wait_duration=3600)
    (event,) = ended(run).events(kind="record", key="alert")
    assert (event.value.message, event.value.level) == ("Low accuracy: it is 0.1", 30)

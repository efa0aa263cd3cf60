"""Files and directories that a run keeps: what is kept, when, under which version, and what is refused without a hang."""

import asyncio
import os
import pickle
import socket
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration, InvalidValue

BRIEF = al.Journal(fsync="close")


def logger(tmp_path: Path, **settings: Any) -> al.MultiLogger:
    return al.MultiLogger(tmp_path / "run", journal=BRIEF, recorder="thread", **settings)


def refused(run: al.Run) -> list[str]:
    return [event.value for event in run.events("string", key="invalid")]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights " * 1000)
    return path


async def test_a_file_is_whole_when_write_returns_and_may_be_deleted(tmp_path: Path, model: Path) -> None:
    content = model.read_bytes()
    async with logger(tmp_path) as log:
        log.log_artifact("best.pt", model, metadata={"loss": 0.5}, namespace="checkpoints")
        log.log_scalar("loss", 0.5)
        await log.write(al.State(7, "valid", epoch=1))
        model.write_bytes(b"others")
        model.unlink()
    run = al.read(tmp_path / "run")
    kept = run.artifact("checkpoints/best.pt")
    assert (kept.version, kept.size_bytes, kept.step, kept.phase) == (0, len(content), 7, "valid")
    assert kept.metadata == {"loss": 0.5}
    assert kept.path.read_bytes() == content
    (event,) = run.events("artifact")
    assert (event.namespace, event.key, event.step, event.value) == ("checkpoints", "best.pt", 7, kept.value)


async def test_the_copy_is_made_when_the_write_is_awaited(tmp_path: Path, model: Path) -> None:
    """As with arrays: what lies there then counts, not what lay there when it was logged."""
    async with logger(tmp_path) as log:
        log.log_artifact("model", model)
        model.write_bytes(b"later")
        await log.write(0)
    assert al.read(tmp_path / "run").artifact("model").path.read_bytes() == b"later"


async def test_a_directory_is_kept_with_all_below_it(tmp_path: Path) -> None:
    source = tmp_path / "checkpoint"
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "weights").write_bytes(b"1234")
    (source / "config.json").write_text("{}")
    (source / "link").symlink_to(source / "config.json")
    async with logger(tmp_path) as log:
        log.log_artifact("checkpoint", source)
        await log.write(0)
    kept = al.read(tmp_path / "run").artifact("checkpoint")
    assert (kept.value.files, kept.size_bytes) == (3, 8)
    copy = kept.download(tmp_path / "back")
    assert {str(one.relative_to(copy)): one.read_bytes() for one in copy.rglob("*") if one.is_file()} == {
        "a/b/weights": b"1234",
        "config.json": b"{}",
        "link": b"{}",
    }
    with pytest.raises(IsADirectoryError, match=r"checkpoint:v0 is a directory"):
        _ = kept.path


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_directory_of_ten_thousand_files_is_one_small_event(tmp_path: Path) -> None:
    source = tmp_path / "many"
    await asyncio.to_thread(_fill, source, 10_000)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    async with logger(tmp_path) as log:
        turning = asyncio.create_task(turn())
        log.log_artifact("many", source)
        before = turns
        await log.write(0)
        assert turns > before, "the loop stood still while files were copied"
        turning.cancel()
    run = al.read(tmp_path / "run")
    assert run.artifact("many").value.files == 10_000
    assert len(run.artifact("many").listing()) == 10_000
    assert run.size_bytes < 20_000


def _fill(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05d}").write_text(str(number))


async def test_what_is_alike_is_kept_once(tmp_path: Path, model: Path) -> None:
    """The same bytes under one name are the same version; under another name, or later again, they take no room."""
    async with logger(tmp_path) as log:
        for name, overwrite in (("a", False), ("a", False), ("a", True), ("b", False)):
            log.log_artifact(name, model, overwrite=overwrite)
            await log.write(0)
    run = al.read(tmp_path / "run")
    assert [(one.name, one.version) for one in run.artifacts()] == [("a", 0), ("b", 0)]
    assert [one.value.label for one in run.events("artifact")] == ["a:v0", "a:v0", "a:v0", "b:v0"]
    assert run.artifact("a").path == run.artifact("b").path


async def test_overwrite_makes_versions_and_its_absence_refuses_them(tmp_path: Path, model: Path) -> None:
    async with logger(tmp_path) as log:
        for step in range(3):
            model.write_text(f"weights of {step}")
            log.log_artifact("model", model, overwrite=True)
            await log.write(step)
        model.write_text("unwanted")
        log.log_artifact("model", model)
        await log.write(3)
        assert log.statistics()["invalid"] == 1
    run = al.read(tmp_path / "run")
    assert [one.path.read_text() for one in run.artifacts()] == [f"weights of {step}" for step in range(3)]
    assert run.artifact("model").version == 2
    assert run.artifact("model", 0).path.read_text() == "weights of 0"
    (told,) = refused(run)
    assert told.startswith("artifact 'model': expected a name that is free, as overwrite=False, got 'model', of which there is")


async def test_a_strict_logger_raises_what_it_refuses(tmp_path: Path, model: Path) -> None:
    async with logger(tmp_path, strict=True) as log:
        log.log_artifact("model", model)
        await log.write(0)
        model.write_text("others")
        log.log_artifact("model", model)
        with pytest.raises(InvalidValue, match="a name that is free"):
            await log.write(1)


async def test_tasks_that_race_for_a_name_get_it_once(tmp_path: Path) -> None:
    """Composer's two uploads of one name: without overwrite= one is kept, the others are refused; with it all are versions."""
    sources = [tmp_path / f"{number}.pt" for number in range(8)]
    for number, one in enumerate(sources):
        one.write_text(f"of {number}")

    async def logged(log: al.MultiLogger, name: str, source: Path, overwrite: bool) -> None:
        async with log.at(1) as entry:
            entry.log_artifact(name, source, overwrite=overwrite)

    async with logger(tmp_path) as log:
        await asyncio.gather(*(logged(log, "guarded", one, False) for one in sources))
        assert log.statistics()["invalid"] == 7
        await asyncio.gather(*(logged(log, "free", one, True) for one in sources))
    run = al.read(tmp_path / "run")
    assert [one.version for one in run.artifacts() if one.name == "guarded"] == [0]
    assert sorted(one.path.read_text() for one in run.artifacts() if one.name == "free") == [f"of {at}" for at in range(8)]
    assert len(refused(run)) == 7


async def test_a_symlink_stands_for_the_newest_version(tmp_path: Path, model: Path) -> None:
    async with logger(tmp_path) as log:
        log.log_artifact("ep1.pt", model, namespace="ckpt")
        log.log_symlink("ep1.pt", "latest", namespace="ckpt")
        await log.write(1)
        model.write_text("newer")
        log.log_artifact("ep1.pt", model, namespace="ckpt", overwrite=True)
        await log.write(2)
        run = await asyncio.to_thread(al.read, tmp_path / "run")
        assert run.artifact("ckpt/latest").path.read_text() == "newer"
        log.log_artifact("ep2.pt", model, namespace="ckpt")
        log.log_symlink("ep2.pt", "latest", namespace="ckpt")
        await log.write(3)
        assert log.statistics()["invalid"] == 1
        log.log_symlink("ep2.pt", "latest", namespace="ckpt", overwrite=True)
        log.log_symlink("ep3.pt", "other", namespace="ckpt")
        log.log_symlink("latest", "latest", namespace="ckpt", overwrite=True)
        await log.write(4)
        assert log.statistics()["invalid"] == 3
    run = al.read(tmp_path / "run")
    assert run.artifact("ckpt/latest").name == "ckpt/ep2.pt"
    assert run.artifact("ckpt/latest", 0).target == "ckpt/ep1.pt"
    assert "expected a target that was logged before, got 'ckpt/ep3.pt'; the nearest is 'ckpt/ep2.pt'" in refused(run)[1]


@pytest.mark.parametrize(
    "name", ["", "..", "../out", "/etc/passwd", "a//b", "a/./b", "a/../../b", "nul\0", "x" * 300, "a/" + "y" * 201, 7, None]
)
async def test_a_name_is_never_a_path_out(tmp_path: Path, model: Path, name: Any) -> None:
    async with logger(tmp_path) as log:
        log.log_artifact(name, model)
        await log.write(0)
        assert log.statistics()["invalid"] == 1
    assert al.read(tmp_path / "run").artifacts() == []


@pytest.mark.parametrize("name", ["a b/λ 🎲", "%2F", "~", "a~b.json", "CON", "k" * 200, "/".join(["d" * 199] * 5), ".h"])
async def test_odd_names_come_back_as_they_were(tmp_path: Path, model: Path, name: str) -> None:
    async with logger(tmp_path) as log:
        log.log_artifact(name, model)
        await log.write(0)
    run = al.read(tmp_path / "run")
    assert [one.name for one in run.artifacts()] == [name]
    assert run.artifact(name).path.read_bytes() == model.read_bytes()


async def test_what_is_no_file_is_refused_and_hangs_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "above").symlink_to(tmp_path / "inside")
    beside = tmp_path / "beside"
    beside.mkdir()
    os.mkfifo(beside / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(tmp_path / "socket"))
        async with logger(tmp_path) as log:
            for name in ("pipe", "loop", "inside", "beside", "socket", "gone"):
                log.log_artifact(name, tmp_path / name)
            log.log_artifact("device", "/dev/zero")
            log.log_artifact("number", 7)  # type: ignore[arg-type]
            await asyncio.wait_for(log.write(0), 40)
            assert log.statistics()["invalid"] == 8
    run = al.read(tmp_path / "run")
    assert run.artifacts() == []
    told = "\n".join(refused(run))
    for words in ("is a pipe", "Too many levels", "leads back up", "is a socket", "No such file", "is a device", "got int 7"):
        assert words in told, words


async def test_the_others_of_a_write_are_recorded_when_one_is_refused(tmp_path: Path, model: Path) -> None:
    async with logger(tmp_path) as log:
        log.log_artifact("gone", tmp_path / "nowhere")
        log.log_artifact("model", model)
        log.log_scalar("loss", 1.0)
        await log.write(0)
    run = al.read(tmp_path / "run")
    assert [one.name for one in run.artifacts()] == ["model"]
    assert run.series("loss").value.tolist() == [1.0]


async def test_a_logger_without_a_directory_says_so_at_once(tmp_path: Path, model: Path) -> None:
    async with al.MultiLogger(sinks=[al.sinks.Memory()]) as log:
        with pytest.raises(InvalidConfiguration, match=r"log_artifact: this logger has no directory .*run=None"):
            log.log_artifact("model", model)
        with pytest.raises(InvalidConfiguration, match="log_symlink"):
            log.log_symlink("model", "latest")


async def test_no_limit_thins_out_artifacts(tmp_path: Path, model: Path) -> None:
    """They are delivered wherever they are wanted, and use up nothing of a limit."""
    memory = al.sinks.Memory()
    async with logger(tmp_path, sinks=[al.Route(memory, limit=al.RateLimit(3600.0))]) as log:
        for step in range(3):
            model.write_text(str(step))
            log.log_artifact("model", model, overwrite=True)
            await log.write(step)
        log.log_scalar("loss", 1.0)
        await log.write(9)
        await log.flush(40)
        told = log.statistics()["routes"]["memory"]
    assert (told["delivered"], told["not_due"]) == (4, 0)


async def test_a_write_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "large"
    with source.open("wb") as file:
        file.truncate(2 << 30)
    async with logger(tmp_path) as log:
        log.log_artifact("large", source)
        writing = asyncio.create_task(log.write(0))
        staging = tmp_path / "run" / "artifacts" / "staging" / "main"
        while not await asyncio.to_thread(lambda: staging.exists() and any(staging.iterdir())):
            await asyncio.sleep(0.001)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert log.statistics()["cancelled"] == 1
    assert al.read(tmp_path / "run").artifacts() == []
    assert list(staging.iterdir()) == []
    assert not (tmp_path / "run" / "artifacts" / "content").exists()


def test_code_that_is_not_async_keeps_files_too(tmp_path: Path, model: Path) -> None:
    with logger(tmp_path) as log:
        log.log_artifact("model", model)
        log.write_nowait(0)
    assert al.read(tmp_path / "run").artifact("model").path.read_bytes() == model.read_bytes()


async def test_a_child_keeps_under_its_namespace(tmp_path: Path, model: Path) -> None:
    async with logger(tmp_path) as log:
        log.child("trainer").log_artifact("model", model)
        await log.write(0)
    assert [one.name for one in al.read(tmp_path / "run").artifacts()] == ["trainer/model"]


async def test_a_run_that_goes_on_goes_on_counting(tmp_path: Path, model: Path) -> None:
    for text in ("first", "second"):
        model.write_text(text)
        async with logger(tmp_path) as log:
            log.log_artifact("model", model, overwrite=True)
            await log.write(0)
    assert [one.path.read_text() for one in al.read(tmp_path / "run").artifacts()] == ["first", "second"]


async def test_writers_of_one_run_share_names(tmp_path: Path, model: Path) -> None:
    async with logger(tmp_path, writer="rank0") as one, logger(tmp_path, writer="rank1") as other:
        for number, log in enumerate((one, other, one)):
            model.write_text(f"of {number}")
            log.log_artifact("model", model, overwrite=True)
            await log.write(0)
    run = al.read(tmp_path / "run")
    assert [(kept.version, kept.writer, kept.path.read_text()) for kept in run.artifacts()] == [
        (0, "rank0", "of 0"),
        (1, "rank1", "of 1"),
        (2, "rank0", "of 2"),
    ]


async def test_more_than_the_quota_is_refused_with_the_reason(tmp_path: Path, model: Path) -> None:
    async with logger(tmp_path, artifacts=al.Artifacts(quota=10_000)) as log:
        log.log_artifact("a", model)
        await log.write(0)
        model.write_bytes(b"x" * 8000)
        log.log_artifact("b", model)
        await log.write(1)
    run = al.read(tmp_path / "run")
    assert [one.name for one in run.artifacts()] == ["a"]
    assert "expected at most 10000 bytes of artifacts in this run, got 8000 bytes beside 8000 that are there" in refused(run)[0]


async def test_what_is_there_already_fits_into_a_full_quota(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_bytes(model.read_bytes())
    async with logger(tmp_path, artifacts=al.Artifacts(quota=8000)) as log:
        for step, name in enumerate(("model", "model", "other")):
            log.log_artifact(name, model, overwrite=True)
            await log.write(step)
        log.log_artifact("folder", folder)
        await log.write(3)
    run = al.read(tmp_path / "run")
    assert [(one.name, one.version) for one in run.artifacts()] == [("folder", 0), ("model", 0), ("other", 0)]
    assert refused(run) == []


async def test_content_that_goes_while_it_is_counted_takes_no_room(tmp_path: Path, model: Path) -> None:
    async with logger(tmp_path, artifacts=al.Artifacts(quota=10_000)) as log:
        gone = tmp_path / "run/artifacts/content/ff/ff"
        gone.parent.mkdir(parents=True)
        gone.symlink_to(tmp_path / "dropped by another writer")
        log.log_artifact("model", model)
        await log.write(0)
    assert al.read(tmp_path / "run").artifact("model").size_bytes == 8000


class Held(al.BaseSink):
    """Takes nothing until it is told to."""

    default_place = "caller"

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.taken: list[str] = []

    async def log_artifact(self, key: str, value: al.Artifact, state: al.State, namespace: str) -> None:
        await self.free.wait()
        self.taken.append(value.label)


async def test_a_write_waits_for_room_that_old_versions_give_when_they_are_delivered(tmp_path: Path, model: Path) -> None:
    """Two versions fill the quota; the third waits until the first is delivered, and then replaces its bytes."""
    held = Held()
    async with logger(tmp_path, sinks=[held], artifacts=al.Artifacts(quota=10_000, keep=1)) as log:
        for step in range(2):
            model.write_bytes(bytes([step]) * 5000)
            log.log_artifact("model", model, overwrite=True)
            await log.write(step)
        model.write_bytes(b"2" * 5000)
        log.log_artifact("model", model, overwrite=True)
        third = asyncio.create_task(log.write(2))
        await asyncio.sleep(0.2)
        assert not third.done()
        held.free.set()
        await asyncio.wait_for(third, 40)
    run = al.read(tmp_path / "run")
    assert run.artifact("model").path.read_bytes() == b"2" * 5000
    dropped = {one.version: one.dropped for one in run.artifacts()}
    assert (dropped[0], dropped[2]) == (True, False)
    assert held.taken == ["model:v0", "model:v1", "model:v2"]
    with pytest.raises(al.DamagedArtifact, match="were dropped"):
        _ = run.artifact("model", 0).path
    assert al.verify(tmp_path / "run").sound


async def test_content_that_another_name_has_stays_when_a_version_is_dropped(tmp_path: Path, model: Path) -> None:
    async with logger(tmp_path, artifacts=al.Artifacts(keep=1)) as log:
        log.log_artifact("best", model)
        log.log_artifact("model", model)
        await log.write(0)
        for step in range(1, 4):
            model.write_text(str(step))
            log.log_artifact("model", model, overwrite=True)
            await log.write(step)
    run = al.read(tmp_path / "run")
    assert run.artifact("best").path.read_bytes() == b"weights " * 1000
    assert [one.dropped for one in run.artifacts() if one.name == "model"] == [True, True, True, False]
    assert al.verify(tmp_path / "run").sound


@pytest.mark.parametrize("wrong", [{"quota": -1}, {"quota": "1G"}, {"keep": 0}, {"full": "block"}])
def test_settings_that_can_not_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfiguration, match=f"Artifacts {next(iter(wrong))}: expected"):
        al.Artifacts(**wrong)


async def test_a_pickled_logger_keeps_by_the_same_settings(tmp_path: Path) -> None:
    log = al.MultiLogger(tmp_path / "run", artifacts=al.Artifacts(quota=5))
    copy = pickle.loads(pickle.dumps(log))
    assert copy._core.artifacts == al.Artifacts(quota=5)

"""Artifacts in a store that speaks S3, on loopback: what is there in the end, whoever was killed on the way."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from tests.s3server import BUCKET, PATIENCE_S, Gate, S3Server, s3_server, settings

pytest.importorskip("obstore")
pytest.importorskip("moto.server")

MIB = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as one:
        yield one


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights " * 1000)
    return path


def store(port: int, path: str, **more: Any) -> Any:
    return al.sinks.ObjectStore(f"s3://{BUCKET}/{path}", **settings(port), **more)


def contents(port: int, path: str) -> dict[str, bytes]:
    """Every object below a path but the sink's own."""
    import obstore

    from asynclog.sinks.objectstore.answers import open_store

    opened = open_store(f"s3://{BUCKET}/{path}", **settings(port))
    found = [one["path"] for some in obstore.list(opened) for one in some]
    return {one: bytes(obstore.get(opened, one).bytes()) for one in found if ".asynclog" not in one}


@pytest.fixture
def request_gate() -> Iterator[Callable[..., Gate]]:
    """Makes gates, and closes them."""
    gates: list[Gate] = []

    def gate(*arguments: int) -> Gate:
        gates.append(Gate(*arguments))
        return gates[-1]

    yield gate
    for one in gates:
        one.close()


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while not (found := condition()):
            await asyncio.sleep(0.01)
    return found


async def test_a_run_s_artifacts_are_there_under_their_names(
    tmp_path: Path, model: Path, server: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    (folder / "sub dir").mkdir(parents=True)
    (folder / "a").write_text("a")
    (folder / "sub dir" / "λ %2F").write_text("b")
    sink = store(server.port, "names")
    caplog.set_level(logging.INFO, "asynclog.sinks")
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(sink, deadline=PATIENCE_S)]) as log:
        log.log_artifact("ckpt/ep1.pt", model)
        log.log_artifact("folder", folder)
        log.log_symlink("ckpt/ep1.pt", "latest")
        log.log_scalar("loss", 1.0)
        await log.write(0)
        assert await log.flush(PATIENCE_S) == {"objectstore": 0}
        await until(lambda: "uploaded ckpt/ep1.pt:v0, 7.81 KiB, sha256" in caplog.text)
    counters = log.statistics()["routes"]["objectstore"]
    assert (counters["delivered"], counters["filtered"], counters["rejected"]) == (3, 1, 0)
    assert await asyncio.to_thread(contents, server.port, "names") == {
        "run/ckpt/ep1.pt": model.read_bytes(),
        "run/folder/a": b"a",
        "run/folder/sub dir/λ %2F": b"b",
        "run/latest.symlink": b"ckpt/ep1.pt\n",
    }
    back = await store(server.port, "names").download("latest", tmp_path / "back.pt", run="run")
    assert back.read_bytes() == model.read_bytes()
    copy = await store(server.port, "names").download("folder", tmp_path / "copy", run="run")
    assert (copy / "sub dir" / "λ %2F").read_text() == "b"
    with pytest.raises(al.ArtifactNotFound, match="has no artifact 'ep2'"):
        await store(server.port, "names").download("ep2", tmp_path / "none", run="run")


async def test_of_versions_that_wait_only_the_newest_is_uploaded(tmp_path: Path, model: Path, server: S3Server) -> None:
    """By sync, from the journal: five versions of one name, one upload; with versions="all" each is there by its digest."""
    async with al.MultiLogger(tmp_path / "run") as log:
        for step in range(5):
            model.write_text(f"weights of {step}")
            log.log_artifact("model", model, overwrite=True)
            await log.write(step)
    with Gate(server.port) as gate:
        synced = await al.sync(tmp_path / "run", store(gate.port, "newest"))
        assert (synced.complete, synced.counters["delivered"]) == (True, 5)
        assert gate.requests(b"PUT", b"/newest/run/model ") == 1
    assert await asyncio.to_thread(contents, server.port, "newest") == {"run/model": b"weights of 4"}
    await al.sync(tmp_path / "run", store(server.port, "every", versions="all"), name="every")
    sink = store(server.port, "every")
    for version in range(5):
        back = await sink.download("model", tmp_path / f"v{version}", run="run", version=version)
        assert back.read_text() == f"weights of {version}"
    again = await al.sync(tmp_path / "run", store(server.port, "every"), name="again")
    assert again.complete


async def test_a_directory_s_next_version_sends_what_changed_and_removes_what_went(
    tmp_path: Path, server: S3Server, request_gate: Callable[..., Gate]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("same", "changed", "gone"):
        (folder / name).write_text(f"{name} at first")
    gate = request_gate(server.port)
    sink = store(gate.port, "folder")
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(sink, deadline=PATIENCE_S)]) as log:
        log.log_artifact("folder", folder)
        await log.write(0)
        await log.flush(PATIENCE_S)
        (folder / "changed").write_text("changed later")
        (folder / "gone").unlink()
        log.log_artifact("folder", folder, overwrite=True)
        await log.write(1)
        await log.flush(PATIENCE_S)
    assert await asyncio.to_thread(contents, server.port, "folder") == {
        "run/folder/same": b"same at first",
        "run/folder/changed": b"changed later",
    }
    assert [gate.requests(b"PUT", f"/folder/run/folder/{name} ".encode()) for name in ("same", "changed")] == [1, 2]


async def test_a_directory_whose_upload_was_cut_off_is_sent_anew(tmp_path: Path, server: S3Server) -> None:
    """Of the second version the small file is there and the large one isn't; the third has the small file of the first."""
    folder = tmp_path / "folder"
    folder.mkdir()
    async with al.MultiLogger(tmp_path / "run") as log:
        for step, words in enumerate(("first", "second", "first")):
            (folder / "a small").write_text(words)
            (folder / "large").write_bytes(bytes([step]) * 4 * MIB)
            log.log_artifact("folder", folder, overwrite=True)
            await log.write(step)
            await log.flush(PATIENCE_S)
            if step != 1:
                await al.sync(tmp_path / "run", store(server.port, "cut"), name="cut")
                continue
            with Gate(server.port, 2 * MIB) as gate:
                route = al.Route(store(gate.port, "cut", parallel=1), name="cut", deadline=1)
                uploading = asyncio.create_task(al.sync(tmp_path / "run", route))
                await until(gate.reached.is_set)
                assert (await asyncio.to_thread(contents, server.port, "cut"))["run/folder/a small"] == b"second"
                with pytest.raises(al.DamagedArtifact, match="folder:v1 is still being uploaded"):
                    await store(server.port, "cut").download("folder", tmp_path / "early", run="run")
                uploading.cancel()
            await asyncio.gather(uploading, return_exceptions=True)
    back = await store(server.port, "cut").download("folder", tmp_path / "back", run="run")
    assert (back / "a small").read_text() == "first"


async def test_a_file_that_an_upload_that_was_cut_off_has_replaced_is_sent_anew(tmp_path: Path, model: Path) -> None:
    sink = al.sinks.ObjectStore(tmp_path / "backup")
    async with al.MultiLogger(tmp_path / "run") as log:
        log.log_artifact("model", model)
        await log.write(0)
        await log.flush(PATIENCE_S)
        await al.sync(tmp_path / "run", sink, name="backup")
        (tmp_path / "backup/run/model").write_text("of a version whose pointer was never written")
        log.log_artifact("model", model, overwrite=True, metadata={"epoch": 1})
        await log.write(1)
        await log.flush(PATIENCE_S)
        await al.sync(tmp_path / "run", sink, name="backup")
    back = await sink.download("model", tmp_path / "back", run="run")
    assert back.read_bytes() == model.read_bytes()


async def test_two_runs_that_want_one_name_get_it_once(tmp_path: Path, server: S3Server) -> None:
    """Composer's overwrite race, at the store: without overwrite= what is there stays, and the other is told; with it, not."""
    for name in ("one", "other"):
        (tmp_path / f"{name}.pt").write_text(f"of {name}")
        async with al.MultiLogger(tmp_path / name) as log:
            log.log_artifact("model", tmp_path / f"{name}.pt")
            log.log_artifact("shared", tmp_path / f"{name}.pt", overwrite=True)
            await log.write(0)

    async def delivered(name: str) -> al.Synced:
        return await al.sync(tmp_path / name, store(server.port, "race", prefix="shared"))

    results = await asyncio.gather(delivered("one"), delivered("other"))
    assert sorted(one.counters["rejected"] for one in results) == [0, 1]
    winner = "one" if not results[0].counters["rejected"] else "other"
    found = await asyncio.to_thread(contents, server.port, "race")
    assert found["shared/model"] == f"of {winner}".encode()
    assert found["shared/shared"] in (b"of one", b"of other")
    back = await store(server.port, "race", prefix="shared").download("model", tmp_path / "back")
    assert back.read_text() == f"of {winner}"


async def test_what_somebody_else_has_put_there_is_left_alone(tmp_path: Path, model: Path, server: S3Server) -> None:
    import obstore

    from asynclog.sinks.objectstore.answers import open_store

    opened = open_store(f"s3://{BUCKET}/foreign", **settings(server.port))
    await obstore.put_async(opened, "run/model", b"mine")
    async with al.MultiLogger(tmp_path / "run") as log:
        log.log_artifact("model", model)
        await log.write(0)
    synced = await al.sync(tmp_path / "run", store(server.port, "foreign"))
    assert (synced.complete, synced.counters["rejected"]) == (True, 1)
    assert await asyncio.to_thread(contents, server.port, "foreign") == {"run/model": b"mine"}


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.pt"
    path.write_bytes(os.urandom(24 * MIB))
    return path


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_a_server_that_is_killed_in_mid_upload_has_all_of_it_in_the_end(
    tmp_path: Path, large: Path, request_gate: Callable[..., Gate]
) -> None:
    with s3_server() as server:
        gate = request_gate(server.port, 12 * MIB)
        sink = store(gate.port, "killed")
        async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(sink, deadline=PATIENCE_S)]) as log:
            log.log_artifact("model", large)
            await log.write(0)
            await until(gate.reached.is_set)
            server.kill()
            gate.open()
            await until(lambda: log.statistics()["routes"].get("objectstore", {}).get("state") == "failing")
            await asyncio.to_thread(server.start)
            assert await log.flush(PATIENCE_S) == {"objectstore": 0}
        assert await asyncio.to_thread(contents, server.port, "killed") == {"run/model": large.read_bytes()}


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(150)
async def test_an_uploading_worker_that_is_killed_is_followed_by_one_that_finishes(
    tmp_path: Path, large: Path, server: S3Server, request_gate: Callable[..., Gate]
) -> None:
    gate = request_gate(server.port, 12 * MIB)
    sink = store(gate.port, "worker")
    async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(sink, deadline=PATIENCE_S)]) as log:
        log.log_artifact("model", large)
        await log.write(0)
        await until(gate.reached.is_set)
        pid = await until(lambda: log.statistics()["routes"].get("objectstore", {}).get("pid"))
        os.kill(pid, signal.SIGKILL)
        gate.open()
        assert await log.flush(PATIENCE_S) == {"objectstore": 0}
        await until(lambda: log.statistics()["routes"]["objectstore"]["restarts"] == 1)
    assert await asyncio.to_thread(contents, server.port, "worker") == {"run/model": large.read_bytes()}
    back = await store(server.port, "worker").download("model", tmp_path / "back", run="run")
    assert back.read_bytes() == large.read_bytes()


async def test_a_store_that_is_down_at_first_gets_all_of_it_later(tmp_path: Path, model: Path) -> None:
    with s3_server() as server:
        server.kill()
        async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(store(server.port, "down"), deadline=PATIENCE_S)]) as log:
            log.log_artifact("model", model)
            await log.write(0)
            await until(lambda: log.statistics()["routes"].get("objectstore", {}).get("state") == "failing")
            await asyncio.to_thread(server.start)
            assert await log.flush(PATIENCE_S) == {"objectstore": 0}
        assert await asyncio.to_thread(contents, server.port, "down") == {"run/model": model.read_bytes()}


async def test_missing_credentials_are_told_when_the_run_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: S3Server
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    metadata = f"http://127.0.0.1:{server.port}/169.254.169.254"
    config = {"endpoint": server.url, "region": "us-east-1", "metadata_endpoint": metadata}
    sink = al.sinks.ObjectStore(f"s3://{BUCKET}/x", config=config, client_options={"allow_http": True})
    with pytest.raises(al.InvalidConfiguration, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        await sink.open(al.RunInfo("id", "run", tmp_path, "main", 0))


@pytest.mark.parametrize("wrong", [{"url": "nosuch://x"}, {"url": "s3://x", "config": {"acces_key": "1"}}])
async def test_a_store_that_can_not_be_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(al.InvalidConfiguration, match="ObjectStore can't use"):
        await al.sinks.ObjectStore(**wrong).open(al.RunInfo("id", "run", tmp_path, "main", 0))


def test_arguments_that_can_not_be_are_refused() -> None:
    with pytest.raises(al.InvalidConfiguration, match=r"prefix: expected fields among \{run_name\}"):
        al.sinks.ObjectStore("backup", prefix="{name}")
    with pytest.raises(al.InvalidConfiguration, match="versions"):
        al.sinks.ObjectStore("backup", versions="some")  # type: ignore[arg-type]
    with pytest.raises(al.InvalidConfiguration, match="parallel"):
        al.sinks.ObjectStore("backup", parallel=0)


async def test_a_directory_on_disk_is_a_store_as_well(tmp_path: Path, model: Path) -> None:
    """And where a name can't be, as another is a directory there, it is rejected and the rest goes on."""
    async with al.MultiLogger(
        tmp_path / "run", sinks=[al.Route(al.sinks.ObjectStore(tmp_path / "backup"), deadline=40)]
    ) as log:
        log.log_artifact("a", model)
        await log.write(0)
        assert await log.flush(PATIENCE_S) == {"objectstore": 0}
        log.log_artifact("a/b", model)
        log.log_artifact("c", model)
        await log.write(1)
        assert await log.flush(PATIENCE_S) == {"objectstore": 0}
    assert log.statistics()["routes"]["objectstore"]["rejected"] == 1
    assert (tmp_path / "backup" / "run" / "a").read_bytes() == model.read_bytes()
    assert (tmp_path / "backup" / "run" / "c").read_bytes() == model.read_bytes()


async def test_bytes_that_changed_in_the_store_are_not_given_out(tmp_path: Path, model: Path) -> None:
    async with al.MultiLogger(tmp_path / "run") as log:
        log.log_artifact("model", model)
        await log.write(0)
    await al.sync(tmp_path / "run", al.sinks.ObjectStore(tmp_path / "backup"))
    (tmp_path / "backup" / "run" / "model").write_text("others")
    with pytest.raises(al.DamagedArtifact, match="not what was recorded"):
        await al.sinks.ObjectStore(tmp_path / "backup").download("model", tmp_path / "back", run="run")
    assert not (tmp_path / "back").exists()


async def test_artifacts_whose_bytes_a_run_lacks_are_rejected_and_said(tmp_path: Path, model: Path) -> None:
    async with al.MultiLogger(tmp_path / "run") as log:
        log.log_artifact("model", model)
        await log.write(0)
    al.read(tmp_path / "run").artifact("model").path.unlink()
    synced = await al.sync(tmp_path / "run", al.sinks.ObjectStore(tmp_path / "backup"))
    assert (synced.complete, synced.counters["rejected"]) == (True, 1)

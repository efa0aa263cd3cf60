"""W&B online: what its own process sends to a server on loopback, through an outage, over a resume, and by ``wandb sync``."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from tests.integration.destinations.recording import record
from tests.integration.destinations.wandb_files import runs_below
from tests.integration.destinations.wandb_server import Run, WandBServer

pytest.importorskip("wandb")
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    with WandBServer() as server:
        yield server


def online(server: WandBServer) -> al.Route:
    sink = al.sinks.WandB("exam", entity="team", tags=["one", "two"], base_url=server.url)
    return al.Route(sink, name="wandb", deadline=60.0)


def losses(run: Run) -> list[tuple[int, float]]:
    return [(row["step"], row["train/loss"]) for row in run.rows if "train/loss" in row]


async def write(log: al.MultiLogger, first: int, end: int) -> None:
    for step in range(first, end):
        log.log_scalar("loss", step / 7)
        await log.write(step)


async def test_the_server_has_every_value_and_file(tmp_path: Path, server: WandBServer) -> None:
    """The same as an offline file of the same run."""
    for library in ("PIL", "soundfile", "av", "trimesh"):
        pytest.importorskip(library)
    offline = al.Route(al.sinks.WandB("exam", mode="offline", directory=tmp_path / "off"), name="offline", deadline=60.0)
    routes = await record(tmp_path / "run", [online(server), offline])
    assert routes["wandb"]["delivered"] == routes["offline"]["delivered"]
    # Hooks are for those who ask for them.
    assert routes["wandb"]["delivered"] + routes["wandb"]["filtered"] == routes["wandb"]["offered"]
    (run,) = server.runs.values()
    (there,) = await asyncio.to_thread(runs_below, tmp_path / "off")
    assert [_said(row) for row in run.rows] == [_said(row) for row in there.rows]
    assert run.config["optimizer"] == {"name": "adam", "lr": 1e-3}
    assert run.ends == [0]
    assert run.fields["tags"] == ["one", "two"]
    media = {value["path"] for row in run.rows for value in row.values() if isinstance(value, dict) and "path" in value}
    assert len(media) > 20
    assert media <= run.files.keys()


def _said(row: dict[str, Any]) -> dict[str, str]:
    """What a row says, but for the time since the run began there, and the random names of tables' artifacts."""
    return {name: _content(one) for name, one in row.items() if name not in ("_files", "_runtime")}


def _content(value: Any) -> str:
    if not isinstance(value, dict):
        return repr(value)
    return repr(sorted((name, one) for name, one in value.items() if "artifact_path" not in name))


@pytest.mark.slow
async def test_an_outage_costs_delay_alone(tmp_path: Path, server: WandBServer) -> None:
    """Nothing is lost and nothing comes twice."""
    async with al.MultiLogger(tmp_path / "run", sinks=[online(server)]) as log:
        await write(log, 0, 50)
        await log.flush()
        server.stop()
        await write(log, 50, 100)
        await log.flush()
        server.start()
        await write(log, 100, 150)
    (run,) = server.runs.values()
    assert losses(run) == [(step, step / 7) for step in range(150)]
    assert run.ends == [0]


async def test_a_resumed_run_goes_on_there(tmp_path: Path, server: WandBServer) -> None:
    for first, end in ((0, 20), (10, 30)):
        async with al.MultiLogger(tmp_path / "run", sinks=[online(server)]) as log:
            await write(log, first, end)
    (run,) = server.runs.values()
    assert losses(run) == [(step, step / 7) for step in (*range(20), *range(10, 30))]
    assert run.ends == [0, 0]


async def test_wandb_sync_reads_the_offline_file_whole(tmp_path: Path, server: WandBServer) -> None:
    """By W&B's own reader; of two directories of a run that was resumed, in order."""
    for first, end in ((0, 20), (10, 30)):
        sink = al.sinks.WandB("exam", mode="offline")
        async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(sink, name="wandb")]) as log:
            await write(log, first, end)
    made = sorted((tmp_path / "run" / "sinks" / "wandb" / "wandb").glob("offline-run-*"))
    assert len(made) == 2
    command = [sys.executable, "-m", "wandb", "sync", "--yes", "--entity", "team", *map(str, made)]
    environment = os.environ | {"WANDB_BASE_URL": server.url}
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = server.runs.values()
    assert losses(run) == [(step, step / 7) for step in (*range(20), *range(10, 30))]


async def test_without_a_key_the_sink_stops_and_names_the_way_out(
    tmp_path: Path, server: WandBServer, monkeypatch: Any
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    log = al.MultiLogger(tmp_path / "run", sinks=[online(server)])
    with pytest.raises(ExceptionGroup):
        async with log:
            await write(log, 0, 10)
    counters = log.statistics()["routes"]["wandb"]
    assert counters["state"] == "stopped"
    assert "WANDB_API_KEY" in counters["error"]
    assert "mode='offline'" in counters["error"]
    assert server.asked == []


@pytest.mark.slow
async def test_a_server_that_is_away_at_the_start_is_waited_for(tmp_path: Path, server: WandBServer) -> None:
    server.stop()
    async with al.MultiLogger(tmp_path / "run", sinks=[online(server)]) as log:
        await write(log, 0, 10)
        while not log.statistics()["routes"].get("wandb", {}).get("error"):
            await asyncio.sleep(0.05)
        server.start()
        await write(log, 10, 20)
    (run,) = server.runs.values()
    assert losses(run) == [(step, step / 7) for step in range(20)]

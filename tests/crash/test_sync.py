"""What both processes left undone is finished by ``sync``, which may be killed as well."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import asynclog as al
from tests.crash.findings import findings
from tests.crash.kills import LINGER_S, MARGIN_S
from tests.crash.scene import ROOT, Scene, eventually
from tests.runfiles import million

pytestmark = pytest.mark.crash

_LINES = {"kinds": {"scalar", "string"}, "phases": {"valid"}}
_TABLE = {"kinds": {"scalar"}, "phases": {"valid"}}


async def finished(run: Path) -> tuple[al.Synced, al.Synced]:
    """Both routes of the victim's, as it had them."""
    lines = await al.sync(run, al.Route(al.sinks.JSONLines("lines.jsonl"), name="lines", **_LINES))
    return lines, await al.sync(run, al.Route(al.sinks.CSV("rows.csv"), name="table", **_TABLE))


@pytest.mark.parametrize("seed", range(2))
def test_what_the_recorder_had_not_delivered_is_delivered_later(scene: Scene, seed: int) -> None:
    """Training process and recorder are killed at once, in mid-delivery: the sinks get all that the journal has, once."""
    life = scene.start("--pause", str(random.Random(seed).choice([0.0, 0.0005])))
    life.accepts(2_000)
    scene.is_journaled()
    time.sleep(2 * LINGER_S)
    now_ns = time.monotonic_ns()
    os.kill(life.process.pid, signal.SIGKILL)
    os.kill(life.recorder, signal.SIGKILL)
    life.process.wait()
    assert scene.wait_until_empty() == []
    before = life.accepted_before(now_ns - int((LINGER_S + MARGIN_S) * 1e9))
    synced = asyncio.run(finished(scene.run))
    assert findings(scene, "lost", "killed", surely={0: before}).complaints == []
    for one in synced:
        assert one.complete
        assert one.counters["pending"] == 0
    again = asyncio.run(finished(scene.run))
    assert [one.counters["offered"] for one in again] == [0, 0]


def test_a_run_that_was_finished_by_sync_can_be_gone_on_with(scene: Scene) -> None:
    """The next life's recorder goes on where sync stood: nothing is left out, and nothing comes twice."""
    life = scene.start()
    scene.is_journaled()
    life.accepts(20_000)
    # So that it leaves something undone.
    os.kill(life.recorder, signal.SIGSTOP)
    os.kill(life.process.pid, signal.SIGKILL)
    os.kill(life.recorder, signal.SIGKILL)
    life.process.wait()
    assert scene.wait_until_empty() == []
    asyncio.run(finished(scene.run))
    again = scene.start()
    again.accepts(5_000)
    again.stop()
    assert findings(scene, "finished", surely={0: 0, 1: again.rows}).complaints == []


def test_a_sync_that_is_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    """The file has every line once."""
    run = million(tmp_path / "run", rows=30_000)
    command = [sys.executable, "-m", "asynclog.cli", "sync", str(run), "--to", "jsonlines", "--set", "path=lines.jsonl"]
    lines = run / "lines.jsonl"
    for _ in range(3):
        before = lines.stat().st_size if lines.exists() else 0
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            eventually(
                lambda before=before: process.poll() is not None or (lines.exists() and lines.stat().st_size > before),
                "a line",
            )
            process.kill()
    result = asyncio.run(al.sync(run, al.sinks.JSONLines("lines.jsonl")))
    assert result.complete
    steps = [line.split(b",", 1)[0] for line in lines.read_bytes().splitlines()]
    assert steps == [b'{"step": %d' % step for step in range(30_000)]

"""A training process is killed while it keeps files: what was accepted is whole, what wasn't leaves no trace."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import asynclog as al
from tests.crash.scene import PATIENCE_S, ROOT, exited

pytestmark = pytest.mark.crash

_VICTIM = """
import asyncio, sys
from pathlib import Path
import asynclog as al

async def main(run, source):
    async with al.MultiLogger(run) as log:
        log.log_scalar("x", 1.0)
        await log.write(0)
        print(log.statistics()["recorder"]["pid"], flush=True)
        for step in range(1, 1_000_000):
            await asyncio.to_thread(source.write_bytes, bytes([step % 256]) * (step % 7 * 300_000))
            log.log_artifact("model", source, overwrite=True)
            await log.write(step)
            print(step, flush=True)
            if len(sys.argv) > 3:
                log.log_artifact("large", sys.argv[3])
                print("copying", flush=True)
                await log.write(step)

asyncio.run(main(*map(Path, sys.argv[1:3])))
"""


def _victim(run: Path, *arguments: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _VICTIM, str(run), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize("after", [1, 5, 20])
def test_what_was_accepted_is_whole_after_a_kill(tmp_path: Path, after: int) -> None:
    """As soon as ``write`` has returned, by kill -9, while the next version is being made."""
    run, source = tmp_path / "run", tmp_path / "source"
    with _victim(run, source) as victim:
        assert victim.stdout is not None
        recorder = int(victim.stdout.readline())
        said = [int(victim.stdout.readline()) for _ in range(after)]
        victim.kill()
        said += [int(one) for one in victim.stdout.read().split("\n")[:-1]]
    assert exited(recorder, PATIENCE_S)
    found = {one.version: one for one in al.read(run).artifacts()}
    recorded = {event.step: event.value for event in al.read(run).events("artifact")}
    for step in said:
        kept = found[recorded[step].version]
        assert kept.path.read_bytes() == bytes([step % 256]) * (step % 7 * 300_000)
        assert kept.digest == recorded[step].digest
    assert al.verify(run).sound


def test_a_copy_that_a_kill_cuts_short_is_no_artifact_and_is_swept(tmp_path: Path) -> None:
    run, source, large = tmp_path / "run", tmp_path / "source", tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(4 << 30)
    staging = run / "artifacts" / "staging" / "main"
    with _victim(run, source, large) as victim:
        assert victim.stdout is not None
        recorder = int(victim.stdout.readline())
        while victim.stdout.readline() != "copying\n":
            pass
        until = time.monotonic() + PATIENCE_S
        while not (left := list(staging.glob("*/*"))):
            assert time.monotonic() < until
            time.sleep(0.001)
        victim.kill()
    assert exited(recorder, PATIENCE_S)
    assert left[0].exists()
    assert [one.name for one in al.read(run).artifacts()] == ["model"]
    with al.MultiLogger(run) as log:
        log.log_scalar("x", 1.0)
        log.write_nowait(0)
    assert not staging.exists()
    assert al.verify(run).sound

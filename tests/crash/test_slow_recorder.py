"""A trainer that is killed while its recorder stands still: all that lies in memory is found, also in slabs made meanwhile."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import asynclog as al
from tests.crash.scene import ROOT

TRAINER = """
import asyncio, os, signal, subprocess, sys
import numpy as np
import asynclog as al

async def main(run, kind, steps):
    log = al.MultiLogger(run)
    log.log({"x": -1.0})
    await log.write(0)
    await log.flush()
    recorder = log.statistics()["recorder"]["pid"]
    os.kill(recorder, signal.SIGSTOP)
    image = np.zeros((3, 64, 64), np.uint8)
    for step in range(1, steps + 1):
        log.log({"x": float(step)})
        if kind == "images":
            log.log_image("value", image)
        else:
            log.log_string("value", "t" * 200)
        await log.write(step)
    # The recorder goes on only when nobody is left who could tell it anything.
    subprocess.Popen(["sh", "-c", f"while kill -0 {os.getpid()} 2>/dev/null; do :; done; kill -CONT {recorder}"])
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.parametrize(("kind", "steps"), [("strings", 10_000), ("images", 2_000)])
def test_what_was_accepted_while_the_recorder_stood_still_survives_the_trainer(tmp_path: Path, kind: str, steps: int) -> None:
    """More messages than a socket holds, and more memory than there was when the recorder last looked."""
    subprocess.run([sys.executable, "-c", TRAINER, str(tmp_path / "run"), kind, str(steps)], cwd=ROOT, timeout=60, check=False)
    deadline = time.monotonic() + 60
    while (run := al.read(tmp_path / "run")).status == "running":
        assert time.monotonic() < deadline, run
        time.sleep(0.05)
    assert (run.status, run.missing) == ("killed", 0)
    assert run.series("x").step.tolist() == list(range(steps + 1))
    assert sum(1 for _ in run.events(key="value")) == steps
    assert al.verify(tmp_path / "run").sound

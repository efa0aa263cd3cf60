"""The training process ends while something is on its way from a device: what had come is there, what hadn't was not accepted,
and nothing is torn."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import asynclog as al
from tests.crash.device_victim import IMAGE_EVERY, LAST, STEPS, image
from tests.crash.scene import PATIENCE_S, ROOT

pytestmark = pytest.mark.crash


def ended(run: Path, ending: str) -> "subprocess.CompletedProcess[str]":
    """The end of a victim, and of its recorder."""
    command = [sys.executable, "-m", "tests.crash.device_victim", str(run), ending]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    limit = time.monotonic() + PATIENCE_S
    while al.read(run).status == "running":
        assert time.monotonic() < limit, done.stderr
        time.sleep(0.02)
    return done


def complaints(run: al.Run, *, last: bool) -> list[str]:
    """What is not as it should be. last: whether the last write came as well."""
    found: list[str] = []
    steps = [*range(STEPS), *[LAST] * last]
    for key, expected in (
        ("loss", [step * 0.5 for step in range(STEPS)] + [1.0] * last),
        ("beside", [*range(STEPS)] + [1] * last),
    ):
        series = run.series(key)
        if series.step.tolist() != steps or series.value.tolist() != expected:
            found.append(f"{key}: {len(series.step)} rows, up to {series.step[-1]}")
    frames = {event.step: event.value.data for event in run.events(kind="image")}
    if list(frames) != [*range(0, STEPS, IMAGE_EVERY), *[LAST] * last]:
        found.append(f"frames at {list(frames)}")
    found += [f"frame {step} is torn" for step, data in frames.items() if not np.array_equal(data, image(step))]
    if run.series("after").step.tolist() != [LAST + 1]:
        found.append("the row after it")
    return found


@pytest.mark.parametrize(("ending", "status"), [("kill", "killed"), ("exit", "exited")])
def test_what_had_not_come_is_not_there_and_all_else_is(tmp_path: Path, ending: str, status: str) -> None:
    done = ended(tmp_path / "run", ending)
    run = al.read(tmp_path / "run")
    assert run.status == status, done.stderr
    assert complaints(run, last=False) == []
    assert ("3 values were still on their way" in done.stderr) == (ending == "exit")


def test_a_forked_child_touches_no_device_and_the_parent_loses_nothing(tmp_path: Path) -> None:
    done = ended(tmp_path / "run", "fork")
    assert done.returncode == 0, done.stderr
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert complaints(run, last=True) == []
    assert {event.key for event in run.events()} == {"loss", "beside", "after", "frame"}

"""A process is killed that renders into shared memory: what was written is there, whole, and nothing that wasn't finished."""

import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest

import asynclog as al
from asynclog.readers.verify import verify
from tests.crash.kills import moment
from tests.crash.renderer import LARGE_EVERY, LARGE_SHAPE, SMALL_SHAPE, frame_of
from tests.crash.scene import ROOT, Life, Scene, eventually
from tests.crash.victim import NOTE_BYTES, mapped

pytestmark = pytest.mark.crash


def start(scene: Scene, *options: str) -> Life:
    """A process that renders; its logger is open."""
    note = scene.folder / "note"
    with note.open("wb") as file:
        file.truncate(NOTE_BYTES)
    program = str(ROOT / "tests" / "crash" / "renderer.py")
    name, _, value = scene.mark.partition("=")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", program, str(scene.run), str(note), *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), name: value},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    life = Life(0, process, mapped(note))
    scene.lives.append(life)
    life.hears("open")
    return life


def complaints(scene: Scene, life: Life, status: str) -> list[str]:
    """What is not as promised: every frame that was accepted is there once, whole, in its order; nothing is left behind."""
    found = [f"left over: {one}" for one in scene.leftovers()]
    run, report = al.read(scene.run), verify(scene.run)
    if run.status != status or not report.sound or report.missing:
        found.append(f"{run.status}, {report.missing} missing, {report.damage}")
    for key, shape, every in (("small", SMALL_SHAPE, 1), ("large", LARGE_SHAPE, LARGE_EVERY)):
        steps = []
        for event in run.events(key=key):
            steps.append(event.step)
            if not np.array_equal(event.value.data, frame_of(event.step, shape)):
                found.append(f"{key} of step {event.step} is torn")
        accepted = len(range(0, life.rows, every))
        if steps != list(range(0, len(steps) * every, every)) or len(steps) < accepted:
            found.append(f"{key}: {accepted} were accepted, {len(steps)} are there, the last of step {steps[-1:]}")
    return found


@pytest.mark.parametrize("seed", range(3))
def test_loans_that_were_written_are_there_after_a_kill_at_any_moment(scene: Scene, seed: int) -> None:
    life = start(scene)
    time.sleep(moment(random.Random(seed)))
    life.kill()
    assert complaints(scene, life, "killed") == []


def test_a_loan_written_an_instant_before_the_kill_is_there(scene: Scene) -> None:
    """Whether the recorder had taken it in or not: the last write returned just before."""
    life = start(scene, "--stop-at", "41")
    life.hears("half")
    life.kill()
    assert life.rows == 41
    assert complaints(scene, life, "killed") == []
    assert [event.step for event in al.read(scene.run).events(key="large")] == [0, 20, 40]


@pytest.mark.parametrize("half", ["rendered", "written"])
def test_of_a_loan_that_was_not_written_nothing_is_there(scene: Scene, half: str) -> None:
    """Killed while it is rendered, or when it has been and no write came."""
    life = start(scene, "--stop-at", "25", "--half", half)
    life.hears("half")
    life.kill()
    assert complaints(scene, life, "killed") == []
    assert [event.step for event in al.read(scene.run).events(key="large")] == [0, 20]
    assert len(list(al.read(scene.run).events(key="small"))) == 25


def test_loans_outlive_the_recorder(scene: Scene) -> None:
    """Another one takes over; what the first had not journaled is read again from where it was rendered."""
    life = start(scene)
    chance = random.Random(5)
    for _ in range(2):
        life.accepts(100)
        time.sleep(moment(chance))
        killed = life.kill_recorder()
        life.has_another_recorder_than(killed)
    eventually(lambda: life.rows > 300, "300 steps")
    life.stop()
    assert complaints(scene, life, "finished") == []

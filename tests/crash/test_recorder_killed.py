"""The recorder dies, or stands still, while the training process goes on: the loop must not feel it, nothing may be lost."""

import os
import random
import signal
import time

import pytest

from tests.crash.findings import findings
from tests.crash.kills import kill_recorder
from tests.crash.scene import Life, Scene, eventually
from tests.crash.victim import Word

pytestmark = pytest.mark.crash
LONGEST_TURN_S = 0.25
"""For a loop that shares two cores with everything else; one that waits for a recorder to start would take longer."""


def longest_turn_s(life: Life) -> float:
    return life.words[Word.LONGEST_TURN_NS] / 1e9


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_by_a_kill_at_any_moment(scene: Scene, seed: int) -> None:
    """Another recorder goes on where the journal ends: nothing twice, nothing left out."""
    assert kill_recorder(scene, random.Random(seed)).complaints == []


def test_a_recorder_killed_while_it_starts_is_replaced(scene: Scene) -> None:
    """The logger is open before its recorder is up: what was written meanwhile waits in memory."""
    life = scene.start()
    killed = life.kill_recorder()
    life.has_another_recorder_than(killed)
    life.accepts(5_000)
    life.stop()
    assert findings(scene, "finished").complaints == []


@pytest.mark.parametrize("delay_s", [0.0, 0.002, 0.01])
def test_a_recorder_killed_while_the_logger_closes_is_replaced(scene: Scene, delay_s: float) -> None:
    """The end was announced already: the successor must be told of it again."""
    life = scene.start()
    life.accepts(20_000)
    life.words[Word.STOP] = 1
    life.hears("closing")
    time.sleep(delay_s)
    with_recorder = life.recorder in scene.processes()
    if with_recorder:
        life.kill_recorder()
    assert life.process.wait() == 0
    assert findings(scene, "finished").complaints == []


def test_two_deaths_in_a_row_are_survived(scene: Scene) -> None:
    """The second recorder dies while it reads again what the first had taken."""
    life = scene.start()
    life.accepts(20_000)
    for _ in range(2):
        killed = life.kill_recorder()
        life.has_another_recorder_than(killed)
    life.accepts(20_000)
    errors = life.stop()
    assert "in a thread" not in errors
    assert findings(scene, "finished").complaints == []


def test_after_three_deaths_recording_goes_on_in_a_thread(scene: Scene) -> None:
    """Loudly, and with everything that was accepted before."""
    life = scene.start()
    for _ in range(2):
        killed = life.kill_recorder()
        life.has_another_recorder_than(killed)
    life.kill_recorder()
    life.accepts(20_000)
    eventually(lambda: life.recorder == 0, "that there is no such process is told")
    errors = life.stop()
    assert "the recorder died 3 times within a minute; recording goes on in a thread of this process" in errors
    assert findings(scene, "finished").complaints == []


def test_the_loop_goes_on_while_a_recorder_is_replaced(scene: Scene) -> None:
    """Starting another process takes a third of a second, none of it the loop's."""
    life = scene.start()
    life.accepts(20_000)
    life.words[Word.LONGEST_TURN_NS] = 0
    killed = life.kill_recorder()
    life.has_another_recorder_than(killed)
    life.accepts(20_000)
    assert longest_turn_s(life) < LONGEST_TURN_S
    life.stop()
    assert findings(scene, "finished").complaints == []


def test_a_recorder_that_stands_still_holds_writes_but_never_the_loop(scene: Scene) -> None:
    """Memory takes what comes until the quota is full; then ``write`` waits, other tasks run on, and nothing is lost."""
    life = scene.start("--slabs", str(16 << 20), "--side", "512")
    life.accepts(5_000)
    life.words[Word.LONGEST_TURN_NS] = 0
    os.kill(life.recorder, signal.SIGSTOP)
    life.accepts(500)
    eventually(lambda: waits(life), "the quota to be full")
    assert longest_turn_s(life) < LONGEST_TURN_S
    os.kill(life.recorder, signal.SIGCONT)
    life.accepts(20_000)
    life.stop()
    assert findings(scene, "finished").complaints == []


def waits(life: Life) -> bool:
    """Whether the writing task stands still while another task takes many turns."""
    rows, turns = life.rows, life.words[Word.TURNS]
    eventually(lambda: life.words[Word.TURNS] >= turns + 50, "turns of the loop")
    return life.rows == rows

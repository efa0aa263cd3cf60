"""The training process dies at full load: by kill -9, by a segmentation fault, by an exit without a word."""

import os
import random
import signal
import time

import pytest

import asynclog as al
from tests.crash.findings import findings
from tests.crash.kills import kill_training
from tests.crash.scene import Scene, exited

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("seed", range(3))
def test_nothing_accepted_is_lost_by_a_kill_at_any_moment(scene: Scene, seed: int) -> None:
    """Journal, both sinks, the end of the recorder and of its memory: all as if the loop had ended by itself."""
    assert kill_training(scene, random.Random(seed)).complaints == []


def test_large_arrays_are_whole_or_not_there(scene: Scene) -> None:
    """A thread copies them while the loop runs on: what was accepted is complete, what wasn't leaves no trace."""
    life = scene.start("--side", "640")
    life.accepts(10_000)
    life.kill()
    assert findings(scene, "killed").complaints == []


@pytest.mark.parametrize("delay_s", [0.12, 0.18, 0.24])
def test_a_kill_while_the_logger_opens_leaves_nothing_in_the_way(scene: Scene, delay_s: float) -> None:
    """Whether the run's directory, its lock or its recorder were there already: the next process goes on."""
    early = scene.start(wait=False)
    time.sleep(delay_s)
    early.kill()
    assert scene.leftovers() == []
    again = scene.start()
    again.accepts(1_000)
    again.stop()
    run = al.read(scene.run)
    assert run.status == "finished"
    assert len(run.series("loss", phase="valid").step) >= 100


@pytest.mark.parametrize(("ending", "status"), [("segv", -signal.SIGSEGV), ("abort", -signal.SIGABRT), ("exit", 3)])
def test_nothing_accepted_is_lost_when_the_process_ends_itself(scene: Scene, ending: str, status: int) -> None:
    """A segmentation fault and os._exit run no handler of ours; the last row was accepted an instant before."""
    life = scene.start("--ending", ending, "--end-after", "20001")
    assert life.process.wait() == status
    assert life.rows == 20001
    assert findings(scene, "killed").complaints == []


def test_a_restart_goes_on_as_the_next_epoch(scene: Scene) -> None:
    """The second life ends well, and the reader has both; the sinks' files went on where they were."""
    first = scene.start()
    first.accepts(20_000)
    first.kill()
    assert scene.wait_until_empty() == []
    second = scene.start()
    second.accepts(5_000)
    second.stop()
    assert findings(scene, "finished").complaints == []
    assert [(one.epoch, one.status) for one in al.read(scene.run).writers] == [(0, "killed"), (1, "finished")]


def test_a_restart_may_come_before_the_recorder_has_finished(scene: Scene) -> None:
    """A supervisor restarts at once: the stream and the sinks are handed over, and nothing gets lost between."""
    for _ in range(3):
        life = scene.start()
        life.accepts(20_000)
        life.kill()
    assert findings(scene, "killed").complaints == []
    assert [one.epoch for one in al.read(scene.run).writers] == [0, 1, 2]


def test_a_child_that_keeps_what_it_inherited_hides_no_death(scene: Scene) -> None:
    """A forked worker outlives the kill with the link's socket and the stream's lock in hand: the recorder finishes all the
    same, and the run can be gone on with."""
    life = scene.start("--fork")
    (worker,) = set(scene.processes()) - {life.process.pid, life.recorder}
    life.accepts(20_000)
    life.kill()
    assert exited(life.recorder, 10.0), "the recorder didn't notice"
    again = scene.start()
    again.accepts(1_000)
    again.stop()
    assert scene.processes() == [worker]
    os.kill(worker, signal.SIGKILL)
    assert findings(scene, "finished").complaints == []


@pytest.mark.parametrize("without", [["memfd_create"], ["memfd_create", "pidfd_open"]], ids=["no-memfd", "no-memfd-no-pidfd"])
def test_shared_memory_without_memfd_survives_the_kill_too(scene: Scene, without: list[str]) -> None:
    """As on macOS: memory of shm_open whose name is gone at once, and death noticed by the end of the socket."""
    life = scene.start(*(one for name in without for one in ("--without", name)))
    life.accepts(30_000)
    life.kill()
    assert findings(scene, "killed").complaints == []

"""The kills that are tried again and again, each at a moment drawn from a seed: three times by the tests, and by ``make soak``
for as long as one likes."""

import os
import random
import signal
import time
from typing import Final

from tests.crash.findings import Findings, findings
from tests.crash.scene import Scene

LINGER_S: Final = 0.2  # the journal's default
MARGIN_S: Final = 0.15
"""What a doorbell, a turn of the recorder and a write to the file may take beyond linger, on a machine that is busy."""
_LONGEST_S: Final = 1.0


def moment(chance: random.Random) -> float:
    """Seconds of full load before a kill; short ones are as likely as long ones, as the first tenths are the busiest."""
    return float(_LONGEST_S * chance.random() ** 2)


def kill_training(scene: Scene, chance: random.Random) -> Findings:
    """The training process is killed; its recorder finishes the run alone. One time in eight its arrays are large."""
    life = scene.start("--side", chance.choice(["640", *["48"] * 7]))
    # Not to wait for anything: the kill is to come at any moment.
    time.sleep(moment(chance))
    life.kill()
    return findings(scene, "killed")


def kill_recorder(scene: Scene, chance: random.Random) -> Findings:
    """The recorder is killed; another one takes over, and the training process ends well."""
    life = scene.start()
    time.sleep(moment(chance))
    killed = life.kill_recorder()
    life.has_another_recorder_than(killed)
    time.sleep(moment(chance))
    life.stop()
    return findings(scene, "finished")


def kill_both(scene: Scene, chance: random.Random) -> Findings:
    """Both are killed at once, as by the end of a container: what is lost is younger than linger.

    At full load rows wait for a full block at the most. A slow loop, which every second run is, has them wait for linger.
    """
    life = scene.start("--pause", str(chance.choice([0.0, 0.001])))
    # Memory is all there is until the recorder has come up.
    scene.is_journaled()
    time.sleep(2 * LINGER_S + moment(chance))
    recorder = life.recorder
    now_ns = time.monotonic_ns()
    os.kill(life.process.pid, signal.SIGKILL)
    os.kill(recorder, signal.SIGKILL)
    life.process.wait()
    old = life.accepted_before(now_ns - int((LINGER_S + MARGIN_S) * 1e9))
    # Between the two signals the recorder may still have had a turn, and noted the end.
    found = findings(scene, "lost", "killed", surely={0: old}, sinks=False)
    found.oldest_lost_s = life.age_s(found.read, now_ns)
    return found

"""Workers, attached processes, the recorder and the training process are killed, stopped, forked and starved at random, a few
seconds long; ``make soak`` does it for ten minutes."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from tests.crash.consumers.rounds import play
from tests.crash.consumers.scene import ConsumersScene, has_small_memory

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ConsumersScene]:
    scene = ConsumersScene(tmp_path)
    yield scene
    scene.clear()


@pytest.mark.parametrize("seed", [0, 2])
def test_consumers_that_die_and_stop_cost_nobody_anything(scene: ConsumersScene, seed: int) -> None:
    """Every tensor whole wherever it is delivered, nothing accepted is lost, nothing is left over, and the counters add up."""
    found, _ = play(scene, seed, 3.0)
    assert found.complaints == []
    assert found.accepted > 0
    assert found.checked > found.accepted


@pytest.mark.skipif(not has_small_memory(), reason="no tmpfs can be mounted here, in a namespace of one's own")
def test_memory_that_runs_out_is_waited_for(scene: ConsumersScene) -> None:
    """Without memfd, on a tmpfs of a few megabytes that somebody else fills again and again."""
    found, _ = play(scene, 1, 3.0)
    assert found.complaints == []
    assert found.accepted > 0


class Mortal:
    """Killed once, with a tensor in its hands."""

    default_place = "process"

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    async def write(self, batch: Any, /) -> None:
        if any(one.kind == "tensor" for one in batch) and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    async def aclose(self) -> None:
        pass


async def test_a_worker_that_was_killed_with_a_tensor_in_hand_keeps_no_memory(tmp_path: Path) -> None:
    """What it was lent is let go of at once, not when the recorder next collects its garbage."""
    async with al.MultiLogger(tmp_path / "run", sinks=[Mortal(tmp_path / "mark")]) as log:
        log.log_tensor("large", np.zeros(4 << 20, np.uint8))
        await log.write(0)
        await log.flush(deadline=60.0)
        assert (tmp_path / "mark").exists()
        # Looked at from here alone: whatever makes the recorder work makes it collect.
        async with asyncio.timeout(10):
            while log.statistics()["slabs"]["slabs_in_use"] > 1:  # the control records' own
                await asyncio.sleep(0.01)

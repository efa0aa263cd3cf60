"""One round: a scene, what happens in it, its end, and what is left. Everything about it follows from its seed."""

import random
from typing import Final

from tests.crash.consumers.chaos import Chaos, end
from tests.crash.consumers.findings import Outcome, outcome
from tests.crash.consumers.scene import ConsumersScene, has_small_memory

LONG_S: Final = 45.0
SHORT_S: Final = (4.0, 12.0)


def play(scene: ConsumersScene, seed: int, seconds: float | None = None) -> tuple[Outcome, Chaos]:
    """seconds: of what happens; by default every eighth round is a long one. Every fourth has little memory, and the fallback
    pool, where that can be had."""
    chance = random.Random(seed)
    scene.small_memory = seed % 4 == 1 and has_small_memory()
    drawn = LONG_S if seed % 8 == 7 else chance.uniform(*SHORT_S)
    pause = chance.choice([0.005, 0.02, 0.05])
    slabs = 48 if scene.small_memory else chance.choice([64, 96, 160])
    chaos = Chaos(scene, chance, ("--pause", str(pause), "--slabs", str(slabs << 20)))
    end(scene, chaos.reign(drawn if seconds is None else seconds))
    return outcome(scene, chaos), chaos

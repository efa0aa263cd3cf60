"""W2's values: what each step of a loop that records everything has to say.

The arrays are made once and stamped with the step: random numbers for a histogram of a million take 4 ms, which would
be the loop's own stall and not the logger's. So every buffer is overwritten as soon as its next value is due, which the
contract of `write` allows.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALARS = tuple(f"train/m{number:02}" for number in range(20))
SAMPLE_RATE = 16_000

# kind → a value every so many steps
EVERY = {"image": 10, "point_cloud": 20, "histogram": 20, "audio": 50, "video": 100}

Arrays = dict[str, NDArray[Any]]


def _noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def buffers() -> Arrays:
    """One array a kind, in the shapes and dtypes of the workload."""
    return {
        "image": _noise(3, 256, 256),
        "point_cloud": _noise(20_000, 3),
        "histogram": _noise(1_000_000),
        "audio": _noise(1, 32_000),
        "video": (_noise(16, 3, 128, 128) * 255).astype(np.uint8),
    }


@dataclass(slots=True)
class Media:
    """The arrays a step has; with no `arrays`, none ever."""

    arrays: Arrays = field(default_factory=dict)

    def due(self, step: int) -> Arrays:
        """The arrays of this step by kind, each with the step, modulo 256, in its first cell."""
        taken = {kind: array for kind, array in self.arrays.items() if step % EVERY[kind] == 0}
        for array in taken.values():
            array.flat[0] = step % 256
        return taken


def expected(steps: int) -> Counter[str]:
    """How many events of each kind `steps` steps make."""
    return Counter({kind: len(range(0, steps, period)) for kind, period in EVERY.items()})

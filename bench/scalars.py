"""The scalars of W1: ten keys, and values that are another float object in every cell.

A loop that logs the same ten float objects over and over finds them in the cache, and a logger that keeps references
looks better than it is; so the values are made beforehand, and each is used once.
"""

import gc

import numpy as np

# Short names on purpose: the reference pays for every byte of a key, asynclog doesn't. These give it 21 bytes a scalar.
KEYS = (
    "train/loss",
    "train/acc",
    "train/ret",
    "train/ent",
    "train/kl",
    "train/vf",
    "train/lr",
    "train/clip",
    "train/len",
    "train/fps",
)
WIDTH = len(KEYS)

# A chunk is what is timed in one piece; the loop gets a turn between two, as any asyncio program would give it.
CHUNK = 1_000

Row = tuple[float, float, float, float, float, float, float, float, float, float]


def rows(steps: int, seed: int = 0) -> list[Row]:
    """`steps` rows of WIDTH floats in [0, 1)."""
    return [tuple(row) for row in np.random.default_rng(seed).random((steps, WIDTH)).tolist()]


def chunks(steps: int, seed: int = 0) -> list[list[Row]]:
    """The same rows, CHUNK at a time; `steps` is rounded down to whole chunks."""
    flat = rows(steps, seed)
    return [flat[at : at + CHUNK] for at in range(0, steps - CHUNK + 1, CHUNK)]


def settle() -> None:
    """Take what was prepared out of the garbage collector's sight, so that it isn't scanned on the clock."""
    gc.collect()
    gc.freeze()

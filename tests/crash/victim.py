"""A training process to be killed: writes rows and events as fast as it can, and notes in a mapped file what was accepted.

The note is a store into shared memory of the page cache: it survives the process, and costs nothing that could hide a loss.
"""

import asyncio
import mmap
import sys
from pathlib import Path

import numpy as np

import asynclog as al

IMAGE_EVERY = 100
NOTE_WORDS = 4  # rows accepted, events accepted, recorder pid, epoch is open


def image(step: int) -> np.ndarray:
    """An image that tells which step it belongs to."""
    return np.full((3, 48, 48), step % 251, np.uint8)


async def train(run: str, note: Path, steps: int, recorder: str) -> None:
    with note.open("r+b") as file:
        words = memoryview(mmap.mmap(file.fileno(), 8 * NOTE_WORDS)).cast("q")
    sinks = [al.Route(al.sinks.JSONLines("lines.jsonl"), name="lines", kinds={"scalar"})]
    async with al.MultiLogger(run, sinks=sinks, recorder=recorder) as log:
        words[2] = log.statistics()["recorder"]["pid"] or 0
        words[3] = 1
        for step in range(steps):
            if step % IMAGE_EVERY == 0:
                log.log_image("frame", image(step))
                log.log_string("says", f"step {step}")
            log.log({"loss": step * 0.5, "accuracy": -step * 0.25, "count": step})
            await log.write(step)
            words[0] = step + 1
            if step % IMAGE_EVERY == 0:
                words[1] += 2
            if step % 1000 == 0:
                words[2] = log.statistics()["recorder"]["pid"] or 0


if __name__ == "__main__":
    asyncio.run(train(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else "process"))

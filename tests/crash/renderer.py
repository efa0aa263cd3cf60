"""A training process to be killed that renders into loans, as fast as it can; it notes what was accepted, as ``victim`` does.

A frame tells which step it belongs to in each of its words: it can't be torn without showing it.
"""

import argparse
import asyncio
import signal
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.crash.victim import Word, mapped

LARGE_EVERY: Final = 20
SMALL_SHAPE: Final = (48, 48)
LARGE_SHAPE: Final = (640, 1000)


def frame_of(step: int, shape: tuple[int, ...]) -> np.ndarray:
    """int64, no two words alike, of no two steps."""
    size = int(np.prod(shape))
    return (np.arange(size, dtype=np.int64) + step * size).reshape(shape)


async def render(options: argparse.Namespace) -> None:
    import asynclog as al

    words = mapped(options.note)
    async with al.MultiLogger(options.run, slabs=64 << 20) as log:
        words[Word.RECORDER] = log.statistics()["recorder"]["pid"] or 0
        small = log.loan("small", SMALL_SHAPE, np.int64)
        large = log.loan("large", LARGE_SHAPE, np.int64)
        print("open", flush=True)
        for step in range(1 << 40):
            if step == options.stop_at:
                await leave_half_done(large, step, options.half)
            if step % LARGE_EVERY == 0:
                async with large as frame:
                    frame[:] = frame_of(step, LARGE_SHAPE)
                words[Word.RECORDER] = log.statistics()["recorder"]["pid"] or 0
            async with small as frame:
                frame[:] = frame_of(step, SMALL_SHAPE)
            await log.write(step)
            words[Word.ROWS] = step + 1
            if words[Word.STOP]:
                break


async def leave_half_done(handle: Any, step: int, half: str) -> None:
    """Stop while a frame is being rendered, or when it was and no write has taken it; until killed."""
    async with handle as frame:
        frame[: len(frame) // 2] = frame_of(step, LARGE_SHAPE)[: len(frame) // 2]
        if half == "rendered":
            print("half", flush=True)
            signal.pause()
    print("half", flush=True)
    signal.pause()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("note", type=Path)
    parser.add_argument("--stop-at", type=int, default=-1, help="step")
    parser.add_argument("--half", choices=["rendered", "written"], default="rendered")
    asyncio.run(render(parser.parse_args()))


if __name__ == "__main__":
    main()

"""The reference: a dict a step through `msgpack.packb` into a buffered file, the least a logger of one's own does.

The buffer has 64 KiB, since that was 8 % faster than Python's default of 8 KiB: the bar should be a good one.
"""

import asyncio
import os
import time
from pathlib import Path
from time import perf_counter
from typing import IO, Any

import msgpack

from bench.figures import Sample
from bench.scalars import CHUNK, WIDTH, Row, chunks, settle

BUFFER_BYTES = 1 << 16


def log_chunk(file: IO[bytes], chunk: list[Row], start: int) -> None:
    """W1's steps `start` … as the reference logs them."""
    for step, (a, b, c, d, e, f, g, h, i, j) in enumerate(chunk, start):
        file.write(
            msgpack.packb(
                {
                    "step": step,
                    "time": time.time(),
                    "train/loss": a,
                    "train/acc": b,
                    "train/ret": c,
                    "train/ent": d,
                    "train/kl": e,
                    "train/vf": f,
                    "train/lr": g,
                    "train/clip": h,
                    "train/len": i,
                    "train/fps": j,
                }
            )
        )


def scalars(directory: Path, *, steps: int) -> Sample:
    """W1: ns a scalar in the caller and until closed after an fsync, bytes a scalar, the longest step in ms."""
    return asyncio.run(_scalars(directory / "run.msgpack", steps))


async def _scalars(path: Path, steps: int) -> Sample:
    warm, *work = chunks(steps + CHUNK)
    settle()
    inside = 0.0
    with path.open("wb", buffering=BUFFER_BYTES) as file:
        log_chunk(file, warm, 0)
        file.flush()
        begin = perf_counter()
        for number, chunk in enumerate(work, 1):
            before = perf_counter()
            log_chunk(file, chunk, number * CHUNK)
            inside += perf_counter() - before
            await asyncio.sleep(0)
        file.flush()
        os.fsync(file.fileno())
    closed = perf_counter() - begin
    scalars = steps * WIDTH
    return {
        "caller_ns": inside / scalars * 1e9,
        "closed_ns": closed / scalars * 1e9,
        "bytes": os.stat(path).st_size / (scalars + CHUNK * WIDTH),
        "max_step_ms": await asyncio.to_thread(_longest_step, path, work),
    }


def _longest_step(path: Path, work: list[list[Row]]) -> float:
    longest = 0.0
    with path.open("wb", buffering=BUFFER_BYTES) as file:
        for number, chunk in enumerate(work[:50]):
            for offset, row in enumerate(chunk):
                before = perf_counter()
                log_chunk(file, [row], number * CHUNK + offset)
                longest = max(longest, perf_counter() - before)
    return longest * 1e3


def log_step(file: IO[bytes], step: int, values: dict[str, Any]) -> None:
    """One step of any values; arrays must come as bytes, which go inline."""
    file.write(msgpack.packb({"step": step, "time": time.time(), **values}))

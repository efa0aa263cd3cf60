"""W1 for a library that is slow enough to time each step call by itself: 40 ns of clock in more than 20,000."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from bench.figures import Sample
from bench.plan import stored_bytes
from bench.scalars import KEYS, WIDTH, rows, settle


def measure(directory: Path, steps: int, log: Callable[[dict[str, float], int], object], close: Callable[[], object]) -> Sample:
    """Log `steps` steps with `log(values, step)`, then `close()`; the numbers of `reference.scalars`."""
    work = rows(steps + 1)
    settle()
    log(dict(zip(KEYS, work[steps], strict=True)), 0)
    inside = longest = 0.0
    begin = perf_counter()
    for step in range(1, steps + 1):
        values = dict(zip(KEYS, work[step - 1], strict=True))
        before = perf_counter()
        log(values, step)
        took = perf_counter() - before
        inside += took
        longest = max(longest, took)
    close()
    closed = perf_counter() - begin
    scalars = steps * WIDTH
    return {
        "caller_ns": inside / scalars * 1e9,
        "closed_ns": closed / scalars * 1e9,
        "bytes": stored_bytes(directory) / scalars,
        "max_step_ms": longest * 1e3,
    }

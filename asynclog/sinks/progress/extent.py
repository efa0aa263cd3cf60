"""How far a batch goes: of each phase and epoch its writes, steps and times, without an object a write."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asynclog.sink import Batch

_Points = tuple[NDArray[np.int64], NDArray[np.int64]]


class Extent(NamedTuple):
    """Of one phase and epoch: how many writes, from which step and time (ns) to which, and the greatest step. Steps may come
    late, repeat and go back; times don't."""

    phase: str
    epoch: int
    writes: int
    first_step: int
    last_step: int
    greatest_step: int
    first_ns: int
    last_ns: int


def extents(batch: Batch) -> list[Extent]:
    """In the order of their first writes."""
    found: dict[tuple[str, int], list[_Points]] = {}
    for block in batch.blocks():
        if block.series:
            found.setdefault((block.phase, block.epoch), []).append((block.step, block.time_ns))
    for one in batch.others():
        point = np.array([one.step], np.int64), np.array([one.time_ns], np.int64)
        found.setdefault((one.phase, one.epoch), []).append(point)
    return sorted((_extent(*which, points) for which, points in found.items()), key=lambda one: one.first_ns)


def _extent(phase: str, epoch: int, points: list[_Points]) -> Extent:
    step, time = (np.concatenate(parts) for parts in zip(*points, strict=True))
    # A write's numbers, texts and media are records of their own, all of one time.
    times, where = np.unique(time, return_index=True)
    first, last = step[where[0]], step[where[-1]]
    return Extent(phase, epoch, len(times), int(first), int(last), int(step.max()), int(times[0]), int(times[-1]))

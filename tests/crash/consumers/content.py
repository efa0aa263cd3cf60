"""What is logged, so that whoever gets it can tell by itself whether every byte is the right one.

A tensor begins with its step and the CRC-32C of everything behind it, seeded with the step: bytes of another step, of an
older use of the same memory, or of a copy that was cut short don't fit. Its size follows from its step as well.
"""

import json
import os
from collections import deque
from pathlib import Path
from typing import Any, Final

import numpy as np
from crc32c import crc32c

LARGEST_BYTES: Final = 6 << 20
VERY_LARGE_BYTES: Final = 18 << 20
"""Copied by a thread, in a slab of its own."""
VERY_LARGE_EVERY: Final = 97
_HEAD_WORDS: Final = 2
_SMALLEST_BYTES: Final = 256
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)


def size_of(step: int) -> int:
    """Bytes of a step's tensor: small, middling and large ones alike, so many of each decade."""
    if step % VERY_LARGE_EVERY == VERY_LARGE_EVERY - 1:
        return VERY_LARGE_BYTES
    with np.errstate(over="ignore"):
        chance = float((np.uint64(step) * _SPREAD) >> np.uint64(32)) / 2**32
    return int(_SMALLEST_BYTES * (LARGEST_BYTES / _SMALLEST_BYTES) ** chance) // 8 * 8


class Source:
    """Makes tensors, all in the same memory: what one step logged is overwritten by the next."""

    def __init__(self) -> None:
        self._noise = np.random.default_rng(7).integers(0, 256, VERY_LARGE_BYTES + (1 << 20), np.uint8)
        self._scratch = np.empty(VERY_LARGE_BYTES, np.uint8)

    def tensor(self, step: int, nbytes: int) -> "np.ndarray[Any, Any]":
        """(nbytes,) uint8; good until the next call."""
        array = self._scratch[:nbytes]
        start = step * 4099 % (1 << 20)
        array[:] = self._noise[start : start + nbytes]
        array[: 8 * _HEAD_WORDS].view(np.int64)[:] = step, _sum(array, step)
        return array


def is_whole(array: "np.ndarray[Any, Any]", step: int, nbytes: int) -> bool:
    """Whether every byte is what the step logged."""
    if array.dtype != np.uint8 or array.shape != (nbytes,):
        return False
    told, checksum = (int(one) for one in np.array(array[: 8 * _HEAD_WORDS]).view(np.int64))
    return told == step and checksum == _sum(array, step)


def _sum(array: "np.ndarray[Any, Any]", step: int) -> int:
    return int(crc32c(memoryview(array)[8 * _HEAD_WORDS :], step & 0xFFFFFFFF))


class Wrongs:
    """Where every process of a scene writes what it found wrong, a line each."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "wrongs.jsonl"

    def add(self, who: str, what: str) -> None:
        line = json.dumps({"who": who, "what": what}) + "\n"
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(fd, line.encode())
        os.close(fd)

    def all(self) -> list[str]:
        if not self._path.exists():
            return []
        return [f"{one['who']}: {one['what']}" for one in map(json.loads, self._path.read_text().splitlines())]


class Inspector:
    """Checks events. It keeps the last ``keeps`` tensors, and checks each once more when it lets go of it: memory that somebody
    still looks into must not have been used again."""

    def __init__(self, who: str, wrongs: Wrongs, keeps: int) -> None:
        self._who, self._wrongs, self._keeps = who, wrongs, keeps
        self._kept: deque[tuple[np.ndarray[Any, Any], int, int]] = deque()
        self.torn = 0

    def look(self, event: Any) -> None:
        """At one event of a victim's."""
        if event.kind == "tensor":
            # Of a write that was cancelled only the checksum says how long it should be.
            nbytes = size_of(event.step) if event.key == "frame" else event.value.data.nbytes
            self._check(event.value.data, event.step, nbytes, event.key)
            self._kept.append((event.value.data, event.step, nbytes))
            while len(self._kept) > self._keeps:
                self._let_go()
        elif event.kind == "scalar" and event.value != (event.step if event.key == "count" else event.step * 0.5):
            self._wrong(f"{event.key} of step {event.step} is {event.value!r}")
        elif event.kind not in ("tensor", "scalar"):
            self._wrong(f"a {event.kind} {event.namespace}/{event.key} of step {event.step}: {event.value!r}")

    def clear(self) -> None:
        """Let go of all that is kept."""
        while self._kept:
            self._let_go()

    def _let_go(self) -> None:
        array, step, nbytes = self._kept.popleft()
        self._check(array, step, nbytes, "kept tensor")

    def _check(self, array: "np.ndarray[Any, Any]", step: int, nbytes: int, what: str) -> None:
        if not is_whole(array, step, nbytes):
            self._wrong(f"torn: the {what} of step {step}, {array.nbytes} of {nbytes} bytes")

    def _wrong(self, what: str) -> None:
        self.torn += 1
        self._wrongs.add(self._who, what)

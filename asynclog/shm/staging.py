"""Where numbers from a device arrive, before they become a row: a little memory of this process, registered once.

Nobody else sees it. It is used from front to back, and again from the front once all of it was given back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from asynclog.shm import memory
from asynclog.shm.device import Device
from asynclog.shm.registry import take_back
from asynclog.values import Array

_CHUNK_BYTES: Final = 64 << 10
_NUMBER_BYTES: Final = 8


@dataclass
class _Chunk:
    mapping: memory.Mapping
    registered: bool
    used: int = 0
    lent: int = 0


class Place(NamedTuple):
    """Room for some numbers of eight bytes each."""

    chunk: _Chunk
    numbers: Array


class Staging:
    """Of one device. registered: registers memory with it, or says that it can't be. The caller holds a lock."""

    def __init__(self, device: Device, registered: Callable[[Device, memoryview], bool]) -> None:
        self._device, self._registered = device, registered
        self._chunks: list[_Chunk] = []

    def take(self, count: int, dtype: "np.dtype[Any]") -> Place:
        """Room for ``count`` numbers of float64, int64 or uint64."""
        nbytes = _NUMBER_BYTES * count
        chunk = next((one for one in self._chunks if one.used + nbytes <= one.mapping.size), None) or self._more(nbytes)
        numbers = np.ndarray((count,), dtype, chunk.mapping.view, chunk.used)
        chunk.used += nbytes
        chunk.lent += 1
        return Place(chunk, numbers)

    def give_back(self, place: Place) -> None:
        """When nothing is written to it any more, and it was read."""
        chunk = place.chunk
        chunk.lent -= 1
        if not chunk.lent:
            chunk.used = 0

    def close(self) -> None:
        """Let go of what nobody uses; the rest stays, since a device may yet write to it."""
        for chunk in self._chunks:
            if not chunk.lent and chunk.registered:
                take_back(self._device, chunk.mapping)
        self._chunks = [one for one in self._chunks if one.lent]

    def _more(self, nbytes: int) -> _Chunk:
        mapping = memory.create_anonymous(max(_CHUNK_BYTES, nbytes))
        chunk = _Chunk(mapping, self._registered(self._device, mapping.view))
        self._chunks.append(chunk)
        return chunk

    def __repr__(self) -> str:
        return f"<Staging of {self._device}: {sum(one.lent for one in self._chunks)} writes on their way>"

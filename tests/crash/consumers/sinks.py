"""The sink that is served in worker processes: it checks what it is given, and notes what it took before it says so.

The note is appended to a file of the process's own, with one system call a batch: it survives the process, as what ``write``
has returned for must.
"""

import os
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.crash.consumers.content import Inspector, Wrongs

TAKEN: Final = np.dtype([("key", np.int64), ("step", np.int64)])
KEYS: Final = {"frame": 0, "count": 1, "half": 2}


class CheckingSink:
    """folder: the scene's. name: of its route. keeps: tensors that it goes on looking into."""

    default_place = "process"

    def __init__(self, folder: Path, name: str, keeps: int) -> None:
        self._folder, self._name, self._keeps = folder, name, keeps
        self._fd = -1
        self._inspector: Inspector | None = None

    async def open(self, run: Any) -> None:
        if self._inspector is None:
            folder = self._folder / "taken" / self._name
            folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(folder / str(os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            self._inspector = Inspector(f"sink {self._name}, process {os.getpid()}", Wrongs(self._folder), self._keeps)

    async def write(self, batch: Any, /) -> None:
        assert self._inspector is not None
        found = []
        for event in batch:
            self._inspector.look(event)
            if event.key in KEYS:
                found.append((KEYS[event.key], event.step))
            del event
        os.write(self._fd, np.array(found, TAKEN).tobytes())

    async def flush(self) -> None:
        assert self._inspector is not None
        self._inspector.clear()

    async def aclose(self) -> None:
        await self.flush()


def taken(folder: Path, name: str) -> "dict[str, np.ndarray[Any, Any]]":
    """By key, the steps that the route's sinks took, in all processes together; a step may be there more than once."""
    parts = [np.frombuffer(one.read_bytes(), TAKEN) for one in (folder / "taken" / name).glob("*")]
    everything = np.concatenate([np.empty(0, TAKEN), *parts])
    return {key: everything["step"][everything["key"] == number] for key, number in KEYS.items()}

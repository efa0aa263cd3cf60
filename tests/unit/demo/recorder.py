"""A logger that only remembers, and the run it remembers: what the demo's tests record with."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from asynclog.demo.report import Curve, Recorded, size_of
from asynclog.demo.training import Plan
from asynclog.state import State


@dataclass(frozen=True, slots=True)
class Remembered:
    """One value as written: callables made, numbers folded."""

    kind: str
    key: str
    value: Any
    phase: str
    step: int
    parameters: Mapping[str, Any] = field(default_factory=dict)


FOLDS: dict[str, Callable[[list[float]], float]] = {
    "mean": lambda values: float(np.mean(values)),
    "max": max,
    "last": lambda values: values[-1],
}


class MemoryEntry:
    """Takes values, and gives them to the log at a state."""

    def __init__(self) -> None:
        self._numbers: dict[str, tuple[str, list[float]]] = {}
        self._pending: list[tuple[str, str, Any, dict[str, Any]]] = []

    def log_scalar(self, key: str, value: float, /, *, reduce: str = "last") -> None:
        self._numbers.setdefault(key, (reduce, []))[1].append(float(value))

    def log_string(self, key: str, value: str, /) -> None:
        self._pending.append(("string", key, value, {}))

    def log_image(self, key: str, value: Any, /, **parameters: Any) -> None:
        self._pending.append(("image", key, value, parameters))

    log_images = log_labeled_images = log_image

    def log_video(self, key: str, value: Any, /, *, fps: int) -> None:
        self._pending.append(("video", key, value, {"fps": fps}))

    def log_histogram(self, key: str, value: Any, /, *, namespace: str) -> None:
        self._pending.append(("histogram", key, value, {"namespace": namespace}))

    def log_point_cloud(self, key: str, value: Any, /, **parameters: Any) -> None:
        self._pending.append(("point_cloud", key, value, parameters))

    def log_table(self, key: str, value: Any, /, **parameters: Any) -> None:
        self._pending.append(("table", key, value, parameters))

    def log_audio(self, key: str, value: Any, /, *, sample_rate: int) -> None:
        self._pending.append(("audio", key, value, {"sample_rate": sample_rate}))

    def log_tensor(self, key: str, value: Any, /) -> None:
        self._pending.append(("tensor", key, value, {}))

    def taken(self, state: State, due: bool) -> list[Remembered]:
        """The pending values at a state; without the costly ones unless they are due."""
        numbers = [
            Remembered("scalar", key, FOLDS[fold](values), state.phase, state.step)
            for key, (fold, values) in self._numbers.items()
        ]
        costly = [
            Remembered(kind, key, value() if callable(value) else value, state.phase, state.step, parameters)
            for kind, key, value, parameters in self._pending
            if due
        ]
        self._numbers.clear()
        self._pending.clear()
        return numbers + costly


class MemoryLog(MemoryEntry):
    """A logger for `session.run`: every phase is due but train, which is due every tenth write."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        super().__init__()
        self.directory = directory
        self.plan = plan
        self.values: list[Remembered] = []
        self.config: dict[str, Any] = {}
        self.closed = False
        self.train_writes = 0
        self.newest_train_step = 0
        self.on_write: Callable[[], None] = lambda: None

    def log_config(self, config: Mapping[str, Any], /) -> None:
        self.config |= config

    async def write(self, state: State, /) -> None:
        due = state.phase != "train" or self.train_writes % 10 == 0
        self.train_writes += state.phase == "train"
        self.values += self.taken(state, due)
        self.newest_train_step = max(self.newest_train_step, state.step)
        self.on_write()

    @asynccontextmanager
    async def at(self, state: State, /) -> AsyncIterator[MemoryEntry]:
        entry = MemoryEntry()
        yield entry
        self.values += entry.taken(state, due=True)

    def series(self, key: str, phase: str) -> Curve:
        found = [value for value in self.values if (value.kind, value.key, value.phase) == ("scalar", key, phase)]
        return Curve(np.array([v.step for v in found]), np.array([v.value for v in found], np.float64))

    def of(self, kind: str) -> list[Remembered]:
        return [value for value in self.values if value.kind == kind]


class Memories:
    """Opens one MemoryLog, and reads it back: the two ends that `session.run` takes."""

    def __init__(self) -> None:
        self.log: MemoryLog | None = None
        self.on_write: Callable[[], None] = lambda: None

    def open(self, directory: Path, plan: Plan) -> AbstractAsyncContextManager[MemoryLog]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[MemoryLog]:
            self.log = MemoryLog(directory, plan)
            self.log.on_write = self.on_write
            try:
                yield self.log
            finally:
                self.log.closed = True

        return opened()

    def read(self, directory: Path, key: str) -> Recorded:
        assert self.log is not None
        return Recorded(
            counts=Counter(value.kind for value in self.log.values),
            size_bytes=size_of(directory),
            curves={phase: self.log.series(key, phase) for phase in ("train", "valid")},
            status="finished" if self.log.closed else "running",
            missing=0,
        )

"""What the training asks of its logger: a part of MultiLogger, so that anything with these methods can record it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asynclog.state import State


class Entry(Protocol):
    """What takes values: the logger, and what its `at` gives. A callable is called when the value is due."""

    def log_scalar(self, key: str, value: float, /, *, reduce: Any = ...) -> None:
        """A number; several before a write fold by `reduce`."""

    def log_string(self, key: str, value: str, /) -> None:
        """A line of text."""

    def log_image(self, key: str, value: Callable[[], NDArray[np.uint8]], /) -> None:
        """A picture, (C, H, W) uint8."""

    def log_video(self, key: str, value: NDArray[np.uint8], /, *, fps: int) -> None:
        """A film, (T, C, H, W) uint8."""

    def log_histogram(self, key: str, value: Callable[[], NDArray[np.float32]], /, *, namespace: str) -> None:
        """Numbers whose distribution matters."""

    def log_point_cloud(self, key: str, value: Callable[[], NDArray[np.float32]], /) -> None:
        """Points, (N, 3)."""

    def log_audio(self, key: str, value: NDArray[np.float32], /, *, sample_rate: int) -> None:
        """A sound, (C, T) in [-1, 1]."""

    def log_tensor(self, key: str, value: Callable[[], NDArray[np.float32]], /) -> None:
        """An array as it is."""


class Log(Entry, Protocol):
    """The logger itself."""

    def log_config(self, config: Mapping[str, Any], /) -> Any:
        """What the run was started with."""

    def at(self, state: State, /) -> AbstractAsyncContextManager[Any]:
        """Values of one state apart from all others, written when the block ends."""

    async def write(self, state: State, /) -> Any:
        """Write what was logged since the last write."""

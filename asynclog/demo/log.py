"""What the training asks of its logger: a part of MultiLogger, so that anything with these methods can record it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asynclog.state import State

Floats = NDArray[np.float32] | Callable[[], NDArray[np.float32]]


class Entry(Protocol):
    """What takes values: the logger, and what its `at` gives. A callable is called when the value is due."""

    def log_scalar(self, key: str, value: float, /, *, reduce: Any = ...) -> None:
        """A number; several before a write fold by `reduce`."""

    def log_string(self, key: str, value: str, /) -> None:
        """A line of text."""

    def log_image(
        self,
        key: str,
        value: NDArray[np.uint8] | Callable[[], NDArray[np.uint8]],
        /,
        *,
        caption: str | None = ...,
        keep_resolution: bool = ...,
    ) -> None:
        """A picture, (C, H, W) uint8."""

    def log_images(
        self, key: str, value: Callable[[], NDArray[np.uint8]], /, *, sep: int = ..., keep_resolution: bool = ...
    ) -> None:
        """Pictures, (N, H, W) uint8, shown beside each other."""

    def log_labeled_images(
        self, key: str, value: Sequence[tuple[NDArray[np.uint8], str]], /, *, sep: int = ..., keep_resolution: bool = ...
    ) -> None:
        """Pictures, (H, W) uint8, each with words below it."""

    def log_video(self, key: str, value: NDArray[np.uint8], /, *, fps: int) -> None:
        """A film, (T, C, H, W) uint8."""

    def log_histogram(self, key: str, value: Floats, /, *, namespace: str) -> None:
        """Numbers whose distribution matters."""

    def log_point_cloud(
        self, key: str, value: Floats, /, *, colors: NDArray[np.uint8] | None = ..., labels: NDArray[np.int64] | None = ...
    ) -> None:
        """Points, (N, 3), with a colour (N, 3) and a label (N,) each."""

    def log_audio(self, key: str, value: NDArray[np.float32], /, *, sample_rate: int) -> None:
        """A sound, (C, T) in [-1, 1]."""

    def log_tensor(self, key: str, value: Floats, /) -> None:
        """An array as it is."""

    def log_table(self, key: str, value: Sequence[Sequence[Any]], /, *, columns: Sequence[str]) -> None:
        """Rows under columns."""


class Log(Entry, Protocol):
    """The logger itself."""

    def log_config(self, config: Mapping[str, Any], /) -> Any:
        """What the run was started with."""

    def at(self, state: State, /) -> AbstractAsyncContextManager[Any]:
        """Values of one state apart from all others, written when the block ends."""

    async def write(self, state: State, /) -> Any:
        """Write what was logged since the last write."""

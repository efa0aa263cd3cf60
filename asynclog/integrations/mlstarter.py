"""ml-starter's loggers, ported: a class that derives from ``BaseLogger`` here runs as it is, in a place of its own.

    log = al.MultiLogger("runs/x", sinks=[al.Route(Ported(MyLogger(config)))])

A module that exports it as ``Logger`` is named in a configuration, ``use: loggers/mine.py``, and imported where it runs alone.
"""

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Final, Self

import numpy as np

from asynclog.errors import InvalidConfiguration
from asynclog.sink import Batch, Event, RunInfo, settle
from asynclog.state import State as OwnState
from asynclog.values import Audio, Image, PointCloud, Spectrogram, Video

_INTERVALS: Final = ("write_every_n_seconds", "write_train_every_n_seconds", "write_val_every_n_seconds")


@dataclass
class BaseLoggerConfig:
    """Seconds between writes: in general, in train, in valid and test."""

    write_every_n_seconds: float | None = None
    write_train_every_n_seconds: float | None = None
    write_val_every_n_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A state by ml-starter's names. num_samples: the axis ``samples``; elapsed_time_s: the state's, else since the logger was
    made."""

    phase: str
    num_epochs: int
    num_steps: int
    elapsed_time_s: float
    num_samples: int = 0

    @property
    def training(self) -> bool:
        return self.phase == "train"

    @classmethod
    def of(cls, state: OwnState, began: float) -> Self:
        """The same state."""
        elapsed = time.monotonic() - began if state.elapsed_s is None else state.elapsed_s
        return cls(state.phase, state.epoch, state.step, elapsed, int(state.axes.get("samples", 0)))


class BaseLogger:
    """Override any ``log_*``, and ``write(state)``, which is called once a write that is due, after its values.

    value, in the hooks, is called for what was logged, in its canonical form: a number; a str; an image (C, H, W) uint8; audio
    ((C, T) float32, Hz); a video (T, C, H, W) uint8; a Histogram, counted already; a point cloud (1, N, 3) with what a screen
    shows of it. ``tensors = True`` makes tensors of torch of the arrays. Images, labelled ones and spectrograms are images.

    config: with ``write_every_n_seconds`` and its like, or a mapping. log_directory: of this logger alone, ``sinks/<name>`` in
    the run.
    """

    tensors: ClassVar[bool] = False
    log_directory: Path

    def __init__(self, config: Any = None) -> None:
        given = BaseLoggerConfig() if config is None else config
        self.config: Any = SimpleNamespace(**_with_intervals(given)) if isinstance(given, Mapping) else given
        self.last_write_time: dict[str, float] = {}

    def initialize(self, log_directory: Path) -> None:
        """Called once, in the process that it runs in, before anything is logged."""
        self.log_directory = log_directory

    def log_scalar(self, key: str, value: Callable[[], Any], state: State, namespace: str) -> None:
        """A number."""

    def log_string(self, key: str, value: Callable[[], str], state: State, namespace: str) -> None:
        """A text."""

    def log_image(self, key: str, value: Callable[[], Any], state: State, namespace: str) -> None:
        """An image, or a mosaic of several."""

    def log_audio(self, key: str, value: Callable[[], tuple[Any, int]], state: State, namespace: str) -> None:
        """A sound, or several one after the other."""

    def log_video(self, key: str, value: Callable[[], Any], state: State, namespace: str) -> None:
        """A video, or several side by side."""

    def log_histogram(self, key: str, value: Callable[[], Any], state: State, namespace: str) -> None:
        """A distribution."""

    def log_point_cloud(self, key: str, value: Callable[[], Any], state: State, namespace: str) -> None:
        """Points."""

    def log_config(self, config: Mapping[str, Any]) -> None:
        """The run's settings; of a method with a second argument, that is an empty mapping of metrics."""

    def should_write(self, state: State) -> bool:
        """Whether a write is due: the first of its phase is, then one after the interval, and being due begins the next. It is
        asked where the training runs."""
        last = self.last_write_time.get(state.phase)
        if last is not None and state.elapsed_time_s - last < self.write_every_n_seconds(state):
            return False
        self.last_write_time[state.phase] = state.elapsed_time_s
        return True

    def write(self, state: State) -> None:
        """What was logged since the last time is to be written."""
        raise NotImplementedError(f"{type(self).__name__} has no write(state)")

    def clear(self, state: State) -> None:
        """After ``write``: what was kept for it may go."""

    def default_write_every_n_seconds(self, state: State) -> float:
        """Seconds between writes where the configuration says nothing."""
        return 0.0

    def write_every_n_seconds(self, state: State) -> float:
        """Seconds between writes: the phase's, else the general ones, else the default."""
        name = _INTERVALS[1] if state.phase == "train" else _INTERVALS[2]
        for one in (getattr(self.config, name, None), getattr(self.config, _INTERVALS[0], None)):
            if one is not None:
                return float(one)
        return self.default_write_every_n_seconds(state)

    @classmethod
    def as_sink(cls, config: Mapping[str, Any] | None, directory: Path, root_dir: Path) -> "Ported":
        """The sink that makes and serves such a logger where it was named by its module."""
        return Ported(cls(dict(config or {})), directory)


class Ported:
    """The sink that a ported logger is. The logger's copy in the training process is asked ``should_write``; the one where it
    runs gets values, so it is pickled before ``initialize``, which is where files are opened.

    directory: where it writes; None: ``sinks/`` and its class's name, in the run. Raises InvalidConfiguration for what is no
    BaseLogger.
    """

    default_place: ClassVar[str] = "process"

    def __init__(self, logger: BaseLogger, directory: Path | None = None) -> None:
        if not isinstance(logger, BaseLogger):
            raise InvalidConfiguration(f"expected a BaseLogger of asynclog.integrations.mlstarter, got {logger!r}")
        self.logger: Any = logger
        """Of whatever class: its methods may be plain or async."""
        self._directory = directory
        self._began = time.monotonic()

    def should_write(self, state: OwnState) -> bool:
        """See BaseLogger.should_write."""
        return bool(self.logger.should_write(State.of(state, self._began)))

    async def open(self, run: RunInfo) -> None:
        self._began = time.monotonic()
        own = self._directory or run.sink_directory(type(self.logger).__name__.lower())
        await settle(self.logger.initialize(own))

    async def write(self, batch: Batch, /) -> None:
        for one in batch.writes():
            state = State.of(one.state, self._began)
            for event in one.events:
                await self._log(event, state)
            await settle(self.logger.write(state))
            await settle(self.logger.clear(state))

    async def aclose(self) -> None:
        closing = getattr(self.logger, "close", None)
        if closing is not None:
            await settle(closing())

    async def _log(self, event: Event, state: State) -> None:
        logger = self.logger
        if event.kind == "config":
            wanted = len(inspect.signature(logger.log_config).parameters)
            await settle(logger.log_config(event.value, *({},) * (wanted - 1)))
            return
        hook = getattr(logger, f"log_{'image' if event.kind == 'spectrogram' else event.kind}", None)
        if hook is not None:
            await settle(hook(event.key, lambda: self._form(event.value), state, event.namespace))

    def _form(self, value: Any) -> Any:
        if isinstance(value, Audio):
            return self._array(value.canonical()), value.sample_rate
        if isinstance(value, Image | Video):
            return self._array(value.canonical())
        if isinstance(value, Spectrogram):
            return self._array(value.canonical()[None])
        if isinstance(value, PointCloud):
            return self._array(value.canonical().xyz[None])
        return value

    def _array(self, array: np.ndarray[Any, Any]) -> Any:
        if not self.logger.tensors:
            return array
        import torch

        return torch.from_numpy(array)

    def __repr__(self) -> str:
        return f"Ported({type(self.logger).__name__})"


def _with_intervals(config: Mapping[str, Any]) -> dict[str, Any]:
    return {**dict.fromkeys(_INTERVALS), **config}

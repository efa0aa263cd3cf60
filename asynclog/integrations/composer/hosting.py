"""A sink that a Composer ``LoggerDestination`` serves, as it is: somebody's own, or one of Composer's.

It is called in a thread of its own, in the order in which values were written, with a stand-in for Composer's state: run_name,
timestamp, eval_timestamp and predict_timestamp are there, a model and its optimizers are not. Where Composer is installed the
timestamp and the logger are its own.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np

from asynclog.integrations.composer.levels import LogLevel
from asynclog.sink import BaseSink, Batch, Event, Place, RunInfo
from asynclog.sinks.naming import flat_name
from asynclog.state import State
from asynclog.values import HOOKS, Image, Record

_OURS: Final = frozenset({"init"})
"""Events that the sink itself tells of."""


class DestinationSink(BaseSink):
    """destination: any object with methods of a LoggerDestination; what it lacks is left out, and counted as rejected.

    numbers and text    log_metrics(metrics, step), once a write      settings        log_hyperparameters
    tables              log_table                                     images          log_images, masks and their labels too
    records             log_traces                                    artifacts       upload_file, if can_upload_files()
    hooks               the method of an event that the class overrides, or run_event

    One of Composer up to 0.8 gets numbers, text and settings by ``log_data(state, log_level, data)``.
    """

    default_place: ClassVar[Place] = "thread"

    def __init__(self, destination: Any) -> None:
        self.destination = destination
        self.hooks = _wanted(destination)
        self._state = StandIn("", Timestamp())
        self._logger: Any = None
        self._closed = False

    async def open(self, run: RunInfo) -> None:
        self._run = run
        self._state = StandIn(run.name, _timestamp(State(0)))
        self._logger = _logger(self._state, self.destination)
        self._called("init", self._state, self._logger)

    async def write(self, batch: Batch, /) -> None:
        for one in batch.writes():
            self._state.at(_timestamp(one.state))
            self._last = one.state
            told: dict[str, Any] = {}
            for event in one.events:
                name = flat_name(event.namespace, event.key)
                if event.kind in ("scalar", "string"):
                    told[name] = event.value
                elif not self._other(event, name):
                    batch.reject(f"{event.kind} has no place in {type(self.destination).__name__}")
            if told and not self._metrics(told, one.state):
                batch.reject(f"numbers and text have no place in {type(self.destination).__name__}", len(told))

    def _metrics(self, told: dict[str, Any], state: State) -> bool:
        if hasattr(self.destination, "log_data"):
            self.destination.log_data(self._state, _log_level(self.destination)[state.level.upper()], told)
            return True
        return self._called("log_metrics", told, state.step)

    def _other(self, event: Event, name: str) -> bool:
        value = event.value
        if event.kind == "hook":
            if value.name not in _OURS:
                self._event(value.name)
            return True
        if event.kind == "config":
            if hasattr(self.destination, "log_data"):
                return self._metrics(dict(value), event.state.replace(level="fit"))
            return self._called("log_hyperparameters", dict(value))
        if event.kind == "table":
            return self._called("log_table", list(value.columns), [list(row) for row in value.canonical()], name, event.step)
        if isinstance(value, Record):
            return self._called("log_traces", {name: value.fields.get("trace", value.message)})
        if isinstance(value, Image):
            return self._images(value, name, event.step)
        if event.kind == "artifact":
            return self._artifact(value)
        return False

    def _images(self, value: Image, name: str, step: int) -> bool:
        several: list[Any] = list(value.data) if value.batch else [value.data]
        layout = (value.layout or "").removeprefix("N")
        last = layout == "HWC" or (not layout and several[0].ndim == 3 and several[0].shape[0] not in (1, 3, 4))
        masks = {of: [np.array(mask)] for of, mask in value.masks.items()} or None
        words = {int(number): word for labels in value.mask_labels.values() for number, word in labels.items()} or None
        return self._called("log_images", [np.array(one) for one in several], name, last, step, masks, words, True)

    def _artifact(self, value: Any) -> bool:
        can = getattr(self.destination, "can_upload_files", None)
        if can is None or not can() or value.target is not None or value.files is not None or self._run.directory is None:
            return False
        from asynclog.artifacts import layout

        path = layout.content_path(self._run.directory / layout.FOLDER, value.digest)
        self.destination.upload_file(self._state, value.name, path, overwrite=value.overwrite)
        return True

    def _event(self, name: str) -> None:
        event = _event_of(name)
        if event is not None and hasattr(self.destination, "run_event"):
            self.destination.run_event(event, self._state, self._logger)
        else:
            self._called(name, self._state, self._logger)

    def _called(self, method: str, *arguments: Any) -> bool:
        found = getattr(self.destination, method, None)
        if found is None:
            return False
        found(*arguments)
        return True

    def close(self, state: State) -> None:
        self._called("close", self._state, self._logger)

    def post_close(self) -> None:
        self._called("post_close")

    def __repr__(self) -> str:
        return f"DestinationSink({self.destination!r})"


class Moment(int):
    """A Time of Composer's: a number with a value."""

    @property
    def value(self) -> int:
        return int(self)


class Timestamp:
    """A Timestamp of Composer's, where it isn't installed."""

    def __init__(self, epoch: int = 0, batch: int = 0, sample: int = 0, token: int = 0) -> None:
        self.epoch, self.batch, self.sample, self.token = Moment(epoch), Moment(batch), Moment(sample), Moment(token)

    def state_dict(self) -> dict[str, int]:
        return {name: int(one) for name, one in vars(self).items()}


class StandIn:
    """For Composer's State."""

    def __init__(self, run_name: str, timestamp: Any) -> None:
        self.run_name = run_name
        self.at(timestamp)

    def at(self, timestamp: Any) -> None:
        self.timestamp = self.eval_timestamp = self.predict_timestamp = timestamp

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{name!r}: a LoggerDestination outside of Composer's trainer is given a state with run_name and timestamps alone"
        )


class Directed:
    """For Composer's Logger, where it isn't installed: what a destination says is its own to hear."""

    def __init__(self, state: StandIn, destination: Any) -> None:
        self._state, self.destinations = state, (destination,)

    def upload_file(self, remote_file_name: str, file_path: Any, *, overwrite: bool = False) -> None:
        for one in self.destinations:
            upload = getattr(one, "upload_file", None)
            if upload is not None:
                upload(self._state, remote_file_name, file_path, overwrite=overwrite)


def _wanted(destination: Any) -> frozenset[str] | bool:
    """The events that a destination acts on: those whose methods aren't its Callback's own."""
    kind = type(destination)
    base = next((one for one in kind.__mro__ if one.__name__ == "Callback" and one is not kind), object)
    run_event = getattr(kind, "run_event", None)
    if run_event is not None and run_event is not getattr(base, "run_event", None):
        return True
    return frozenset(name for name in HOOKS if name not in _OURS and getattr(kind, name, None) is not getattr(base, name, None))


def _timestamp(state: State) -> Any:
    axes: Mapping[str, float] = state.axes
    fields = {
        "epoch": state.epoch,
        "batch": state.step,
        "sample": int(axes.get("sample", 0)),
        "token": int(axes.get("token", 0)),
    }
    try:
        from composer.core import Timestamp as Theirs
    except ImportError:
        return Timestamp(**fields)
    return Theirs(**fields)


def _logger(state: StandIn, destination: Any) -> Any:
    try:
        from composer.loggers import Logger
    except ImportError:
        return Directed(state, destination)
    return Logger(state, [destination])


def _event_of(name: str) -> Any:
    try:
        from composer.core import Event as Theirs
    except ImportError:
        return None
    return next((one for one in Theirs if one.value == name), None)


def _log_level(destination: Any) -> Any:
    """The LogLevel of a destination's own Composer, or ours, which is equal to it."""
    return getattr(__import__("sys").modules.get("composer.loggers"), "LogLevel", LogLevel)

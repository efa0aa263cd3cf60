"""A run, as W&B's: rows by ``log``, a counter of steps, axes, a summary, settings. A MultiLogger records it, and its sinks take
it on; from a loop, a thread or an actor, none of which waits for any of them.
"""

import atexit
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import Enum
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Final, Literal, Self

from asynclog.integrations.outbox import Outbox, Said
from asynclog.integrations.phases import by_phase
from asynclog.integrations.wandb import files
from asynclog.integrations.wandb.artifact import Artifact
from asynclog.integrations.wandb.beginning import Beginning, forget, tags_of
from asynclog.integrations.wandb.configuration import Config
from asynclog.integrations.wandb.metrics import Metric, Metrics, Summaries, checked_metric
from asynclog.integrations.wandb.said import UsageError, once
from asynclog.integrations.wandb.steps import Row, Steps
from asynclog.integrations.wandb.summarised import Summary
from asynclog.integrations.wandb.values import flat, plain, said
from asynclog.integrations.wandb.watching import Watching
from asynclog.logger.multi import MultiLogger
from asynclog.state import State

_ABOUT: Final = "wandb"
"""Under this key of its settings, and in this namespace, a run says what isn't a setting of the training."""
_LEVELS: Final[Mapping[str, int]] = {"INFO": 20, "WARN": 30, "ERROR": 40}


class AlertLevel(Enum):
    """As ``wandb.AlertLevel``."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class Run:
    """log: where it is recorded; None: a disabled run, which takes everything and keeps nothing. first_step: of a resumed run,
    the one behind its last. What one task logs is recorded in its order."""

    def __init__(self, about: Beginning, log: MultiLogger | None, first_step: int = 0) -> None:
        self._about, self._logger = about, log
        self._outbox = None if log is None else Outbox(log)
        self._lock = RLock()
        self._steps, self._metrics = Steps(first_step), Metrics()
        self._summaries = Summaries(self._metrics)
        # What is watched goes with the next row, whatever its step: W&B adds it to the row before, where steps are given.
        self._watched: dict[str, Any] = {}
        self._watching = Watching(self._watched.update)
        self._alerted: dict[str, float] = {}
        self._finished = False
        self.config = Config(self._record_settings)
        self.summary = Summary(self._summaries.values, self._record_summary)
        self.starting_step, self.start_time = first_step, time.time()
        # After the logger's own, so before it: the interpreter calls the latest first.
        atexit.register(self.leave)

    # -- rows -------------------------------------------------------------------------------------------------------

    def log(self, data: dict[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        """Record a row. Nested mappings are flat names, joined by dots; numbers, text and media, and lists of them.

        step: None counts on by one. A lower one than before, late or repeated, is recorded where it says. commit=False keeps
        the values, as they are, for the next row. Raises TypeError for what is no mapping of str, UsageError after the end.
        """
        self._check_open("log")
        if not isinstance(data, Mapping):
            raise TypeError("wandb.log must be passed a dictionary")
        if any(not isinstance(key, str) for key in data):
            raise TypeError("Key values passed to `wandb.log` must be strings.")
        if self._outbox is None:
            return
        values = {name: plain(value) for name, value in flat(data).items()}
        with self._lock:
            while self._watched:
                values.setdefault(*self._watched.popitem())
            done = [(row, self._noted(row)) for row in self._steps.rows(values, step, commit)]
        for row, axes in done:
            self._record(row, axes)

    def _noted(self, row: Row) -> dict[str, float]:
        numbers = {name: one for name, value in row.values.items() if (one := _known(name, value)) is not None}
        for name, value in numbers.items():
            self._summaries.add(name, value)
        return self._metrics.axes(row.values | numbers)

    def _record(self, row: Row, axes: Mapping[str, float]) -> None:
        assert self._outbox is not None
        for phase, values in by_phase(row.values).items():
            state = State(row.step, phase, axes=axes)
            self._outbox.put(state, [one for name, value in values.items() for one in said(name, value)])

    def define_metric(
        self,
        name: str,
        step_metric: str | Metric | None = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        overwrite: bool | None = None,
    ) -> Metric:
        """step_metric: an axis of the rows that hold ``name``, by its value there or, unless step_sync=False, by its last.
        summary: some of min, max, mean, first, last, none, separated by commas. hidden: up to whoever shows it. Raises
        Error."""
        self._check_open("define_metric")
        metric = checked_metric(name, step_metric, step_sync, hidden, summary, overwrite)
        with self._lock:
            return self._metrics.define(metric, overwrite=bool(overwrite))

    def _record_settings(self, values: Mapping[str, Any]) -> None:
        if self._outbox is not None and not self._finished:
            self._outbox.settings(values)

    def _record_summary(self, values: Mapping[str, Any]) -> None:
        if self._outbox is not None and not self._finished and values:
            fields = {"fields": dict(values), "logger": _ABOUT, "namespace": _ABOUT}
            self._outbox.put(State(self._steps.current, level="fit"), [Said("log_record", "summary", "summary", fields)])

    # -- what else it can be told -----------------------------------------------------------------------------------

    def alert(
        self,
        title: str,
        text: str,
        level: str | AlertLevel | None = None,
        wait_duration: float | timedelta | None = None,
    ) -> None:
        """Record an alert, unless one of this title came less than wait_duration seconds ago; an Alerts sink sends it on."""
        self._check_open("alert")
        wait = wait_duration.total_seconds() if isinstance(wait_duration, timedelta) else wait_duration or 0.0
        now = time.monotonic()
        if now - self._alerted.get(title, -float("inf")) < wait or self._outbox is None:
            return
        self._alerted[title] = now
        named = level.value if isinstance(level, AlertLevel) else (level or "INFO").upper()
        fields = {"title": title, "text": text}
        params = {"level": _LEVELS.get(named, 20), "logger": _ABOUT, "fields": fields, "namespace": _ABOUT}
        self._outbox.put(State(self._steps.current), [Said("log_record", "alert", f"{title}: {text}", params)])

    def watch(
        self,
        models: Any,
        criterion: Any = None,
        log: Literal["gradients", "parameters", "all"] | None = "gradients",
        log_freq: int = 1000,
        idx: int | None = None,
        log_graph: bool = False,
    ) -> None:
        """Histograms of a torch module's gradients and parameters, every log_freq batches, with the next row."""
        if criterion is not None or log_graph:
            once("watch(): the graph of a model is not recorded, and no criterion is needed")
        self._watching.watch(models, log, log_freq, idx)

    def unwatch(self, models: Any = None) -> None:
        """Of all models, if none are named."""
        self._watching.unwatch(models)

    def save(
        self,
        glob_str: Any,
        base_path: Any = None,
        policy: Literal["live", "now", "end"] = "live",
        glob: bool = True,
    ) -> list[str]:
        """Keep copies of files with the run, as artifacts named by their paths below base_path, each call a version of theirs.
        Returns their names. On a loop they are copied beside it."""
        self._check_open("save")
        return self._put_files(files.found(glob_str, base_path, policy, glob))

    def log_artifact(
        self,
        artifact_or_path: Any,
        name: str | None = None,
        type: str | None = None,
        aliases: list[str] | None = None,
        tags: list[str] | None = None,
    ) -> Artifact:
        """Keep an artifact's files with the run: each under ``<artifact>/<name>``."""
        self._check_open("log_artifact")
        if aliases or tags:
            once("log_artifact(): aliases and tags are recorded with it, and resolve nothing")
        artifact = Artifact.of(artifact_or_path, name or f"run-{self.id}-{Path(str(artifact_or_path)).name}", type)
        self._put_files(artifact.files())
        if self._outbox is not None:
            fields = artifact.about | {"aliases": list(aliases or ()), "tags": list(tags or ())}
            params = {"fields": fields, "logger": _ABOUT, "namespace": _ABOUT}
            self._outbox.put(State(self._steps.current), [Said("log_record", "artifact", artifact.name, params)])
        return artifact

    def log_model(self, path: Any, name: str | None = None, aliases: list[str] | None = None) -> None:
        """A file or a directory, as an artifact of type "model"."""
        self.log_artifact(path, name or f"run-{self.id}-{Path(path).name}", "model", aliases)

    def _put_files(self, named: Mapping[str, Path]) -> list[str]:
        if self._outbox is not None:
            row = [Said("log_artifact", name, path, {"overwrite": True}) for name, path in named.items()]
            self._outbox.put(State(self._steps.current), row)
        return list(named)

    # -- the end ----------------------------------------------------------------------------------------------------

    def finish(self, exit_code: int | None = None) -> None:
        """End the run: everything is delivered, or kept in the journal for later. Waits in this thread, as W&B's does; on a
        loop, ``await asyncio.to_thread(run.finish)``. exit_code: other than 0, it failed. Twice does nothing."""
        self._end(None if not exit_code else SystemExit(exit_code))

    def leave(self) -> None:
        """The program ends without ``finish``: what is kept is recorded."""
        if not self._finished and self._outbox is not None:
            self._settle()

    def _end(self, error: BaseException | None) -> None:
        if self._finished:
            return
        atexit.unregister(self.leave)
        self._watching.unwatch()
        if self._outbox is not None and self._logger is not None:
            try:
                self._settle()
            finally:
                self._finished = True
                self._logger.__exit__(None if error is None else type(error), error, None)
            if error is None:
                forget(self._about)
        self._finished = True

    def _settle(self) -> None:
        assert self._outbox is not None
        with self._lock:
            done = self._steps.rows(dict(self._watched), commit=False) + self._steps.left()
            left = [(row, self._noted(row)) for row in done]
        for row, axes in left:
            self._record(row, axes)
        self._record_summary(self._summaries.values)
        self._outbox.settle()

    def _check_open(self, call: str) -> None:
        if self._finished:
            raise UsageError(
                f"Run ({self.id}) is finished. The call to `{call}` will be ignored. "
                "Please make sure that you are using an active run."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end(error)

    # -- what it is -------------------------------------------------------------------------------------------------

    @property
    def logger(self) -> MultiLogger:
        """The MultiLogger that records it, for all that W&B has no word for. Raises UsageError for a disabled run."""
        if self._logger is None:
            raise UsageError("a disabled run has no logger")
        return self._logger

    @property
    def id(self) -> str:
        return self._about.id

    @property
    def name(self) -> str | None:
        return self._about.name

    @name.setter
    def name(self, name: str) -> None:
        self._tell("name", name)

    @property
    def notes(self) -> str | None:
        return self._about.notes

    @notes.setter
    def notes(self, notes: str) -> None:
        self._tell("notes", notes)

    @property
    def tags(self) -> tuple[str, ...]:
        return self._about.tags

    @tags.setter
    def tags(self, tags: Sequence[str]) -> None:
        self._tell("tags", tags_of(tags))

    def _tell(self, name: str, value: Any) -> None:
        setattr(self._about, name, value)
        self._record_settings({_ABOUT: self._about.about})

    @property
    def dir(self) -> str:
        """A directory for the program's own files, in the run's."""
        place = self._about.directory.resolve() / "files"
        if self._outbox is not None:
            place.mkdir(parents=True, exist_ok=True)
        return str(place)

    @property
    def directory(self) -> Path:
        """The run's, for ``al.read``."""
        return self._about.directory

    @property
    def step(self) -> int:
        return self._steps.current

    @property
    def project(self) -> str:
        return self._about.project

    @property
    def entity(self) -> str:
        return self._about.entity

    @property
    def group(self) -> str:
        return self._about.group

    @property
    def job_type(self) -> str:
        return self._about.job_type

    @property
    def path(self) -> str:
        return "/".join(filter(None, [self.entity, self.project, self.id]))

    @property
    def url(self) -> str | None:
        """None: a recording has a directory, and W&B's own process knows the address of what it was given."""
        return None

    @property
    def project_url(self) -> str | None:
        return None

    @property
    def sweep_id(self) -> str | None:
        return None

    @property
    def resumed(self) -> bool:
        return self._about.resumed

    @property
    def offline(self) -> bool:
        return self._about.mode != "online"

    @property
    def disabled(self) -> bool:
        return self._logger is None

    def __repr__(self) -> str:
        ended = "finished" if self._finished else f"step {self.step}"
        return f"<Run {self.path}: {ended}, {'disabled' if self.disabled else self.directory}>"


def _known(name: str, value: Any) -> Any:
    """A number or text as it is now, for summary and axes; None of what is neither, or would have to be waited for."""
    if isinstance(value, bool | int | float | str):
        return value
    if getattr(value, "shape", None) != ():
        return None
    device = getattr(value, "device", None)
    if getattr(device, "type", "cpu") != "cpu":
        once("the summary leaves out %r: its values lie on a device, and the loop doesn't wait for one", name)
        return None
    return value.item()

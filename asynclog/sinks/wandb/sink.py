"""The sink: a row of W&B's history for each write, at a step axis of its own.

W&B's own step never goes back: a value at a lower one is dropped. So values are logged without it, and ``step`` is a metric
that all others are drawn over; late, repeated and negative steps are kept. ``_timestamp`` is the time of the write, not of
delivery.
"""

import asyncio
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final, Literal

from asynclog.errors import InvalidConfiguration, InvalidValue, SinkRejected, SinkUnavailable
from asynclog.sink import Batch, Event, Place, RunInfo, Write
from asynclog.sinks.coded import coded, series_name
from asynclog.sinks.naming import without_collisions
from asynclog.sinks.repeats import Repeats
from asynclog.sinks.wandb import service
from asynclog.sinks.wandb.kept import log_kept
from asynclog.sinks.wandb.media import rendered
from asynclog.values import Artifact

Mode = Literal["online", "offline"]
_EXIT_CODES: Final = {"finished": 0, "failed": 1, "exited": 1, "killed": 137}
_FLUSH_S: Final = 0.1
"""How often W&B's own process writes what it was given to its file; its default is 15 s."""
_QUIET: Final[Mapping[str, Any]] = {
    "silent": True,
    "console": "off",
    # Then the runner tries again, and may be told to stop in between; W&B's own default is 90 s.
    "init_timeout": 20.0,
    "disable_code": True,
    "disable_git": True,
    "save_code": False,
    # Else a second sink's run would end the first one's.
    "reinit": "create_new",
    # What it would say of the machine it would say of the worker, at the time of delivery.
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "x_transaction_log_flush_interval": _FLUSH_S,
}
_WAY_OUT: Final = "Set WANDB_API_KEY, call `wandb login`, or write files: WandB(…, mode='offline')"
_LONGEST_FILE: Final = 180
"""Bytes of a name that becomes a file's: W&B adds 40, and file systems end at 255."""
_OWN: Final = frozenset({"step", "epoch"})


class WandB:
    """A run of Weights & Biases: everything a write holds is one row, at ``step``.

    project: where it appears. mode: "online", or "offline", which writes files for ``wandb sync`` and needs neither a key nor
    a network. entity: the team; None: the user's own. group: of runs that belong together; None: of a run of several ranks,
    its name. tags: words. directory: where W&B keeps its files; None: the sink's own directory in the run. base_url: a server
    of one's own.

    The run there has the id of the run here, so that a resumed run goes on; every rank but the first has one of its own. Raises
    InvalidConfiguration if wandb isn't installed or, online, has no key.
    """

    default_place: ClassVar[Place] = "process"

    def __init__(
        self,
        project: str,
        *,
        mode: Mode = "online",
        entity: str | None = None,
        group: str | None = None,
        tags: Iterable[str] = (),
        directory: str | Path | None = None,
        base_url: str | None = None,
    ) -> None:
        if mode not in ("online", "offline"):
            raise InvalidConfiguration(f"WandB's mode is 'online' or 'offline', not {mode!r}")
        self.project, self.mode, self.entity, self.group = project, mode, entity, group
        self.tags, self.directory, self.base_url = tuple(tags), directory, base_url
        self._info: RunInfo | None = None
        self._repeats = Repeats(None)
        self._run: Any = None

    async def open(self, run: RunInfo) -> None:
        _require_wandb()
        self._info = run
        if run.directory is not None:
            place = "-".join(filter(None, [self.mode, self.entity, self.project, _run_id(run)]))
            given = run.sink_directory("wandb") / f"{_safe(place)}.given"
            given.mkdir(exist_ok=True)
            self._repeats = Repeats(given)
        if self.mode == "online":
            # A missing key is heard of now, not with the first value.
            self._begin()

    async def write(self, batch: Batch, /) -> None:
        try:
            for one in self._repeats.left_of(batch):
                for group in without_collisions(one.events):
                    self._log(one, group, batch)
            self._hear()
        except ConnectionError as error:
            # Of what W&B's process was sent last nobody knows whether it kept it.
            self._repeats.forget(batch)
            self._forsake()
            raise SinkUnavailable("W&B's own process is gone; another is started") from error

    async def flush(self) -> None:
        """Return when W&B's process has all of it, and has had time to write its file."""
        if self._run is not None:
            self._hear()
            await asyncio.sleep(2 * _FLUSH_S)

    async def run_ended(self, status: str, error: str | None) -> None:
        if self._run is None:
            if self._repeats.ended:
                return
            self._begin()
        self._run.summary["status"] = status
        if error:
            self._run.summary["error"] = error
        self._finish(_EXIT_CODES.get(status, 1))
        self._repeats.end()

    async def aclose(self) -> None:
        self._finish(0)
        self._repeats.close()

    def _log(self, write: Write, events: list[Event], batch: Batch) -> None:
        state = write.state
        row: dict[str, Any] = {_axis_name(name): value for name, value in state.axes.items()}
        row |= {"step": state.step, "_timestamp": write.time_ns / 1e9}
        if state.epoch:
            row["epoch"] = state.epoch
        frame = len(row)
        with TemporaryDirectory(prefix="asynclog-wandb-") if _has_mesh(events) else _no_directory() as scratch:
            for event in events:
                if event.kind == "config":
                    self._started(write).config.update(_settings(event.value), allow_val_change=True)
                elif isinstance(event.value, Artifact):
                    self._keep(write, event.value, batch)
                elif event.kind == "scalar":
                    row[series_name(event.phase, event.namespace, event.key)] = event.value
                else:
                    _add(row, event, Path(scratch), batch)
            if len(row) > frame:
                self._started(write).log(row)

    def _keep(self, write: Write, value: Artifact, batch: Batch) -> None:
        assert self._info is not None, "open() comes first"
        try:
            log_kept(self._started(write), self._info.directory, value)
        except SinkRejected as error:
            batch.reject(str(error))

    def _started(self, write: Write) -> Any:
        if self._run is None:
            self._begin(write.time_ns / 1e9)
        return self._run

    def _begin(self, start: float | None = None) -> None:
        import wandb

        info = self._info
        assert info is not None, "open() comes first"
        # A training process that uses W&B itself passes its service on, which would end with it.
        os.environ.pop("WANDB_SERVICE", None)
        chosen: dict[str, Any] = {"x_start_time": start, "base_url": self.base_url}
        settings = {**_QUIET} | {name: one for name, one in chosen.items() if one is not None}
        with _translated():
            run = service.begin(
                project=self.project,
                entity=self.entity,
                group=self.group or (info.name if info.rank else None),
                tags=self.tags or None,
                name=info.name or None,
                id=_run_id(info),
                resume="allow" if info.id else None,
                mode=self.mode,
                dir=self._files(info),
                settings=wandb.Settings(**settings),
            )
        run.define_metric("step", hidden=True)
        run.define_metric("*", step_metric="step")
        self._run = run

    def _files(self, info: RunInfo) -> str | None:
        if self.directory is not None:
            where = Path(self.directory).expanduser()
            where.mkdir(parents=True, exist_ok=True)
            return str(where)
        return None if info.directory is None else str(info.sink_directory("wandb"))

    def _hear(self) -> None:
        """Return when W&B's process has all of it: it answers in the order of what it was sent. Raises ConnectionError."""
        from wandb.sdk.mailbox import MailboxClosedError

        try:
            _ = None if self._run is None else self._run.step
        except MailboxClosedError as error:
            raise ConnectionResetError("W&B's own process doesn't answer") from error

    def _forsake(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            service.leave()

    def _finish(self, exit_code: int) -> None:
        run, self._run = self._run, None
        if run is not None:
            service.finish(run, exit_code)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_run": None}


def _require_wandb() -> None:
    try:
        import wandb  # noqa: F401
    except ImportError as error:
        raise InvalidConfiguration("the sink WandB needs wandb: pip install 'asynclog-stream[wandb]'") from error


def _add(row: dict[str, Any], event: Event, scratch: Path, batch: Batch) -> None:
    name = series_name(event.phase, event.namespace, event.key)
    if event.kind not in ("string", "record") and max(map(len, name.encode().split(b"/"))) > _LONGEST_FILE:
        batch.reject(f"W&B makes files of a {event.kind}'s name, which is longer than {_LONGEST_FILE} bytes")
        return
    try:
        row[name] = rendered(event.kind, event.value, scratch)
    except InvalidValue as error:
        batch.reject(f"W&B can't show a value: {error}")


def _axis_name(name: str) -> str:
    """A further axis stands beside ``step`` under its own name, unless that could be another's."""
    taken = name in _OWN or name.startswith("_") or "/" in name or not name
    return series_name("axes", "", name) if taken else coded(name)


def _has_mesh(events: list[Event]) -> bool:
    return any(one.kind == "mesh" for one in events)


@contextmanager
def _no_directory() -> Iterator[str]:
    yield ""


@contextmanager
def _translated() -> Iterator[None]:
    """W&B's errors as what they mean for delivery."""
    import wandb

    try:
        yield
    except wandb.errors.CommError as error:
        if not _refused(error):
            raise SinkUnavailable(f"W&B can't be reached: {error}") from error
        raise InvalidConfiguration(f"W&B won't begin the run: {error} {_WAY_OUT}") from error
    except wandb.errors.UsageError as error:
        raise InvalidConfiguration(f"W&B won't begin the run: {error} {_WAY_OUT}") from error


def _refused(error: Exception) -> bool:
    """Whether the key is wrong. W&B calls it an AuthenticationError as well if nobody could be asked."""
    import wandb

    text = str(error)
    asked = text.startswith(("Failed to verify", "An error occurred while verifying"))
    wrong = not asked or "invalid credentials" in text or "401" in text or "403" in text
    return isinstance(error, wandb.errors.AuthenticationError) and wrong


def _run_id(info: RunInfo) -> str | None:
    """The run's id there; None for a run that nothing can come back to."""
    if not info.id:
        return None
    return _safe(info.id if info.rank == 0 and info.writer in ("main", "rank0") else f"{info.id}-{info.writer}")


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): one for name, one in config.items()}

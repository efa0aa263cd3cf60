"""The MultiLogger: what a training loop holds in its hands."""

import asyncio
import logging
import os
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from asynclog.errors import InvalidValue, WouldBlock
from asynclog.logger.checkpoint import Checkpoints
from asynclog.logger.collect import Collector
from asynclog.logger.parts import ChildLogger, Entry, child_of
from asynclog.state import State, as_state

_log = logging.getLogger("asynclog")
_SETTINGS: Final = State(0, level="fit")
_NO_ROOM: Final = "settings were logged and never written: until the end there was no room for them"
_LEAST_S: Final = 0.05
"""For a write that need not wait, whatever the deadline."""

if TYPE_CHECKING:
    from asynclog.artifacts.settings import Artifacts
    from asynclog.engine.settings import Journal
    from asynclog.flow.limit import RateLimit
    from asynclog.flow.route import Route
    from asynclog.logger.capturing.settings import Capture
    from asynclog.logger.row import RowHandle
    from asynclog.sink import Sink
    from asynclog.state import Phase


class MultiLogger(Collector, Checkpoints):
    """Records what a training loop says, at a cost the loop can't feel.

    run: the run's directory; None: nothing is kept, values go to the sinks alone.
    sinks: sinks, or Routes that say how each is served. limit: every route's default; None: everything, always.
    journal: how the run is kept on disk. slabs: bytes of shared memory at most; default min(1 GiB, cgroup limit / 8).
    recorder: "process" (survives this process), or "thread". config: settings of the run, recorded once.
    resume: "allow" (an existing run goes on as the next epoch), "must", or "never". rewind_to: the step of the checkpoint that
    training goes back to, or one a phase, {"train": 800, "valid": 80}, where phases count for themselves: what this writer
    recorded at later steps is superseded. It stays in the journal, and readers leave it out. strict: bad values raise
    InvalidValue instead of being counted and recorded as an event. writer: this process's name within the run. switch_interval:
    seconds between threads' turns at the GIL while sinks or the engine live in threads of this process (it is the
    interpreter's, so it holds for everybody; the interpreter's default of 5 ms would be felt by the loop); None: leave it
    alone. capture: what is recorded beside what is logged, from the opening to the end: prints, log records, the environment,
    the machine, the loop's lag; True: all of it, or a Capture. artifacts: how much room files have that ``log_artifact``
    keeps, and for how long they stay.

    Use it under ``async with`` (or ``with``). It opens on first use; opening raises RunUnwritable, RunInUse, RunNotFound.
    Raises InvalidConfiguration.
    """

    def __init__(
        self,
        run: "str | os.PathLike[str] | None" = None,
        *,
        sinks: "Iterable[Sink | Route]" = (),
        limit: "RateLimit | None" = None,
        journal: "Journal | None" = None,
        slabs: int | None = None,
        recorder: Literal["process", "thread"] = "process",
        config: Mapping[str, Any] | None = None,
        resume: Literal["allow", "must", "never"] = "allow",
        rewind_to: "int | Mapping[Phase, int] | None" = None,
        strict: bool = False,
        writer: str | None = None,
        switch_interval: float | None = 0.0005,
        capture: "Capture | bool" = False,
        artifacts: "Artifacts | None" = None,
    ) -> None:
        # What does the work loads with the first logger, so that importing the package costs next to nothing.
        from asynclog.logger import arguments
        from asynclog.logger.core import Core
        from asynclog.logger.lifecycle import Lifecycle

        arguments.checked_choice("resume", resume, ("allow", "must", "never"))
        core = Core(
            arguments.checked_directory(run),
            arguments.routes_of(arguments.checked_sinks(sinks)),
            arguments.checked_limit(limit),
            arguments.checked_journal(journal),
            arguments.checked_quota(slabs),
            arguments.checked_choice("recorder", recorder, ("process", "thread")),
            arguments.checked_config(config),
            strict=arguments.checked_flag("strict", strict),
            writer=arguments.checked_writer(writer),
            switch_interval=arguments.checked_switch_interval(switch_interval),
            artifacts=arguments.checked_artifacts(artifacts),
        )
        super().__init__(core, "")
        self._lifecycle = Lifecycle(core, resume, arguments.checked_rewind(rewind_to, resume, run))
        self._lifecycle.capture = arguments.checked_capture(capture)
        core.open_off_loop = self._open_off_loop
        core.open_here = self._open_here
        if config is not None:
            self.log_config(config)
            core.give_settings = self._further.settings

    # -- beginning and end ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self._open_off_loop()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        await self._end(error, None)

    def __enter__(self) -> Self:
        self._lifecycle.open()
        # Not on a loop that runs here: it stands still while this logger is ended, and its sinks with it.
        self._lifecycle.serve_in_threads()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end_here(error, None)

    async def _open_off_loop(self) -> None:
        await asyncio.to_thread(self._lifecycle.open)
        self._lifecycle.serve_on_loop()
        self._lifecycle.capture_on_loop()

    def _open_here(self) -> None:
        self._lifecycle.open()
        self._lifecycle.serve_on_loop()
        self._lifecycle.capture_on_loop()

    async def flush(self, deadline: float | None = None) -> dict[str, int]:
        """Wait until everything written so far has come from its device, is durable, delivered, and flushed by every sink, or
        a sink was stopped.

        Returns what is pending per route (events). Raises TimeoutError after ``deadline`` seconds.
        """
        if self._core.state == "new":
            await self._open_off_loop()
        if self._core.inert:
            return {}
        self._core.check_open()
        until = None if deadline is None else time.monotonic() + deadline
        crossed = self._core.devices.crossed()
        if crossed is not None:
            try:
                await asyncio.wait_for(asyncio.wrap_future(crossed), deadline)
            except TimeoutError as error:
                raise TimeoutError(f"{self._core.devices.pending} values are still on their way from a device") from error
        future = asyncio.wrap_future(self._lifecycle.flush_future())
        return await asyncio.wait_for(future, None if until is None else max(0.0, until - time.monotonic()))

    async def aclose(self, deadline: float | None = None) -> None:
        """End the run: what is on its way from devices is waited for, and everything accepted is made durable and delivered,
        for ``deadline`` seconds at the most (default: the longest of the routes' deadlines, and 10). What a device has not
        given by then is counted and said; what is left otherwise stays in the journal, for a later delivery.

        Raises an ExceptionGroup of SinkErrors if sinks were stopped on the way. Closing twice does nothing.
        """
        await self._end(None, deadline)

    def close(self, deadline: float | None = None) -> None:
        """The same, waiting in this thread."""
        self._end_here(None, deadline)

    async def _end(self, error: BaseException | None, deadline: float | None) -> None:
        if not self._may_end():
            return
        lifecycle = self._lifecycle
        until = time.monotonic() + (lifecycle.patience_s if deadline is None else deadline)
        problems = await self._write_settings(until) if self._settings_wait() else []
        while self._core.devices.pending and time.monotonic() < until:  # noqa: ASYNC110 - as below
            await asyncio.sleep(0.001)
        if isinstance(error, Exception):
            await asyncio.to_thread(lifecycle.tell_failure, error)
        if lifecycle.captures:
            await asyncio.to_thread(lifecycle.end_capture, until)
        lifecycle.begin_end(*_status_of(error))
        # Polled: the end is signalled from threads and from another process, and 2 ms more or less matter to nobody.
        while not lifecycle.ended() and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        problems += await asyncio.to_thread(lifecycle.finish)
        _report(problems, error)

    def _end_here(self, error: BaseException | None, deadline: float | None) -> None:
        if not self._may_end():
            return
        lifecycle = self._lifecycle
        until = time.monotonic() + (lifecycle.patience_s if deadline is None else deadline)
        problems = self._write_settings_here(until) if self._settings_wait() else []
        lifecycle.wait_until_crossed(until)
        if error is not None:
            lifecycle.tell_failure(error)
        lifecycle.end_capture(until)
        lifecycle.begin_end(*_status_of(error))
        lifecycle.wait_until_ended(until)
        _report(problems + lifecycle.finish(), error)

    def _may_end(self) -> bool:
        if self._core.state == "new":
            self._core.state = "closed"
        return self._core.state in ("open", "closing")

    def _settings_wait(self) -> bool:
        """Whether settings are still pending, which need no state. Whatever else is pending has none: it is counted."""
        if self._core.state != "open":
            return False
        taken = self._take(self._pending)
        self._pending = {}
        taken.give_back()
        settings = [one for one in taken.values if one.kind == "config"]
        for one in settings:
            self._further.value(one)
        left = len(taken) - len(settings)
        if left:
            self._core.producer.counts.discarded += left
            _log.warning("%d values were logged and never written; write(state) records them", left)
        return bool(settings)

    async def _write_settings(self, until: float) -> list[Exception]:
        """Whatever becomes of them, the run ends, and in time: returns what went wrong."""
        try:
            async with asyncio.timeout(max(_LEAST_S, until - time.monotonic())):
                await self.write(_SETTINGS)
        except TimeoutError:
            _log.warning(_NO_ROOM)
        except Exception as error:  # noqa: BLE001 - raised when the run has ended
            return [error]
        return []

    def _write_settings_here(self, until: float) -> list[Exception]:
        while True:
            try:
                self.write_nowait(_SETTINGS)
            except WouldBlock:
                if time.monotonic() < until:
                    time.sleep(0.001)
                    continue
                self._core.producer.counts.discarded += len(self._take({}))
                _log.warning(_NO_ROOM)
            except Exception as error:  # noqa: BLE001 - as above
                return [error]
            return []

    # -- parts of it ------------------------------------------------------------------------------------------------

    def child(self, namespace: str) -> ChildLogger:
        """A component's own logger (model, task, trainer): what it logs goes under ``namespace``, and this logger's ``write``
        takes it along. A component may also write by itself."""
        return child_of(self, namespace)

    def at(self, state: State | int) -> Entry:
        """For concurrent tasks: ``async with log.at(state) as entry`` gives each pending values of its own, written at its
        state when the body ends."""
        return Entry(self, as_state(state))

    def row(self, *keys: str, namespace: str | None = None, phase: Literal["train", "valid", "test"] = "train") -> "RowHandle":
        """A handle for a fixed set of numbers: ``row(step, v0, v1, …)`` records them at once. The cheapest way there is.

        Numbers alone; for one thread at a time. Raises InvalidValue for no keys, repeated ones, those that are no str, and an
        unknown phase.
        """
        full = self._full(namespace)
        for key in keys:
            if not isinstance(key, str):
                raise InvalidValue(namespace=full, kind="row", expected="a str as each key", got=repr(key))
        if not keys or len(set(keys)) != len(keys):
            raise InvalidValue(kind="row", expected="different keys, at least one", got=repr(keys))
        State(0, phase)
        if self._core.state == "new":
            self._open_here()
        from asynclog.logger.row import RowHandle

        return RowHandle(self._core, keys, full, phase)

    def statistics(self) -> dict[str, Any]:
        """Counters of this process and, as of its last report (``as_of_ns``), of the recorder and every route.

        Per route: offered == delivered + rejected + dropped + not_due + filtered + folded + pending, in events.
        """
        from asynclog.logger.report import statistics

        return statistics(self._core, self._lifecycle)

    # -- copies of it -----------------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickled logger reopens as a writer of its own in the same run, journal only: for worker processes."""
        core = self._core
        return _reopened, (core.directory, core.limit, core.journal, core.quota, core.strict, core.writer, core.artifacts)


def _reopened(
    run: "os.PathLike[str] | None",
    limit: "RateLimit | None",
    journal: "Journal | None",
    quota: int,
    strict: bool,
    writer: str,
    artifacts: "Artifacts",
) -> MultiLogger:
    own = f"{writer}-{os.getpid()}"
    return MultiLogger(run, limit=limit, journal=journal, slabs=quota, strict=strict, writer=own, artifacts=artifacts)


def _status_of(error: BaseException | None) -> tuple[str, str | None]:
    if error is None:
        return "finished", None
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return "exited", None
    if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
        return "failed", f"{type(error).__name__}"
    return "failed", f"{type(error).__name__}: {error}"


def _report(problems: list[Exception], error: BaseException | None) -> None:
    """What went wrong in sinks, beside what went wrong in the body."""
    if not problems:
        return
    if error is not None:
        for one in problems:
            error.add_note(f"asynclog: {one}")
        return
    raise ExceptionGroup("the logger ended with problems", problems)

"""How a logger begins and ends: the run is opened, its engines are started, and an end is put to it that never takes longer
than it may.
"""

import asyncio
import atexit
import contextlib
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from asynclog.engine.rundir import Claim
from asynclog.engine.settings import EngineSettings
from asynclog.errors import InvalidConfiguration, RunError
from asynclog.link.thread import LinkThread
from asynclog.logger.core import Core
from asynclog.logger.desk import ArtifactDesk
from asynclog.logger.engines import Engines
from asynclog.logger.failure import KEY, NAMESPACE, failure_record, said_of
from asynclog.logger.resuming import Resuming
from asynclog.sink import RunInfo

if TYPE_CHECKING:
    from asynclog.engine.runner import SinkRunner
    from asynclog.logger.capturing.capturing import Capturing
    from asynclog.logger.capturing.settings import Capture

_log = logging.getLogger("asynclog")
_QUEUE_BYTES: Final = 64 << 20
_AT_EXIT_S: Final = 5.0
_live: "weakref.WeakSet[Lifecycle]" = weakref.WeakSet()


class Lifecycle:
    """Of one logger. ``open`` may touch the disk and start a process: off the loop, please."""

    def __init__(self, core: Core, resume: str, rewound_to: Mapping[str, int] | None) -> None:
        self.core = core
        self.resuming = Resuming(core, resume, rewound_to)
        self.run: RunInfo | None = None
        self._opening = threading.Lock()
        self._claim: Claim | None = None
        self._thread: LinkThread | None = None
        self._engines = Engines(core)
        self._switch_interval_before: float | None = None
        self._end_began = 0.0
        self.capture: Capture | None = None
        """What is captured from the opening on."""
        self._capturing: Capturing | None = None

    # -- the beginning ----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the run and start what serves it. Raises RunUnwritable, RunInUse, RunNotFound, RecorderError."""
        core = self.core
        with self._opening:
            if core.state != "new":
                core.check_open()
                return
            run, self._claim = self.resuming.open_run()
            self.run = run
            if self._claim is not None:
                self._open_desk(self._claim.epoch)
            core.start_clock()
            self.resuming.restore()
            self._share_gil()
            core.owner = threading.get_ident()
            core.producer.pool.prewarm()
            settings = self._describe(run)
            try:
                linger = core.journal.linger if core.journal else 0.05
                self._thread = LinkThread(core.producer, linger, self._engines.replace_dead, core.devices.poll)
                core.devices.wake = self._thread.wake
                self._engines.start(settings, -1 if self._claim is None else self._claim.lock_fd)
                core.on_low = partial(self._thread.call, core.producer.stock)
                if any(one.place == "caller" for one in core.local_routes):
                    core.on_breath = self._engines.adopt_orphans
                self._thread.start()
            except BaseException:
                self._let_go()
                raise
            self.resuming.tell(run)
            core.state = "open"
            _live.add(self)
            if self.capture is not None:
                self.begin_capture(self.capture)

    def _share_gil(self) -> None:
        """With sinks or the engine in threads of this process the loop would wait up to 5 ms for its turn."""
        core = self.core
        in_threads = core.recorder == "thread" or bool(core.local_routes)
        if core.switch_interval is not None and in_threads and sys.getswitchinterval() > core.switch_interval:
            self._switch_interval_before = sys.getswitchinterval()
            sys.setswitchinterval(core.switch_interval)

    def _open_desk(self, epoch: int) -> None:
        core = self.core
        assert core.directory is not None
        directory = core.directory.resolve()
        durable = core.journal is None or core.journal.fsync != "close"
        core.desk = ArtifactDesk(directory, core.writer, epoch, core.artifacts, core.routes, durable=durable)
        try:
            core.desk.keeper.sweep()
        except OSError as error:
            _log.warning("what an earlier life left in %s can't be cleared away: %s", directory / "artifacts", error)

    def _describe(self, run: RunInfo) -> EngineSettings:
        core = self.core
        return EngineSettings(
            run=run,
            stream=None if self._claim is None else self._claim.stream.resolve(),
            journal=core.journal,
            routes=core.recorder_routes,
            route_names=[one.name for one in core.routes],
            always=core.board.always,
            began_ns=core.now(),
            pid=os.getpid(),
            host=core.host(),
            queue_bytes=min(_QUEUE_BYTES, core.quota // 4),
            lent_bytes=core.quota // 8,
        )

    # -- what is captured -------------------------------------------------------------------------------------------

    def begin_capture(self, wish: "Capture") -> None:
        """Off the loop. Raises InvalidConfiguration if something is captured already."""
        from asynclog.logger.capturing.capturing import Capturing

        if self._capturing is not None:
            raise InvalidConfiguration("this logger captures already; one capture at a time")
        assert self._thread is not None
        self._capturing = Capturing(self.core, wish, self._thread.chores)

    @property
    def captures(self) -> bool:
        return self._capturing is not None

    def capture_on_loop(self) -> None:
        """In the caller's thread: what is captured of its loop, if it has one."""
        if self._capturing is not None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                loop = None
            self._capturing.on_loop(loop)

    def end_capture(self, until: float) -> None:
        """Off the loop: put everything back, and wait until what was captured is recorded, but not beyond ``until``
        (monotonic)."""
        if self._capturing is not None:
            self._capturing.stop(max(0.1, until - time.monotonic()))
            self._capturing = None

    def tell_failure(self, error: BaseException) -> None:
        """Record the exception that ends the run, with its traceback. Off the loop: sources are read for it. Where somebody
        ended
        it (Ctrl-C, ``sys.exit``, a cancelled task) there is no more to say than that."""
        if self.core.state == "open" and isinstance(error, Exception):
            # What can't be recorded any more is at least named in the footer.
            with contextlib.suppress(Exception):
                self.core.aside.value("record", NAMESPACE, KEY, failure_record(error))

    # -- while it runs ----------------------------------------------------------------------------------------------

    def serve_on_loop(self) -> None:
        """Start the sinks that live on the caller's loop; without one they get a thread."""
        self._engines.serve_on_loop()

    def serve_in_threads(self) -> None:
        """Start the sinks that would live on the caller's loop in a thread each."""
        self._engines.serve_in_threads()

    def flush_future(self) -> "Future[dict[str, int]]":
        """Done when everything written so far is durable and delivered; its result: what is pending, per route."""
        self._engines.adopt_orphans()
        return self._engines.flushes.begin()

    @property
    def local_runners(self) -> "list[SinkRunner]":
        """Of the sinks that live in this process by their routes' will."""
        return self._engines.local_runners

    def recorder_report(self) -> dict[str, Any]:
        """See Engines.report."""
        return self._engines.report()

    # -- the end ----------------------------------------------------------------------------------------------------

    def begin_end(self, status: str, error: str | None) -> None:
        """No more writes; announce the end."""
        core = self.core
        with core.producer.lock:
            if core.state != "open":
                return
            core.devices.leave()
            core.state = "closing"
            self._end_began = time.monotonic()
            core.producer.blocks.shut()
        self._engines.tell_skipped()
        with core.producer.lock:
            core.producer.end(core.next_time(), status, error)

    def wait_until_crossed(self, deadline: float) -> None:
        """Wait in this thread for what is on its way from devices, but not beyond ``deadline`` (monotonic)."""
        while self.core.devices.pending and time.monotonic() < deadline:
            time.sleep(0.001)

    def ended(self) -> bool:
        """Whether every engine has finished, and every local sink has or has run out of time."""
        return self._engines.ended(time.monotonic() - self._end_began)

    def wait_until_ended(self, deadline: float) -> None:
        """Wait in this thread, in short naps, but not beyond ``deadline`` (monotonic)."""
        while not self.ended() and time.monotonic() < deadline:
            time.sleep(0.005)

    @property
    def patience_s(self) -> float:
        """How long an end may take when nobody says: the longest of the routes' deadlines, and some for the journal."""
        return max((one.deadline for one in self.core.routes), default=0.0) + 10.0

    def finish(self) -> list[Exception]:
        """Let go of everything; returns what went wrong on the way."""
        core = self.core
        unfinished = self._engines.unfinished()
        problems: list[Exception] = list(core.troubles.values())
        if stalled := self._engines.report().get("stalled"):
            problems.append(RunError(f"the end of the run could not be written: {stalled}"))
        if self._engines.nobody_records():
            problems.append(RunError("the end of the run could not be written: the recorder died, and none could be started"))
        if unfinished:
            _log.warning("not finished in time: %s; what the journal holds can be delivered later", ", ".join(unfinished))
        core.state = "closed"
        self._let_go()
        return problems

    def _let_go(self) -> None:
        core = self.core
        core.stop_copier()
        if core.desk is not None:
            core.desk.leave()
        self._engines.leave()
        if self._switch_interval_before is not None:
            sys.setswitchinterval(self._switch_interval_before)
        if self._thread is not None and self._thread.is_alive():
            self._thread.stop()
            self._thread.join(2.0)
        self._engines.leave_recorder()
        core.devices.close()
        with core.producer.lock:
            core.producer.close()
        if self._claim is not None:
            with contextlib.suppress(OSError):
                self._claim.release()
            self._claim = None
        _live.discard(self)

    def at_exit(self) -> None:
        """The interpreter ends and nobody closed the logger: the recorder finishes alone."""
        if self.core.state != "open":
            return
        failure = self.core.failure
        if failure is not None:
            self.tell_failure(failure)
        self.end_capture(time.monotonic() + _AT_EXIT_S)
        self.begin_end("exited" if failure is None else "failed", None if failure is None else said_of(failure))

    def after_fork(self) -> None:
        """In a forked child: let go of what is the parent's. A lock that a child held on to would outlive the parent, and
        keep the run from being gone on with."""
        if self._claim is not None:
            self._claim.release()
            self._claim = None
        self._engines.after_fork()
        self.core.after_fork()


@atexit.register
def _end_live_loggers() -> None:
    for lifecycle in list(_live):
        lifecycle.at_exit()


def _inert_in_child() -> None:
    for lifecycle in list(_live):
        lifecycle.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inert_in_child)

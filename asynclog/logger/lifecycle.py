"""How a logger begins and ends: the run is opened, engines are started, watched and replaced, everything is flushed, and an
end is put to it that never takes longer than it may.
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
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from asynclog.engine.rundir import Claim, claim_epoch, open_run
from asynclog.engine.settings import EngineSettings
from asynclog.errors import InvalidConfiguration, RecorderError, RunError, RunNotFound
from asynclog.flow.route import Route
from asynclog.link.messages import Ack, Finished, Flush, Flushed
from asynclog.link.producer import Link
from asynclog.link.thread import LinkThread
from asynclog.logger.core import Core
from asynclog.sink import RunInfo

if TYPE_CHECKING:
    from asynclog.engine.launch import RecorderProcess
    from asynclog.engine.loop import EngineLoop
    from asynclog.engine.runner import SinkRunner

_log = logging.getLogger("asynclog")
_RESTARTS: Final = 3
_QUEUE_BYTES: Final = 64 << 20
_RESTART_WINDOW_S: Final = 60.0
_live: "weakref.WeakSet[Lifecycle]" = weakref.WeakSet()


class Lifecycle:
    """Of one logger. ``open`` may touch the disk and start a process: off the loop, please."""

    def __init__(self, core: Core, resume: str) -> None:
        self.core = core
        self._resume = resume
        self._opening = threading.Lock()
        self._claim: Claim | None = None
        self._thread: LinkThread | None = None
        self._recorder: Link | None = None
        self._local: Link | None = None
        self._engine_threads: list[tuple[threading.Thread, EngineLoop]] = []
        self._deaths: list[tuple[float, int, bool]] = []
        self._processes: list[RecorderProcess] = []
        self.local_runners: list[SinkRunner] = []
        self._serving: list[asyncio.Task[None]] = []
        self._tickets = 0
        self._flushes: dict[int, tuple[Flush, set[int]]] = {}
        self._settings: EngineSettings | None = None
        self._switch_interval_before: float | None = None
        self._end_began = 0.0

    # -- the beginning ----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the run and start what serves it. Raises RunUnwritable, RunInUse, RunNotFound, RecorderError."""
        core = self.core
        with self._opening:
            if core.state != "new":
                core.check_open()
                return
            run = self._open_run()
            core.start_clock()
            self._share_gil()
            core.owner = threading.get_ident()
            core.producer.pool.prewarm()
            self._settings = self._describe(run)
            try:
                self._thread = LinkThread(core.producer, core.journal.linger if core.journal else 0.05, self._on_death)
                self._start_engines()
                core.on_low = partial(self._thread.call, core.producer.stock)
                self._thread.start()
            except BaseException:
                self._let_go()
                raise
            core.state = "open"
            _live.add(self)

    def _share_gil(self) -> None:
        """With sinks or the engine in threads of this process the loop would wait up to 5 ms for its turn."""
        core = self.core
        in_threads = core.recorder == "thread" or bool(core.local_routes)
        if core.switch_interval is not None and in_threads and sys.getswitchinterval() > core.switch_interval:
            self._switch_interval_before = sys.getswitchinterval()
            sys.setswitchinterval(core.switch_interval)

    def _open_run(self) -> RunInfo:
        core = self.core
        directory = core.directory
        if directory is None:
            return RunInfo("", "", None, core.writer, 0, _rank(), core.config or {})
        if core.journal is None:
            raise InvalidConfiguration("a run directory without a journal; run=None is a logger that keeps nothing on disk")
        existed = (directory / "run.json").exists()
        if self._resume == "must" and not existed:
            raise RunNotFound(f"run {str(directory)!r}: resume='must', and nothing was recorded there")
        if self._resume == "never" and existed:
            raise RunError(f"run {str(directory)!r} exists already, and resume='never'")
        description = open_run(directory)
        self._claim = claim_epoch(directory, core.writer)
        return RunInfo(
            description["id"],
            description["name"],
            directory.resolve(),
            core.writer,
            self._claim.epoch,
            _rank(),
            core.config or {},
        )

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
        )

    def _start_engines(self) -> None:
        core, settings = self.core, self._settings
        assert settings is not None
        if core.journal is not None or core.recorder_routes:
            self._recorder = core.producer.attach("recorder")
            self._start_recorder(settings)
        fed_from_memory = [one for one in core.local_routes if one.overflow != "journal"]
        if fed_from_memory or self._recorder is None:
            self._local = core.producer.attach("local")
            local = _altered(settings, journal=None, stream=None, routes=fed_from_memory)
            loop = self._start_engine_thread(self._local, local)
            self.local_runners.extend(loop.engine.runners)
        self.local_runners.extend(self._journal_runner(one) for one in core.local_routes if one.overflow == "journal")
        core.listeners.append(self._hear)

    def _start_recorder(self, settings: EngineSettings) -> None:
        assert self._recorder is not None
        core = self.core
        if core.recorder == "thread":
            self._start_engine_thread(self._recorder, settings)
            return
        lock_fd = -1 if self._claim is None else self._claim.lock_fd
        from asynclog.engine.launch import start_process

        process, channel = start_process(settings, lock_fd)
        self._processes.append(process)
        with core.producer.lock:
            core.producer.connect(self._recorder, channel)

    def _start_engine_thread(self, link: Link, settings: EngineSettings) -> "EngineLoop":
        from asynclog.engine.launch import start_thread

        thread, loop, channel = start_thread(settings)
        self._engine_threads.append((thread, loop))
        with self.core.producer.lock:
            self.core.producer.connect(link, channel)
        return loop

    def _journal_runner(self, route: Route) -> "SinkRunner":
        from asynclog.engine.runner import journal_runner

        assert self._settings is not None
        runner = journal_runner(route, self._settings, self.core.trouble, self._journaled_events)
        if route.place == "thread":
            runner.start_thread()
        return runner

    def _journaled_events(self) -> int:
        return int(self._recorder.report.get("events", 0)) if self._recorder is not None else 0

    def serve_on_loop(self) -> None:
        """Start the sinks that live on the caller's loop; without one they get a thread."""
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        self.core.owner = threading.get_ident()
        for runner in self.local_runners:
            if runner.route.place == "caller" and runner.state == "opening":
                runner.state = "starting"
                if running is None:
                    runner.route.place = "thread"
                    runner.start_thread()
                else:
                    self._serving.append(running.create_task(runner.serve(), name=f"asynclog-{runner.route.name}"))

    # -- the recorder's death ---------------------------------------------------------------------------------------

    def _hear(self, link: Link, message: Any) -> None:
        if isinstance(message, Ack | Finished) and link is self._recorder:
            for runner in self.local_runners:
                runner.notify()

    def _on_death(self, link: Link) -> None:
        """In the link thread: a consumer's socket closed."""
        core = self.core
        with core.producer.lock:
            core.producer.disconnect(link)
        if link.finished or core.state in ("closed", "forked") or link is not self._recorder:
            return
        # One that never came up took no record: it can't have been a record's fault.
        crashed = not self._processes or (self._processes[-1].crashed() and link.pid == self._processes[-1].pid)
        now = time.monotonic()
        self._deaths = [one for one in self._deaths if now - one[0] < _RESTART_WINDOW_S]
        # Somebody's kill says nothing about the record that was being taken; two crashes at the same one do.
        twice = crashed and (link.acked in (acked for _, acked, bad in self._deaths if bad))
        self._deaths.append((now, link.acked, crashed))
        assert self._settings is not None
        with core.producer.lock:
            settings = _altered(
                self._settings,
                position=link.acked,
                next_seq=core.producer.next_seq,
                skip=link.acked if twice else -1,
                definitions=list(core.producer.definitions),
            )
        if len(self._deaths) >= _RESTARTS:
            _log.error("the recorder died %d times within a minute; recording goes on in a thread of this process", _RESTARTS)
            self._start_engine_thread(link, settings)
        else:
            _log.warning("the recorder died; another one takes over, and nothing is lost")
            try:
                self._start_recorder(settings)
            except RecorderError as error:
                _log.error("%s; recording goes on in a thread of this process", error)
                self._start_engine_thread(link, settings)
        self._ask_again(link)

    def _ask_again(self, link: Link) -> None:
        """What its predecessor was asked and didn't answer."""
        with self.core.producer.lock:
            for flush, waiting in self._flushes.values():
                if link.number in waiting and link.channel is not None:
                    link.channel.send(flush)

    # -- flush ------------------------------------------------------------------------------------------------------

    def flush_future(self) -> "Future[dict[str, int]]":
        """Done when everything written so far is durable and delivered; its result: what is pending, per route."""
        core = self.core
        done: Future[dict[str, int]] = Future()
        pending: dict[str, int] = {}
        with core.producer.lock:
            core.producer.drain()
            self._tickets += 1
            ticket = self._tickets
            waiting = {one.number for one in core.producer.links.values() if not one.finished}
            seq = core.producer.next_seq - 1

            def settle(number: int, message: Flushed) -> None:
                pending.update(message.pending)
                waiting.discard(number)
                if not waiting and not done.done():
                    core.flush_tickets.pop(ticket, None)
                    self._flushes.pop(ticket, None)
                    self._flush_local(seq, pending, done)

            core.flush_tickets[ticket] = settle
            flush = Flush(ticket, core.producer.control.position)
            self._flushes[ticket] = flush, waiting
            core.producer.send(flush)
            if not waiting:
                self._flush_local(seq, pending, done)
        return done

    def _flush_local(self, seq: int, pending: dict[str, int], done: "Future[dict[str, int]]") -> None:
        runners = [one for one in self.local_runners if one.reads_journal]
        left = {one.route.name for one in runners}
        if not runners:
            done.set_result(pending)
            return

        def reached(runner: "SinkRunner") -> None:
            left.discard(runner.route.name)
            pending[runner.route.name] = runner.statistics()["pending"]
            if not left and not done.done():
                done.set_result(pending)

        for runner in runners:
            runner.flush(seq).add_done_callback(partial(_ignoring_result, reached, runner))

    # -- the end ----------------------------------------------------------------------------------------------------

    def begin_end(self, status: str, error: str | None) -> None:
        """No more writes; announce the end."""
        core = self.core
        with core.producer.lock:
            if core.state != "open":
                return
            core.state = "closing"
            self._end_began = time.monotonic()
            core.producer.blocks.shut()
        with core.producer.lock:
            core.producer.end(core.next_time(), status, error)

    def ended(self) -> bool:
        """Whether every engine has finished, and every local sink has or has run out of time."""
        links = [one for one in (self._recorder, self._local) if one is not None]
        waited = time.monotonic() - self._end_began
        over = (one.ended.is_set() or waited > one.route.deadline for one in self.local_runners)
        return all(one.finished for one in links) and all(over)

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
        unfinished = self._unfinished()
        problems: list[Exception] = list(core.troubles.values())
        if self._recorder is not None and (stalled := self._recorder.report.get("stalled")):
            problems.append(RunError(f"the end of the run could not be written: {stalled}"))
        if unfinished:
            _log.warning("not finished in time: %s; what the journal holds can be delivered later", ", ".join(unfinished))
        core.state = "closed"
        self._let_go()
        return problems

    def _unfinished(self) -> list[str]:
        left = [
            f"{one.route.name} ({one.statistics()['pending']} pending)" for one in self.local_runners if not one.ended.is_set()
        ]
        if self._recorder is not None:
            routes = self._recorder.report.get("routes", {})
            left += [
                f"{name} ({one['pending']} pending)" for name, one in routes.items() if one["state"] not in ("ended", "stopped")
            ]
            if not self._recorder.finished:
                left.append("recorder")
        return left

    def _let_go(self) -> None:
        core = self.core
        core.stop_copier()
        for runner in self._own_runners():
            runner.leave()
        if self._switch_interval_before is not None:
            sys.setswitchinterval(self._switch_interval_before)
        if self._thread is not None and self._thread.is_alive():
            self._thread.stop()
            self._thread.join(2.0)
        if self._processes and self._recorder is not None:
            patience = 2.0 if self._recorder.finished else 0.0
            if not self._processes[-1].join(patience):
                self._processes[-1].leave()
        with core.producer.lock:
            core.producer.close()
        if self._claim is not None:
            with contextlib.suppress(OSError):
                self._claim.release()
            self._claim = None
        _live.discard(self)

    def at_exit(self) -> None:
        """The interpreter ends and nobody closed the logger: the recorder finishes alone."""
        if self.core.state == "open":
            self.begin_end("exited", None)

    def _own_runners(self) -> "set[SinkRunner]":
        """Those that live in this process."""
        return {*self.local_runners, *(one for _, loop in self._engine_threads for one in loop.engine.runners)}

    def after_fork(self) -> None:
        """In a forked child: let go of what is the parent's. A lock that a child held on to would outlive the parent, and
        keep the run from being gone on with."""
        if self._claim is not None:
            self._claim.release()
            self._claim = None
        for runner in self._own_runners():
            runner.disown()
        self.core.after_fork()

    def recorder_report(self) -> dict[str, Any]:
        """The recorder's last word: pid (None in a thread), deaths, what it has written, and whether it is stalled."""
        report = (
            {} if self._recorder is None else {name: one for name, one in self._recorder.report.items() if name != "routes"}
        )
        pid = self._processes[-1].pid if self._processes else None
        return {**report, "pid": pid, "deaths": 0 if self._recorder is None else self._recorder.deaths}


def _ignoring_result(reached: "Callable[[SinkRunner], None]", runner: "SinkRunner", _: "Future[None]") -> None:
    reached(runner)


def _altered(settings: Any, **changes: Any) -> Any:
    return replace(settings, **changes)


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))


@atexit.register
def _end_live_loggers() -> None:
    for lifecycle in list(_live):
        lifecycle.at_exit()


def _inert_in_child() -> None:
    for lifecycle in list(_live):
        lifecycle.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inert_in_child)

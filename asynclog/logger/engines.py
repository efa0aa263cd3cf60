"""Who serves a logger: the recorder or the thread that stands in for it, an engine for sinks that live here and are fed from
memory, and the runners of sinks that live here and read the journal. They are started, watched and replaced.
"""

import asyncio
import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from asynclog.engine.settings import EngineSettings
from asynclog.errors import RecorderError
from asynclog.flow.route import Route
from asynclog.link.links import Link
from asynclog.link.messages import Ack, Finished, Message, Skipped
from asynclog.logger.core import Core
from asynclog.logger.deaths import TRIES, Death, Deaths
from asynclog.logger.flushes import Flushes

if TYPE_CHECKING:
    from asynclog.engine.launch import RecorderProcess
    from asynclog.engine.loop import EngineLoop
    from asynclog.engine.runner import SinkRunner
    from asynclog.link.channel import Channel

_log = logging.getLogger("asynclog")
_AGAIN_S: Final = 2.0


class Engines:
    """Of one logger. lock_fd: of its stream, for the recorder to inherit; -1 for none."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._settings: EngineSettings | None = None
        self._lock_fd = -1
        self.recorder: Link | None = None
        self._local: Link | None = None
        self._process: RecorderProcess | None = None
        self._pid: int | None = None
        self._threads: list[tuple[threading.Thread, EngineLoop]] = []
        self._deaths = Deaths()
        self._leave_out: bool | None = None
        """Of a death that is being dealt with: whether its record is to be left out."""
        self.local_runners: list[SinkRunner] = []
        self.flushes = Flushes(core, lambda: [one for one in self.local_runners if one.reads_journal])

    # -- the beginning ----------------------------------------------------------------------------------------------

    def start(self, settings: EngineSettings, lock_fd: int) -> None:
        """Raises RecorderError."""
        core = self._core
        self._settings, self._lock_fd = settings, lock_fd
        if core.journal is not None or core.recorder_routes:
            self.recorder = core.producer.attach("recorder")
            self._start_recorder(settings)
        fed_from_memory = [one for one in core.local_routes if one.overflow != "journal"]
        if fed_from_memory or self.recorder is None:
            self._local = core.producer.attach("local")
            local = replace(settings, journal=None, stream=None, routes=fed_from_memory)
            loop = self._start_thread(self._local, local)
            self.local_runners.extend(loop.engine.runners)
        self.local_runners.extend(self._journal_runner(one) for one in core.local_routes if one.overflow == "journal")
        core.listeners.append(self._hear)

    def _start_recorder(self, settings: EngineSettings) -> None:
        assert self.recorder is not None
        core = self._core
        if core.recorder == "thread":
            self._start_thread(self.recorder, settings)
            return
        from asynclog.engine.launch import start_process

        self._process, channel = start_process(settings, self._lock_fd)
        self._pid = self._process.pid
        self._connect(self.recorder, channel)

    def _start_thread(self, link: Link, settings: EngineSettings) -> "EngineLoop":
        from asynclog.engine.launch import start_thread

        thread, loop, channel = start_thread(settings)
        self._threads.append((thread, loop))
        self._connect(link, channel)
        return loop

    def _connect(self, link: Link, channel: "Channel") -> None:
        """Raises RecorderError."""
        producer = self._core.producer
        with producer.lock:
            try:
                producer.connect(link, channel)
            except OSError as error:
                # It ends by itself: its writer's end of the socket is closed.
                producer.disconnect(link)
                raise RecorderError(f"the recorder can't be given its memory: {error}") from error

    def _journal_runner(self, route: Route) -> "SinkRunner":
        from asynclog.engine.runners import journal_runner

        assert self._settings is not None
        runner = journal_runner(route, self._settings, self._core.trouble, self._journaled_events)
        if route.place == "thread":
            runner.start_thread()
        return runner

    def _journaled_events(self) -> int:
        return int(self.recorder.report.get("events", 0)) if self.recorder is not None else 0

    # -- sinks on the caller's loop ---------------------------------------------------------------------------------

    def serve_on_loop(self) -> None:
        """Start the sinks that live on the caller's loop; without one they get a thread."""
        self._serve_on(_running_loop())

    def serve_in_threads(self) -> None:
        """Start those sinks in a thread each."""
        self._serve_on(None)

    def _serve_on(self, running: asyncio.AbstractEventLoop | None) -> None:
        self._core.owner = threading.get_ident()
        for runner in self.local_runners:
            if runner.route.place == "caller" and runner.waits_for_its_start:
                runner.start_on(running)

    def adopt_orphans(self) -> None:
        """Sinks whose loop has ended go on in the one that uses the logger now."""
        running = _running_loop()
        for runner in self.local_runners:
            if runner.route.place == "caller" and not runner.waits_for_its_start:
                runner.adopt(running)

    def _hear(self, link: Link, message: Message) -> None:
        if isinstance(message, Ack | Finished) and link is self.recorder:
            for runner in self.local_runners:
                runner.notify()

    # -- the recorder's death ---------------------------------------------------------------------------------------

    def replace_dead(self, link: Link) -> bool:
        """In the link thread: a consumer's socket closed. True if nobody could be put in its place yet."""
        core = self._core
        with core.producer.lock:
            core.producer.disconnect(link)
        if link.finished or core.state in ("closed", "forked") or link is not self.recorder:
            return False
        first = self._leave_out is None
        if self._leave_out is None:
            self._leave_out = self._deaths.note(self._death_of(link))
        if not self._replaced(link, leave_out=self._leave_out, first=first):
            return True
        self._leave_out = None
        if core.state == "closing":
            self.tell_skipped()
        self.flushes.ask_again(link)
        return False

    def _replaced(self, link: Link, *, leave_out: bool, first: bool) -> bool:
        said = _log.error if first else _log.debug
        if not self._deaths.too_many:
            if first:
                _log.warning("the recorder died; another one takes over, and nothing is lost")
            try:
                self._start_recorder(self._for_successor(link, leave_out=leave_out))
            except RecorderError as error:
                said("%s; recording goes on in a thread of this process", error)
            else:
                return True
        else:
            said("the recorder died %d times within a minute; recording goes on in a thread of this process", TRIES)
        self._deaths.keep_out_of_thread([one.name for one in self._core.recorder_routes if one.place == "recorder"])
        try:
            self._start_thread(link, self._for_successor(link, leave_out=leave_out))
        except (OSError, RecorderError) as error:
            said("that can't be started either: %s; it is tried again, and what is logged waits in shared memory", error)
            return False
        self._process = self._pid = None
        return True

    def _death_of(self, link: Link) -> Death:
        process = self._process
        if process is None:
            return Death(time.monotonic(), link.acked, crashed=True, served=True, inside=frozenset(), how="a thread")
        return Death(
            time.monotonic(),
            link.acked,
            crashed=process.crashed(),
            served=link.pid == process.pid,
            inside=process.hands.inside(),
            how=process.how,
        )

    def _for_successor(self, link: Link, *, leave_out: bool) -> EngineSettings:
        assert self._settings is not None
        with self._core.producer.lock:
            return replace(
                self._settings,
                position=link.acked,
                next_seq=self._core.producer.next_seq,
                skip=link.acked if leave_out else -1,
                definitions=list(self._core.producer.definitions),
                stopped=dict(self._deaths.stopped),
                suspects=self._deaths.suspects,
            )

    # -- the end ----------------------------------------------------------------------------------------------------

    def tell_skipped(self) -> None:
        """Before the end is announced: every route counts what was never looked at."""
        producer = self._core.producer
        with producer.lock:
            skipped = producer.counts.skipped
            producer.send(Skipped(skipped))
            for runner in self.local_runners:
                runner.progress.skipped = skipped

    def ended(self, waited: float) -> bool:
        """Whether every engine has finished, and every local sink has or has run out of time. waited: seconds."""
        self.adopt_orphans()
        links = [one for one in (self.recorder, self._local) if one is not None]
        over = (one.ended.is_set() or waited > one.route.deadline for one in self.local_runners)
        return all(one.finished for one in links) and all(over)

    def nobody_records(self) -> bool:
        """Whether the recorder is gone before it had finished, and nobody came in its place."""
        return self.recorder is not None and self.recorder.channel is None and not self.recorder.finished

    def unfinished(self) -> list[str]:
        """What is left, for a person."""
        left = [
            f"{one.route.name} ({one.statistics()['pending']} pending)" for one in self.local_runners if not one.ended.is_set()
        ]
        if self.recorder is not None:
            routes = self.recorder.report.get("routes", {})
            left += [
                f"{name} ({one['pending']} pending)" for name, one in routes.items() if one["state"] not in ("ended", "stopped")
            ]
            if not self.recorder.finished:
                left.append("recorder")
        return left

    def leave(self) -> None:
        """Nothing is tried again; whoever comes next may have the cursors."""
        for runner in self._runners():
            runner.leave()

    def leave_recorder(self) -> None:
        """Let it finish alone, if it hasn't."""
        if self._process is not None and self.recorder is not None:
            patience = _AGAIN_S if self.recorder.finished else 0.0
            if not self._process.join(patience):
                self._process.leave()

    def after_fork(self) -> None:
        """In a forked child: cursors are the parent's, and so is whoever is connected."""
        for runner in self._runners():
            runner.disown()
        for _, loop in self._threads:
            loop.forget()

    def _runners(self) -> "set[SinkRunner]":
        """Those that live in this process."""
        return {*self.local_runners, *(one for _, loop in self._threads for one in loop.engine.runners)}

    def report(self) -> dict[str, Any]:
        """The recorder's last word: pid (None in a thread), deaths, what it has written, and whether it is stalled."""
        if self.recorder is None:
            return {"pid": None, "deaths": 0}
        told = {name: one for name, one in self.recorder.report.items() if name != "routes"}
        return {**told, "pid": self._pid, "deaths": self.recorder.deaths}


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

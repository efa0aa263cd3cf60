"""All that is captured for one logger, from its opening (or later) to its end."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asynclog.link.links import Link
from asynclog.link.messages import Message, Sample, Sampled
from asynclog.logger.capturing.environment import environment, uncommitted
from asynclog.logger.capturing.hooks import Hooks
from asynclog.logger.capturing.lag import LoopLag
from asynclog.logger.capturing.listening import listen, stop_listening
from asynclog.logger.capturing.logs import LogHandler
from asynclog.logger.capturing.settings import Capture
from asynclog.logger.capturing.streams import Streams
from asynclog.values import Record

if TYPE_CHECKING:
    from asynclog.logger.core import Core

_log = logging.getLogger("asynclog")
SYSTEM: Final = "system"
ENVIRONMENT: Final = "environment"
_LAG_EVERY_S: Final = 10.0
_ENVIRONMENT_PATIENCE_S: Final = 15.0


class Capturing:
    """chores: what the link thread does some times a second, to be added to. Made and stopped off the loop: streams are flushed
    here, and waited for."""

    def __init__(self, core: "Core", wish: Capture, chores: list[Callable[[], None]]) -> None:
        self._core = core
        self._wish, self._chores = wish, chores
        self._pid = os.getpid()
        self._own_chores: list[Callable[[], None]] = []
        self._streams: Streams | None = None
        self._hooks: Hooks | None = None
        self._lag: LoopLag | None = None
        self._handler: LogHandler | None = None
        self._environment: threading.Thread | None = None
        self._stopping = threading.Lock()
        self._stopped = False
        if wish.logging is not False:
            self._handler = LogHandler(core, logging.NOTSET if wish.logging is True else wish.logging)
            listen(self._handler)
        names = [name for name, wanted in (("stdout", wish.stdout), ("stderr", wish.stderr)) if wanted]
        if names:
            self._streams = Streams(core, names, wish.ansi)
            self._do(self._streams.record)
        if wish.system is not None:
            core.listeners.append(self._hear)
            core.producer.standing.append(self._sampling)
            self._tell_all()
        if wish.environment:
            self._environment = threading.Thread(target=self._look_around, name="asynclog-environment", daemon=True)
            self._environment.start()

    def on_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """In the caller's thread: take what is the loop's own."""
        wish = self._wish
        if (wish.warnings or wish.exceptions) and self._hooks is None:
            self._hooks = Hooks(self._core, of_warnings=wish.warnings, of_exceptions=wish.exceptions, loop=loop)
        if wish.loop and loop is not None and self._lag is None:
            self._lag = LoopLag(self._core, loop, wish.system or _LAG_EVERY_S, wish.hang_after)
            self._core.producer.gauges["loop"] = self._lag.gauge
            self._do(self._lag.chore)

    def _do(self, chore: Callable[[], None]) -> None:
        self._own_chores.append(chore)
        self._chores.append(chore)

    # -- the machine ------------------------------------------------------------------------------------------------

    def _sampling(self, link: Link) -> list[Message]:
        core = self._core
        if link.name != "recorder" and any(one.name == "recorder" for one in core.producer.links.values()):
            return []
        every = 0.0 if self._stopped else self._wish.system or 0.0
        return [Sample(every, self._pid, "" if core.directory is None else str(core.directory.resolve()))]

    def _tell_all(self) -> None:
        with self._core.producer.lock:
            for link in self._core.producer.links.values():
                if link.channel is not None:
                    for message in self._sampling(link):
                        link.channel.send(message)

    def _hear(self, link: Link, message: Message) -> None:
        if isinstance(message, Sampled):
            self._core.aside.numbers({SYSTEM: message.numbers})

    # -- the surroundings -------------------------------------------------------------------------------------------

    def _look_around(self) -> None:
        try:
            found = environment()
            state = found.get("git", {})
            said = f"Python {found['python']} on {found['host']}" + (f", {state['commit'][:12]}" if state else "")
            value = Record(said, logger=ENVIRONMENT, fields=found)
            self._core.aside.value("record", ENVIRONMENT, ENVIRONMENT, value)
            if self._wish.diff and state.get("dirty") and (changes := uncommitted(Path.cwd())):
                self._core.aside.value("string", ENVIRONMENT, "diff", changes)
        except Exception as error:  # noqa: BLE001 - a run is not to fail for what is only told beside it
            _log.warning("the environment could not be recorded: %r", error)

    # -- the end ----------------------------------------------------------------------------------------------------

    def stop(self, patience_s: float) -> None:
        """Put everything back as it was, and have recorded what was captured; from any thread, once. In a forked child the
        hooks go, and what it prints is captured as before."""
        with self._stopping:
            if self._stopped:
                return
            self._stopped = True
        core = self._core
        if self._hooks is not None:
            self._hooks.remove()
        if self._handler is not None:
            stop_listening(self._handler)
            self._handler.close()
        if self._lag is not None:
            self._lag.stop()
            core.producer.gauges.pop("loop", None)
        if os.getpid() != self._pid:
            return
        if self._wish.system is not None:
            self._tell_all()
            core.listeners.remove(self._hear)
            core.producer.standing.remove(self._sampling)
        if self._environment is not None:
            self._environment.join(min(patience_s, _ENVIRONMENT_PATIENCE_S))
        if self._streams is not None:
            self._streams.stop(patience_s)
        for chore in self._own_chores:
            with suppress(ValueError):
                self._chores.remove(chore)

    def __repr__(self) -> str:
        return f"<Capturing {self._wish}{', stopped' if self._stopped else ''}>"

"""The loop around an engine, the same in the recorder process and in a thread: wait, make turns, notice the end, finish.

After the end it waits for the sinks, each to its own deadline, and no longer.
"""

import contextlib
import logging
import selectors
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from asynclog.engine.door import Door
from asynclog.engine.engine import Engine
from asynclog.engine.files import Files
from asynclog.engine.guests import PATIENCE_S
from asynclog.engine.hands import Hands
from asynclog.engine.settings import EngineSettings
from asynclog.link.channel import Channel
from asynclog.link.consumer import Consumer
from asynclog.link.messages import Finished, Ready

_log = logging.getLogger("asynclog")
_JOURNAL_PATIENCE_S: Final = 30.0
_WORKERS_PATIENCE_S: Final = 2.0


def _door(stream: Path | None) -> Door | None:
    if stream is None:
        return None
    try:
        return Door(stream)
    except OSError as error:
        _log.warning("nobody can attach to this run: %s", error)
        return None


class EngineLoop:
    """writer_fd: readable once the writer is dead (a pidfd), or -1. hands: where sinks that are being called are marked.
    on_closed(): the journal is complete."""

    def __init__(
        self,
        settings: EngineSettings,
        channel: Channel,
        *,
        writer_fd: int = -1,
        files: Files | None = None,
        hands: Hands | None = None,
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._channel, self._on_closed = channel, on_closed
        self._heard, self._waker = socket.socketpair()
        self._heard.setblocking(False)
        self._waker.setblocking(False)
        consumer = Consumer(channel, position=settings.position, next_seq=settings.next_seq)
        self.engine = Engine(settings, consumer, self.wake, files, hands)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._heard, selectors.EVENT_READ, "wake")
        self._selector.register(channel, selectors.EVENT_READ, "channel")
        self._door = _door(settings.stream)
        if self._door is not None:
            self._selector.register(self._door, selectors.EVENT_READ, "door")
        if writer_fd >= 0:
            self._selector.register(writer_fd, selectors.EVENT_READ, "death")

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self._waker.send(b"\0")

    def run(self, pid: int) -> None:
        """Serve until the writer ended or died and everything is finished."""
        engine = self.engine
        engine.start()
        self.engine.consumer.send(Ready(pid))
        more = dead = False
        while engine.end is None and not dead:
            for key, _ in self._selector.select(0 if more else engine.next_chore_in()):
                dead = dead or key.data == "death"
                if key.data == "wake":
                    self._drain_wakes()
                elif key.data == "door":
                    self._answer_door()
            more = engine.turn()
            self.engine.consumer.flush()
            dead = dead or self._channel.closed
        if dead and engine.end is None:
            engine.writer_died()
        self._finish()
        self._close()

    def _finish(self) -> None:
        engine = self.engine
        patience = time.monotonic() + _JOURNAL_PATIENCE_S
        while not engine.finish(patience):
            time.sleep(0.05)
            engine.turn()
        engine.turn()
        engine.sampling.stop()
        engine.taps.close()
        self._shut_door()
        self._on_closed()
        # Both are readable for ever once the writer is gone.
        for ended in [key.fileobj for key in self._selector.get_map().values() if key.data in ("death", "channel")]:
            self._selector.unregister(ended)
        began = time.monotonic()
        waiting = list(engine.runners)
        while waiting:
            now = time.monotonic()
            waiting = [one for one in waiting if not one.ended.is_set() and now - began < one.route.deadline]
            if waiting:
                for _ in self._selector.select(0.02):
                    self._drain_wakes()
                engine.turn()
                self.engine.consumer.flush()
        # Those that were closed may still have something to say at their exit; the others were given all the time there is.
        engine.workers.close(_WORKERS_PATIENCE_S if all(one.ended.is_set() for one in engine.runners) else 0.0)
        # Before it is told: what the cursors say then is what is told.
        for runner in engine.runners:
            runner.conclude()
        self.engine.consumer.send(Finished(engine.report()))
        give_up = time.monotonic() + 1.0
        while not self.engine.consumer.flush() and time.monotonic() < give_up:
            time.sleep(0.01)
        # Nobody waits for them: the training process was told before.
        self._see_off_guests()

    def _answer_door(self) -> None:
        while self._door is not None and self.engine.guests is not None and (found := self._door.answer()) is not None:
            if not self.engine.guests.welcome(*found):
                # It would be knocked at again and again.
                self._shut_door()

    def _shut_door(self) -> None:
        """Nobody is let in any more: the journal is complete, and whoever comes later reads it."""
        if self._door is not None:
            # Who knocked while the run was short.
            self._answer_door()
            self._selector.unregister(self._door)
            self._door.close()
            self._door = None

    def _see_off_guests(self) -> None:
        guests = self.engine.guests
        if guests is None:
            return
        give_up = time.monotonic() + PATIENCE_S
        while guests.left() and time.monotonic() < give_up:
            time.sleep(0.005)
        guests.close()

    def forget(self) -> None:
        """In a forked child of the process that this runs in: the door is the parent's."""
        if self._door is not None:
            self._door.forget()

    def _close(self) -> None:
        """A sink that was left behind may still report and wake: both do nothing from now on."""
        self._selector.close()
        self.engine.consumer.close()
        self._heard.close()
        self._waker.close()

    def _drain_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._heard.recv(4096):
                pass

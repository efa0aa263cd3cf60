"""The training process's part of captured streams: it points them to files in memory, has the recorder read those, and records
the lines that come back, in its link thread.

See asynclog.engine.taps, which has the other part, and says why.
"""

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from asynclog.errors import NoRoom
from asynclog.flow.lines import Line
from asynclog.link.links import Link
from asynclog.link.messages import Lines, Message, Moved, Tap, Untap, Untapped
from asynclog.logger.capturing.redirect import Redirect

if TYPE_CHECKING:
    from asynclog.logger.core import Core

_NAP_S: Final = 0.002
_MOVE_S: Final = 10.0
"""The recorder may just be starting."""


class Streams:
    """Of one logger. names: of "stdout" and "stderr"."""

    def __init__(self, core: "Core", names: list[str], ansi: str) -> None:
        self._core, self._ansi = core, ansi
        self._pid = os.getpid()
        self._recorded = dict.fromkeys(names, 0)
        self._ends: dict[str, int] = {}
        self._untapped: set[str] = set()
        self._waiting: dict[str, list[Line]] = {}
        self._moved: set[str] = set()
        self._redirects = {name: Redirect(name, partial(self._move, name)) for name in names}
        core.listeners.append(self._hear)
        core.producer.standing.append(self._standing)
        self._send()

    # -- to the recorder --------------------------------------------------------------------------------------------

    @property
    def _link(self) -> Link | None:
        links = list(self._core.producer.links.values())
        return next((one for one in links if one.name == "recorder"), links[0] if links else None)

    def _standing(self, link: Link) -> list[Message]:
        """What the one who reads is told, and his successor: to go on behind what is recorded."""
        if link is not self._link:
            return []
        told: list[Message] = [
            Tap(name, self._recorded[name], one.read, one.saved, self._ansi) for name, one in self._redirects.items()
        ]
        return told + [Untap(name, end) for name, end in self._ends.items()]

    def _send(self) -> None:
        with self._core.producer.lock:
            link = self._link
            if link is not None and link.channel is not None:
                for message in self._standing(link):
                    link.channel.send(message)

    def _move(self, name: str) -> None:
        self._moved.discard(name)
        self._send()
        give_up = time.monotonic() + _MOVE_S
        while name not in self._moved and time.monotonic() < give_up:
            time.sleep(_NAP_S)

    # -- from the recorder, in the link thread ----------------------------------------------------------------------

    def _hear(self, link: Link, message: Message) -> None:
        if isinstance(message, Lines) and message.stream in self._recorded:
            self._waiting[message.stream] = [Line(*one) for one in message.lines]
            self.record()
        elif isinstance(message, Untapped):
            self._untapped.add(message.stream)
        elif isinstance(message, Moved):
            self._moved.add(message.stream)

    def record(self) -> None:
        """Record what waits; where there is no room it goes on waiting, and so does the recorder with what comes next."""
        for stream, lines in list(self._waiting.items()):
            with self._core.producer.lock:
                # A recorder that died may have sent what its successor sends as well.
                fresh = [one for one in lines if one.until > self._recorded[stream]]
                try:
                    for one in fresh:
                        until = self._core.aside.lines(stream, [one])
                        self._recorded[stream] = self._recorded[stream] if until is None else until
                except NoRoom:
                    continue
                self._waiting.pop(stream, None)

    # -- the end ----------------------------------------------------------------------------------------------------

    def stop(self, patience_s: float) -> None:
        """Point the streams back, and wait until what was printed is shown and recorded. In a forked child nothing is done:
        what it prints is captured as before."""
        if os.getpid() != self._pid:
            return
        self._ends = {name: one.restore() for name, one in self._redirects.items()}
        with self._core.producer.lock:
            link = self._link
            if link is not None and link.channel is not None:
                for name, end in self._ends.items():
                    link.channel.send(Untap(name, end))
        give_up = time.monotonic() + patience_s
        while self._untapped != set(self._ends) and time.monotonic() < give_up:
            time.sleep(_NAP_S)
        self._core.listeners.remove(self._hear)
        self._core.producer.standing.remove(self._standing)
        for name, one in self._redirects.items():
            if name not in self._untapped and (link is None or link.channel is None):
                one.show_rest()
            one.close()

    def __repr__(self) -> str:
        return f"<Streams {', '.join(self._redirects)}: {self._recorded}>"

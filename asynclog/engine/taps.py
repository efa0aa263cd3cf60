"""The captured streams of a training process, as its recorder sees them: read from where they were written, passed on to
where they went before, and sent back as lines, which the training process records.

The program writes to a file in memory, so a print never waits for whoever reads, whatever becomes of him; what was read is
given back to the system by punching holes. The training process numbers all records, so lines go home and come back
as announcements: only then are they done with. What had not come back when it died, its last words, the recorder appends.

What doesn't work: a pipe. Whoever prints waits once it is full, inside of C perhaps and with the GIL in hand, which whoever
should put another reader in the place of a dead one needs; and without any reader a print is an error, or the end.
"""

import ctypes
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, NamedTuple

from asynclog.flow.lines import Line, Splitter
from asynclog.flow.route import CONSOLE
from asynclog.link.messages import Lines, Message, Moved, Tap, Untap, Untapped
from asynclog.wire.event import event_meta
from asynclog.wire.frame import pack_meta, unpack_meta

MARK: Final = "captured"
"""In an event's meta: where the line ends in its stream."""
LOOK_S: Final = 0.05
_READ_BYTES: Final = 256 << 10
_MOST_LINES: Final = 512
_LINES_A_SECOND: Final = 2000.0
_BURST_LINES: Final = 20_000.0
_BEHIND_BYTES: Final = 4 << 20
"""What may wait to be recorded; of more, the older part is left out and counted."""
_LAST_BYTES: Final = 512 << 10
_LAST_LINES: Final = 10_000.0
"""What is recorded at the end of what waits then: nobody waits long for a flood."""
_UNSHOWN_BYTES: Final = 256 << 20
"""What may wait for a terminal that takes nothing."""
_HOLE_BYTES: Final = 1 << 20
_PUNCH_HOLE_KEEP_SIZE: Final = 3  # linux/falloc.h
_PATIENCE_S: Final = 5.0
_MOVE_S: Final = 0.5


def line_meta(stream: str, line: Line, step: int, due: int) -> bytes:
    """The meta of the event that a line is recorded as."""
    meta = event_meta(
        kind="string",
        phase="train",
        namespace=CONSOLE,
        key=stream,
        step=step,
        epoch=0,
        level="batch",
        elapsed_s=None,
        axes={},
        due=due,
        params={"text": line.text},
        arrays=(),
    )
    return pack_meta(meta | {MARK: line.until})


class LastWord(NamedTuple):
    """A line that its process could not record any more."""

    stream: str
    line: Line


class Taps:
    """Of one engine. send(message): to the training process."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._taps: dict[str, _Stream] = {}
        self.step = 0
        """Of the last line that came back."""

    def __len__(self) -> int:
        return len(self._taps)

    def obey(self, message: Tap | Untap) -> None:
        known = self._taps.get(message.stream)
        if isinstance(message, Untap):
            if known is not None:
                known.end_at(message.until)
            else:
                self._send(Untapped(message.stream))
        elif known is not None:
            known.show_at(message.shown)
            os.close(message.file)
            self._send(Moved(message.stream))
        else:
            self._taps[message.stream] = _Stream(message)

    def turn(self) -> None:
        """Read on, and send what can be sent."""
        for name, one in list(self._taps.items()):
            one.read()
            if not one.sent and one.lines:
                one.sent = [one.lines.popleft() for _ in range(min(len(one.lines), _MOST_LINES))]
                self._send(Lines(name, [(line.text, line.until) for line in one.sent]))
            if one.over:
                del self._taps[name]
                one.close()
                self._send(Untapped(name))

    def came_back(self, meta_bytes: bytes) -> None:
        """An event was announced whose meta may be a line's."""
        meta = unpack_meta(meta_bytes)
        until, stream = meta.get(MARK), meta.get("key")
        if meta.get("namespace") != CONSOLE or not isinstance(until, int) or stream not in self._taps:
            return
        self.step = int(meta.get("step", self.step))
        self._taps[stream].recorded(until)

    def last_words(self) -> Iterator[LastWord]:
        """After the writer's death: every line that was printed and not recorded, to the end of each stream."""
        for name, one in self._taps.items():
            one.end_at(os.fstat(one.file).st_size)
            yield from (LastWord(name, line) for line in one.sent)
            while True:
                one.read()
                yield from (LastWord(name, line) for line in one.lines)
                one.lines.clear()
                if one.read_all:
                    break
            one.recorded(one.end)

    def close(self) -> None:
        """The run is over: show what is left, for some seconds at the most."""
        for one in self._taps.values():
            one.end_at(os.fstat(one.file).st_size)
        give_up = time.monotonic() + _PATIENCE_S
        for one in self._taps.values():
            one.shown_all(give_up - time.monotonic())
            one.close()
        self._taps = {}

    def __repr__(self) -> str:
        return f"<Taps: {', '.join(self._taps) or 'none'}>"


class _Stream:
    """One of them. Lines are read by the engine's thread; a thread of its own passes bytes on, as a terminal may be slow."""

    def __init__(self, tap: Tap) -> None:
        self.name, self.file = tap.stream, tap.file
        self._terminal = tap.shown
        self._splitter = Splitter(tap.at, "keep" if tap.ansi == "keep" else "strip")
        self._recorded = tap.at
        # The description is shared with the training process, and with every recorder before and after this one.
        self._shown = os.lseek(self.file, 0, os.SEEK_CUR)
        self._punched = 0
        self.lines: deque[Line] = deque()
        self.sent: list[Line] = []
        self.budget = _BURST_LINES
        self._filled = time.monotonic()
        self.end = 0
        self._ending = False
        self._finished = False
        self._passing = threading.Lock()
        """Whoever holds it may read what is to be shown, or leave some of it out."""
        self._leaving = threading.Event()
        self._writing = threading.Lock()
        self._shower = threading.Thread(target=self._show, name=f"asynclog-{tap.stream}", daemon=True)
        self._shower.start()

    # -- lines ------------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Take some of what was printed since, as much as may be recorded."""
        now = time.monotonic()
        if not self._ending:
            self.end = os.fstat(self.file).st_size
            self.budget = min(_BURST_LINES, self.budget + (now - self._filled) * _LINES_A_SECOND)
        self._filled = now
        size = self.end
        if size - self._shown > _UNSHOWN_BYTES:
            self._leave_out(size - _UNSHOWN_BYTES // 4)
        behind = size - self._splitter.at
        if behind > _BEHIND_BYTES:
            self._splitter.skip(behind - _BEHIND_BYTES // 4)
        elif self._ending and self.budget < 1:
            self._splitter.skip(behind)
        if self.budget >= 1 and len(self.lines) < _MOST_LINES and self._splitter.at < size:
            data = os.pread(self.file, min(_READ_BYTES, size - self._splitter.at), self._splitter.at)
            found = self._splitter.feed(data)
            self.budget -= len(found)
            self.lines.extend(found)
        if self._ending and self._splitter.at >= size and not self._finished:
            self._finished = True
            self.lines.extend(self._splitter.finish())

    def end_at(self, end: int) -> None:
        """Nothing comes behind ``end``."""
        if not self._ending:
            self.end, self._ending, self.budget = end, True, _LAST_LINES
            self._splitter.skip_to(end - _LAST_BYTES)

    def recorded(self, until: int) -> None:
        self._recorded = max(self._recorded, until)
        self.sent = [one for one in self.sent if one.until > until]
        self._give_back()

    @property
    def read_all(self) -> bool:
        return self._finished and not self.lines

    @property
    def over(self) -> bool:
        return self._ending and self.read_all and not self.sent and self._shown >= self.end

    def _give_back(self) -> None:
        done = min(self._recorded, self._shown)
        if done - self._punched >= _HOLE_BYTES:
            _punch(self.file, self._punched, done - self._punched)
            self._punched = done

    # -- the terminal -----------------------------------------------------------------------------------------------

    def show_at(self, terminal: int) -> None:
        """Pass it on to another place from now on."""
        # A write that is on its way goes to where it was begun: it is waited for, but not for ever.
        held = self._writing.acquire(timeout=_MOVE_S)
        os.dup2(terminal, self._terminal, inheritable=False)
        os.close(terminal)
        if held:
            self._writing.release()

    def _leave_out(self, until: int) -> None:
        """Here, as a terminal that takes nothing holds the other thread in a write."""
        with self._passing:
            self._pass(until)
        self._give_back()

    def _pass(self, until: int) -> None:
        self._shown = max(self._shown, until)
        os.lseek(self.file, self._shown, os.SEEK_SET)

    def _show(self) -> None:
        while True:
            with self._passing:
                at = self._shown
                data = os.pread(self.file, _READ_BYTES, at)
            until = at + len(data)
            if not data:
                if self._leaving.wait(LOOK_S / 2):
                    return
                continue
            while data:
                try:
                    with self._writing:
                        data = data[os.write(self._terminal, data) :]
                except BlockingIOError:
                    time.sleep(LOOK_S)
                except OSError:
                    # Whoever read it has gone: nobody misses it.
                    break
                if self._leaving.is_set():
                    break
            with self._passing:
                self._pass(until)

    def shown_all(self, patience_s: float) -> bool:
        give_up = time.monotonic() + patience_s
        while self._shown < self.end and time.monotonic() < give_up:
            time.sleep(0.002)
        return self._shown >= self.end

    def close(self) -> None:
        self._leaving.set()
        self._shower.join(0.5)
        if not self._shower.is_alive():
            # One that hangs in a write keeps its descriptors to itself.
            os.close(self.file)
            os.close(self._terminal)


@lru_cache(maxsize=1)
def _fallocate() -> Any:
    with suppress(OSError, AttributeError):
        call = ctypes.CDLL(None, use_errno=True).fallocate
        call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong]
        return call
    return None


def _punch(file: int, at: int, nbytes: int) -> None:
    """Give pages back that were read. Where the system can't, they stay until the capture ends."""
    call = _fallocate()
    if call is not None:
        call(file, _PUNCH_HOLE_KEEP_SIZE, at, nbytes)

"""A descriptor that points to a file in memory for a while, and then again to where it did before.

Several may lie on top of each other, of several loggers. They may be taken away in any order: the one above is then told
where its output goes on to.
"""

import ctypes
import fcntl
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

NUMBERS: Final = {"stdout": 1, "stderr": 2}
_LINE_BUFFERED: Final = 1  # _IOLBF of stdio.h
_READ_BYTES: Final = 256 << 10
_stacks: "dict[int, list[Redirect]]" = {1: [], 2: []}
_changing = threading.Lock()


class Redirect:
    """Of stdout or stderr. read: a descriptor of the file, whose offset says how much was passed on. saved: where output went
    before. moved(): tell whoever passes output on that it goes elsewhere
    now, and wait for him a little."""

    def __init__(self, name: str, moved: Callable[[], None]) -> None:
        self.name, self.fd = name, NUMBERS[name]
        self._moved = moved
        flush(name)
        self.saved = os.dup(self.fd)
        written, self.read = _file()
        self._identity = _identity(written)
        with _changing:
            os.dup2(written, self.fd)
            _stacks[self.fd].append(self)
        os.close(written)
        self._streams = _keep_looks(name, self.fd) if os.isatty(self.saved) else []

    def restore(self) -> int:
        """Point back; returns how many bytes were written in all."""
        flush(self.name)
        for stream in self._streams:
            with suppress(AttributeError):
                del stream.isatty
        above = None
        with _changing:
            stack = _stacks[self.fd]
            at = stack.index(self)
            stack.remove(self)
            if at < len(stack):
                above = stack[at]
                os.dup2(self.saved, above.saved, inheritable=False)
            elif _identity(self.fd) == self._identity:
                os.dup2(self.saved, self.fd)
        if above is not None:
            # Until then it goes on into this one's file.
            above._moved()
        return os.fstat(self.read).st_size

    def show_rest(self) -> None:
        """Nobody else does: pass on what nobody has passed on yet."""
        with suppress(OSError):
            while data := os.read(self.read, _READ_BYTES):
                while data:
                    data = data[os.write(self.saved, data) :]

    def close(self) -> None:
        os.close(self.read)
        os.close(self.saved)


def flush(name: str) -> None:
    """Have Python and C write what they keep back of a stream."""
    for stream in {getattr(sys, name), getattr(sys, f"__{name}__")}:
        # It may be closed, or somebody's who has no such method.
        with suppress(Exception):
            stream.flush()
    c = _c_stream(name)
    if c is not None:
        c[0].fflush(c[1])


def _c_stream(name: str) -> "tuple[Any, ctypes.c_void_p] | None":
    library = ctypes.CDLL(None)
    symbol = f"__{name}p" if sys.platform == "darwin" else name
    # Only this one: to flush all of them waits for whoever reads one of them.
    with suppress(ValueError, AttributeError):
        return library, ctypes.c_void_p.in_dll(library, symbol)
    return None


def _keep_looks(name: str, fd: int) -> list[Any]:
    """Streams go on saying that they are a terminal, as what is printed goes to one in the end: bars and colours hang on it.
    And C goes on writing line by line."""
    c = _c_stream(name)
    if c is not None:
        c[0].setvbuf(c[1], None, _LINE_BUFFERED, 0)
    streams = []
    for stream in {getattr(sys, name), getattr(sys, f"__{name}__")}:
        with suppress(Exception):
            if stream.fileno() == fd:
                stream.isatty = lambda: True
                streams.append(stream)
    return streams


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _file() -> tuple[int, int]:
    """A file without a name, opened twice: to append to, from whatever process, and to read."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        written = os.memfd_create("asynclog-output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        fcntl.fcntl(written, fcntl.F_SETFL, os.O_APPEND)
        # A child that opens /dev/stdout to write it anew would empty the file, and all that is printed later would be lost.
        fcntl.fcntl(written, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        return written, os.open(f"/proc/self/fd/{written}", os.O_RDWR | os.O_CLOEXEC)
    written, path = tempfile.mkstemp(prefix="asynclog-")
    try:
        fcntl.fcntl(written, fcntl.F_SETFL, os.O_APPEND)
        return written, os.open(path, os.O_RDWR | os.O_CLOEXEC)
    finally:
        os.unlink(path)

"""A vendor's SDK, as a stand-in, with the habits that such have: module state, threads, hooks at exit; and each of its faults.

Imported by the sink in its own process, and nowhere else.
"""

import atexit
import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOR_EVER = 3600


def hold_the_interpreter() -> None:
    """As a C extension that waits for its server and doesn't let go of the lock."""
    ctypes.PyDLL(None).sleep(FOR_EVER)


def close_what_is_open() -> None:
    """As a daemon that is forked does, in a process that never forked."""
    os.closerange(3, 1024)


def wait() -> None:
    time.sleep(FOR_EVER)


def leave() -> None:
    sys.exit(3)


def fail() -> None:
    raise ValueError("a server said what this client didn't expect")


FAULTS: dict[str, Callable[[], Any]] = {
    "raises": fail,
    "hangs": wait,
    "hangs with the lock": hold_the_interpreter,
    "exits": leave,
    "ends its process": lambda: os._exit(3),
    "crashes": lambda: ctypes.string_at(0),
    "closes what is open": close_what_is_open,
}


class Client:
    """A run at the vendor's: one file. fault: one of FAULTS, in the call of this name; "thread": in a thread of its own."""

    def __init__(self, target: Path, fault: str, call: str) -> None:
        self._file = target.open("a")
        self._fault, self._call = fault, call
        self._stop = threading.Event()
        # Not a daemon: whoever forgets to call finish() waits for it for ever.
        threading.Thread(target=self._sync, name="vendor-sync").start()
        if call == "at exit":
            atexit.register(self._misbehave)
        self._maybe("init")

    def log(self, step: int, values: dict[str, float]) -> None:
        self._maybe("log")
        self._file.write(f"{step}\n")

    def finish(self) -> None:
        self._maybe("finish")
        self._file.flush()
        if self._call != "never finishes":
            self._stop.set()

    def flush(self) -> None:
        self._file.flush()

    def _maybe(self, call: str) -> None:
        if call == self._call:
            self._misbehave()

    def _misbehave(self) -> None:
        FAULTS[self._fault]()

    def _sync(self) -> None:
        while not self._stop.wait(0.02):
            if self._call == "thread":
                self._misbehave()

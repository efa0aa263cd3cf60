"""The worker processes of an engine: started when a sink of theirs is first called, again after they died, and ended with
it."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from asynclog.errors import NoRoom, SinkUnavailable
from asynclog.shm.memory import create_shared

_SENT_BY_SOMEBODY: Final = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)
_LOOK_S: Final = 0.01
_REMEMBERED: Final = 8


class WorkerCrashed(Exception):
    """A worker ended by itself: an exit, a crash below a binding."""


@dataclass
class Worker:
    """One process and the sinks it hosts: pickled, by route. seats: ends of its sockets that no route has taken yet."""

    name: str
    sinks: dict[str, bytes] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    seats: dict[str, socket.socket] = field(default_factory=dict)
    past: "deque[subprocess.Popen[bytes]]" = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    starts: int = 0
    inside: set[str] = field(default_factory=set)
    """Routes whose sinks are being called, and after a death those whose sinks were, until it is judged."""
    judged: tuple[int, frozenset[str]] = (0, frozenset())
    """The last process that was lost, and the sinks that were being called in it."""
    turn: threading.Lock = field(default_factory=threading.Lock)
    taking_turns: bool = False
    """Whether one sink is called at a time: it crashed inside of several, and the next crash is to be of one."""

    @property
    def pid(self) -> int | None:
        return None if self.process is None or self.process.poll() is not None else self.process.pid


class Workers:
    """Of one engine. All of it is done in one thread, which lives as long as this: a child is told when the thread that started
    it ends, not the process."""

    def __init__(self) -> None:
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="asynclog-workers")
        self._workers: dict[str, Worker] = {}
        self._closed = False

    def add(self, name: str, route: str, sink: bytes) -> Worker:
        """A route's sink will live in the worker of this name. Before the first ``seat``."""
        worker = self._workers.setdefault(name, Worker(name))
        worker.sinks[route] = sink
        return worker

    def seat(self, worker: Worker, route: str) -> "tuple[socket.socket, int]":
        """The engine's end of a socket to the process that hosts the route's sink, and that process, which is started if need
        be. Blocks for some milliseconds. Raises SinkUnavailable."""
        if self._closed:
            raise SinkUnavailable(f"the engine of {worker.name!r} has ended")
        return self._keeper.submit(self._seat, worker, route).result()

    def gone(self, worker: Worker, route: str, pid: int | None) -> Exception:
        """Why a process that a route has lost is gone, as what is raised for it: one that was killed is started again as often
        as it takes, and so is one that crashed while others were being called."""
        if self._closed:
            return SinkUnavailable(f"the process of {worker.name!r} was ended: its time was up")
        return self._keeper.submit(self._gone, worker, route, pid).result()

    def close(self, patience_s: float) -> None:
        """Wait for the processes whose sinks were closed, as long as ``patience_s``, and kill the others."""
        self._closed = True
        give_up = time.monotonic() + patience_s
        living = [one.process for one in self._workers.values() if one.process is not None]
        while any(one.poll() is None for one in living) and time.monotonic() < give_up:
            time.sleep(_LOOK_S)
        for one in living:
            _end(one)
        self._keeper.shutdown(wait=False)

    def _seat(self, worker: Worker, route: str) -> "tuple[socket.socket, int]":
        if worker.pid is None or route not in worker.seats:
            if worker.process is not None:
                # One that a route has lost, while others may still be served: none of its sinks must go on beside its
                # successor.
                _end(worker.process)
            self._start(worker)
        assert worker.process is not None
        return worker.seats.pop(route), worker.process.pid

    def _start(self, worker: Worker) -> None:
        if self._closed:
            raise SinkUnavailable(f"the engine of {worker.name!r} has ended")
        for one in worker.seats.values():
            one.close()
        worker.seats = {}
        if worker.process is not None:
            worker.past.append(worker.process)
        try:
            worker.process, worker.seats = _started(worker)
        except (OSError, NoRoom) as error:
            raise SinkUnavailable(f"the process of {worker.name!r} can't be started: {error}") from error
        worker.starts += 1

    def _gone(self, worker: Worker, route: str, pid: int | None) -> Exception:
        if worker.judged[0] != pid:
            worker.judged = pid or 0, frozenset(worker.inside)
        process = next((one for one in (worker.process, *worker.past) if one is not None and one.pid == pid), None)
        if process is None:
            return SinkUnavailable(f"the process of {worker.name!r} was replaced")
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            _end(process)
            return SinkUnavailable(f"the process of {worker.name!r} hung up")
        text = f"the process of {worker.name!r}, {pid}, {_how(process.returncode)}"
        _, inside = worker.judged
        if process.returncode in _SENT_BY_SOMEBODY or route not in inside:
            return SinkUnavailable(text)
        if len(inside) > 1:
            worker.taking_turns = True
            return SinkUnavailable(f"{text}, by one of {', '.join(sorted(inside))}: from now on they are called in turns")
        return WorkerCrashed(text)

    def __repr__(self) -> str:
        return f"<Workers: {', '.join(f'{one.name} {one.pid}' for one in self._workers.values()) or 'none'}>"


def _how(code: int) -> str:
    """How a process ended, as a person would say it."""
    return f"ended with exit status {code}" if code >= 0 else f"was ended by signal {-code}, {signal.strsignal(-code)}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


def _started(worker: Worker) -> "tuple[subprocess.Popen[bytes], dict[str, socket.socket]]":
    payload = pickle.dumps((list(sys.path), pickle.dumps(list(worker.sinks.items()))))
    with ExitStack() as ours, ExitStack() as unless_started:
        seats: dict[str, socket.socket] = {}
        theirs: list[socket.socket] = []
        for route in worker.sinks:
            here, there = socket.socketpair()
            unless_started.callback(here.close)
            ours.callback(there.close)
            seats[route] = here
            theirs.append(there)
        boot = create_shared(len(payload))
        ours.callback(boot.close)
        boot.view[: len(payload)] = payload
        passed = [boot.fd, *(one.fileno() for one in theirs)]
        process = subprocess.Popen(
            [sys.executable, "-m", "asynclog.engine.worker", str(boot.fd), str(os.getpid()), *map(str, passed[1:])],
            pass_fds=passed,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
        )
        unless_started.pop_all()
        return process, seats

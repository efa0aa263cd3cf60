"""A worker process: ``python -m asynclog.engine.worker BOOT_FD PARENT SOCKET_FD…``, started by engine.workers.

It hosts one sink or several, each in a thread and loop of its own, so that none waits for another. It ends when all of them
were closed, and at once when whoever serves it is gone: another worker may be writing to the same place by then.
"""

import ctypes
import faulthandler
import logging
import mmap
import os
import pickle
import signal
import socket
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asynclog.engine.host import Host

_PR_SET_PDEATHSIG: Final = 1
_OUR_SINKS: Final = "asynclog.sinks"


def main(arguments: list[str]) -> None:
    """Serve until every sink was closed. Exit status 1 if the other end went away before."""
    boot_fd, parent, *sockets = map(int, arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _die_with(parent)
    # A crash below a binding then says where, in the recorder's log.
    faulthandler.enable()
    # The boot data comes from the process that started us, through a descriptor only we have.
    with mmap.mmap(boot_fd, os.fstat(boot_fd).st_size, access=mmap.ACCESS_READ) as boot:
        paths, payload = pickle.loads(boot[:])  # noqa: S301
    os.close(boot_fd)
    sys.path[:] = paths
    sinks: list[tuple[str, bytes]] = pickle.loads(payload)  # noqa: S301

    from asynclog.engine.host import Host

    hosts = {
        name: Host(socket.socket(fileno=fd), partial(pickle.loads, sink), _end_at_once)
        for (name, sink), fd in zip(sinks, sockets, strict=True)
    }
    _send_logs_home(hosts)
    threads = [threading.Thread(target=_serve, args=(one,), name=f"asynclog-{name}") for name, one in hosts.items()]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def _serve(host: "Host") -> None:
    import asyncio

    asyncio.run(host.serve())


def _end_at_once() -> None:
    """Nobody takes what a sink still does, and its successor may have begun."""
    os._exit(1)


def _die_with(parent: int) -> None:
    """Killed with whoever started us, also when stopped. Where the system can't, the end of the socket tells."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It was gone before it could be noticed.
        os._exit(1)


def _send_logs_home(hosts: "dict[str, Host]") -> None:
    """Warnings and errors that are logged here, and what our own sinks tell of their progress, are logged again in the training
    process. A thread of nobody's speaks for all."""

    class Home(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            name = record.threadName or ""
            host = hosts.get(name.removeprefix("asynclog-")) or next(iter(hosts.values()))
            try:
                text = self.format(record)
            except Exception:  # noqa: BLE001 - as every handler has it: who logs what can't be formatted isn't stopped by it
                self.handleError(record)
            else:
                host.say(record.levelno, record.name, text)

    home = Home(logging.INFO)
    home.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith(_OUR_SINKS))
    logging.getLogger().addHandler(home)
    logging.getLogger(_OUR_SINKS).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


if __name__ == "__main__":
    main(sys.argv[1:])

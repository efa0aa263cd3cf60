"""The recorder process: ``python -m asynclog.engine SOCKET_FD BOOT_FD WRITER_FD LOCK_FD HANDS_FD``, started by engine.launch.

It lives in a session of its own and ignores interrupts while the training process lives: Ctrl-C is for the training loop,
whose end the recorder records.
"""

import mmap
import os
import pickle
import signal
import socket
import sys
from contextlib import suppress
from typing import Final

_SWITCH_S: Final = 0.0005


def main(arguments: list[str]) -> None:
    """Serve one training process until it ended or died."""
    socket_fd, boot_fd, writer_fd, lock_fd, hands_fd = map(int, arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if hasattr(os, "SCHED_BATCH"):
        # A doorbell would else hand the loop's core to whom it wakes: the loop stood still for 3 ms, a slice of the scheduler.
        # Some sandboxes refuse the call; then the loop is disturbed, and nothing else.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    # The boot data comes from the process that started us, through a descriptor only we have.
    size = os.fstat(boot_fd).st_size
    with mmap.mmap(boot_fd, size, access=mmap.ACCESS_READ) as boot:
        paths, payload = pickle.loads(boot[:])  # noqa: S301
    os.close(boot_fd)
    sys.path[:] = paths

    # The journal lets go of the GIL at every call of the operating system, and got it back from a sink that formats text only
    # after the usual 5 ms: turns of 20 ms took 80 and more.
    sys.setswitchinterval(_SWITCH_S)

    from asynclog.engine.hands import Hands
    from asynclog.engine.loop import EngineLoop
    from asynclog.link.channel import SocketChannel

    settings = pickle.loads(payload)  # noqa: S301
    channel = SocketChannel(socket.socket(fileno=socket_fd))
    # The stream's lock goes with the journal: sinks may take their time without keeping the next writer out.
    loop = EngineLoop(
        settings,
        channel,
        writer_fd=writer_fd,
        hands=Hands.inherited(hands_fd, [one.name for one in settings.routes], settings.suspects),
        on_closed=lambda: os.close(lock_fd) if lock_fd >= 0 else None,
    )
    loop.run(os.getpid())
    # A sink that hangs in its thread must not keep the process.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Starting an engine for a training process: as a recorder process, or as a thread of its own."""

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asynclog.engine.hands import Hands
from asynclog.engine.settings import EngineSettings
from asynclog.engine.travel import pickled
from asynclog.errors import NoRoom, RecorderError
from asynclog.link.channel import LocalChannel, SocketChannel
from asynclog.shm.memory import create_shared

if TYPE_CHECKING:
    from asynclog.engine.loop import EngineLoop


@dataclass
class RecorderProcess:
    """A recorder that was started; the process reaps it when it asks whether it lives."""

    process: "subprocess.Popen[bytes]"
    hands: Hands

    @property
    def pid(self) -> int:
        return self.process.pid

    def join(self, seconds: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.poll() is not None

    def crashed(self) -> bool:
        """Whether it ended by itself: not by a signal that somebody sent to end it."""
        self.join(1.0)
        return self.process.returncode not in (None, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)

    @property
    def how(self) -> str:
        """How it ended, as a person would say it."""
        code = self.process.returncode
        if code is None:
            return "still there"
        return f"exit status {code}" if code >= 0 else f"signal {-code}, {signal.strsignal(-code)}"

    def leave(self) -> None:
        """Let it finish alone; a thread waits for its end, so that nothing of it is left in the process table."""
        threading.Thread(target=self.process.wait, name="asynclog-reaper", daemon=True).start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def start_process(settings: EngineSettings, lock_fd: int) -> "tuple[RecorderProcess, SocketChannel]":
    """Start a recorder; it comes up while the caller goes on. Raises RecorderError."""
    try:
        return _started(settings, lock_fd)
    except (OSError, NoRoom) as error:
        raise RecorderError(f"the recorder process can't be started: {error}") from error


def _started(settings: EngineSettings, lock_fd: int) -> "tuple[RecorderProcess, SocketChannel]":
    # Looked up in its own process: the main module must be importable under its own name, as with multiprocessing's spawn.
    payload = pickle.dumps((list(sys.path), pickled(settings)))
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as unless_started:
        here, there = socket.socketpair()
        unless_started.callback(here.close)
        ours.callback(there.close)
        boot = create_shared(len(payload))
        ours.callback(boot.close)
        boot.view[: len(payload)] = payload
        writer_fd = os.pidfd_open(os.getpid()) if hasattr(os, "pidfd_open") else -1
        if writer_fd >= 0:
            ours.callback(os.close, writer_fd)
        hands = Hands.shared([one.name for one in settings.routes])
        ours.callback(hands.close)
        output = _output(settings.run.directory)
        ours.callback(os.close, output)
        passed = (there.fileno(), boot.fd, writer_fd, lock_fd, hands.fd)
        process = subprocess.Popen(
            [sys.executable, "-m", "asynclog.engine", *map(str, passed)],
            pass_fds=[fd for fd in passed if fd >= 0],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
        )
        unless_started.pop_all()
        return RecorderProcess(process, hands), SocketChannel(here)


def _output(directory: Path | None) -> int:
    """Where the recorder's own prints go. Not the training process's streams: whoever reads those waits for their end."""
    if directory is None:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    return os.open(directory / "recorder.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def start_thread(settings: EngineSettings) -> "tuple[threading.Thread, EngineLoop, LocalChannel]":
    """Start an engine in a daemon thread of this process, over memory that threads share."""
    # A training process whose recorder is a process never needs these.
    from asynclog.engine.loop import EngineLoop

    here, there = LocalChannel.pair()
    loop = EngineLoop(settings, there)
    thread = threading.Thread(target=loop.run, args=(0,), name="asynclog-engine", daemon=True)
    thread.start()
    return thread, loop, here

"""A server that speaks S3, on loopback, in a process of its own that can be killed; and a gate before it, which holds an upload
in its middle."""

import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Self

PATIENCE_S: Final = 40.0
BUCKET: Final = "models"
_SERVE: Final = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', sys.argv[1]])"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class S3Server:
    """moto's server. What it holds ends with it, the bucket too: ``start`` makes that anew."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = [sys.executable, "-c", _SERVE, str(self.port)]
        self._process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_S
        while True:
            with suppress(OSError):
                urllib.request.urlopen(urllib.request.Request(f"{self.url}/{BUCKET}", method="PUT"), timeout=10).close()
                return
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def s3_server() -> Iterator[S3Server]:
    server = S3Server()
    try:
        server.start()
        yield server
    finally:
        server.kill()


def settings(port: int) -> dict[str, Any]:
    """Arguments of a sink ObjectStore that reaches the server, or the gate before it."""
    config = {
        "endpoint": f"http://127.0.0.1:{port}",
        "access_key_id": "tester",
        "secret_access_key": "secret",
        "region": "us-east-1",
    }
    return {"config": config, "client_options": {"allow_http": True}}


class Gate:
    """A port that passes on to another, until so many bytes went through, which ``reached`` tells; then it holds everything,
    until it is opened. What it holds is lost when the other end is gone, as with any line that is cut."""

    def __init__(self, target: int, after_bytes: int = 1 << 40) -> None:
        self._target, self._left = target, after_bytes
        self._seen: list[bytes] = []
        self.reached, self._open = threading.Event(), threading.Event()
        self._lines: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def open(self) -> None:
        self._open.set()

    def requests(self, method: bytes, path: bytes) -> int:
        """How many were made of this method, for a path that ends so."""
        return sum(one.startswith(method + b" ") and path in one.partition(b"\r\n")[0] for one in self._seen)

    def close(self) -> None:
        self._open.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(PATIENCE_S)
        for line in self._lines:
            for one in line:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for one in (self._listener, *(one for line in self._lines for one in line)):
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.close()
                    continue
                self._lines.append((near, far))
                for pair, counts in (((near, far), True), ((far, near), False)):
                    thread = threading.Thread(target=self._pass_on, args=(*pair, counts))
                    self._threads.append(thread)
                    thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if counts:
                    self._seen.append(data[:1000])
                if counts and not self._open.is_set():
                    self._left -= len(data)
                    if self._left <= 0:
                        self.reached.set()
                        self._open.wait()
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

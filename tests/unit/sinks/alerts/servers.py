"""A real HTTP server on loopback that answers as a test wants, and can be killed and started again on its port."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Channel:
    """What a chat's incoming webhook is to whoever posts: messages arrive, or don't. answer: the status to give; "hang": none,
    "trickle": a header that never ends, byte by byte, "garbage": no HTTP, "drop": an end of the connection without a word."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.tries = 0
        self.answer: int | str = 200
        self.says = b"ok"
        self.retry_after: str | None = None
        self.came = threading.Condition()
        self.over = threading.Event()
        self.left = threading.Event()
        """Whether whoever posted has hung up on a trickle."""
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """On the same port as before, if there was one."""
        channel = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                channel.post(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def kill(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def post(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        with self.came:
            self.tries += 1
            self.came.notify_all()
        if self.answer == "hang":
            self.over.wait(60)
        elif self.answer == "trickle":
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            try:
                while not self.over.wait(0.02):
                    request.wfile.write(b"x")
            except OSError:
                self.left.set()
        elif self.answer == "garbage":
            request.wfile.write(b"220 smtp ready\r\n\r\n")
        elif self.answer == "drop":
            request.connection.shutdown(socket.SHUT_RDWR)
        else:
            assert isinstance(self.answer, int)
            if self.answer < 300:
                with self.came:
                    self.bodies.append(body)
                    self.headers.append(dict(request.headers))
                    self.paths.append(request.path)
                    self.came.notify_all()
            request.send_response(self.answer)
            if self.retry_after is not None:
                request.send_header("Retry-After", self.retry_after)
            request.send_header("Content-Length", str(len(self.says)))
            request.end_headers()
            request.wfile.write(self.says)

    def waits_for(self, messages: int = 0, tries: int = 0, seconds: float = 30.0) -> None:
        """From a thread: until so many came."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.bodies) >= messages and self.tries >= tries, seconds), repr(self)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/T0/B0/s3cret?token=s3cret"

    @property
    def lines(self) -> list[str]:
        """Of all messages, without the time."""
        found = [line for body in self.bodies for line in body["text"].splitlines()]
        return [line.removeprefix(":rotating_light: ").partition(" ")[2] for line in found]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.kill()

    def __repr__(self) -> str:
        return f"<Channel: {len(self.bodies)} messages of {self.tries} tries>"

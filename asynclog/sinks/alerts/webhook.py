"""Alerts by HTTP POST, in the JSON of Slack's incoming webhooks; Mattermost, Rocket.Chat and Discord (…/slack) take it, too.

The standard library's http.client in a thread, one connection a message: an alert is rare, and a pool of connections would be
stale whenever one comes. The URL is a secret (who has it can post): it shows in no message, traceback or repr.
"""

import asyncio
import json
import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from asynclog.errors import InvalidConfiguration, SinkRejected, SinkUnavailable
from asynclog.sinks.alerts.alert import Alert, lines

Payload = Callable[[Sequence[Alert]], Any]
_HEADER_NAME: Final = re.compile(r"[!-9;-~]+")
_HEADER_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_ANSWER_BYTES: Final = 4096
_LONGEST_WAIT_S: Final = 600.0
"""However long a server asks to be left alone."""


def slack(alerts: Sequence[Alert]) -> dict[str, str]:
    """One message, a line an alert, at most twenty. What a channel would take for markup or for a mention is escaped."""
    return {"text": "\n".join(f":rotating_light: {_escaped(one)}" for one in lines(alerts))}


class Webhook:
    """POSTs alerts to ``url`` as JSON. payload: makes of the alerts of one message what json.dumps takes (default: ``slack``).
    headers: further ones. timeout: seconds for a message, name resolution and TLS included. Proxies are those of the
    environment (HTTPS_PROXY, NO_PROXY).

    2xx is accepted. Connection errors, timeouts, 408, 425, 429 and 5xx are tried again; Retry-After is heeded. Any other answer
    is said and given up. Raises InvalidConfiguration for what is no http or https URL, and for what can't be a header.
    """

    def __init__(
        self, url: str, *, payload: Payload = slack, headers: Mapping[str, str] | None = None, timeout: float = 10.0
    ) -> None:
        self._url = _checked(url)
        self._payload, self._headers, self._timeout = payload, _checked_headers(headers or {}), timeout
        self._not_before = 0.0

    async def send(self, alerts: Sequence[Alert]) -> None:
        """One message for all of them. Raises SinkUnavailable, SinkRejected."""
        await self.post(self._payload(alerts))

    async def post(self, content: Any) -> bytes:
        """What json.dumps takes, as a message; returns how the answer begins. Raises SinkUnavailable, SinkRejected."""
        wait = self._not_before - time.monotonic()
        if wait > 0:
            raise SinkUnavailable(f"{self._host} wants to be left alone for {wait:.0f} s more")
        body = json.dumps(content).encode()
        connection = _connection(self._url, self._timeout)
        posting = asyncio.create_task(asyncio.to_thread(_post, connection, self._url, body, self._headers))
        try:
            async with asyncio.timeout(self._timeout):
                status, retry_after, answer = await asyncio.shield(posting)
        except TimeoutError:
            raise SinkUnavailable(f"{self._host} has not answered in {self._timeout:g} s") from None
        except (OSError, HTTPException) as error:
            raise SinkUnavailable(f"{self._host} can't be reached: {type(error).__name__}: {_harmless(error)}") from None
        finally:
            if not posting.done():
                # Whoever trickles bytes would keep the thread: each read has the timeout, all of them together have none.
                posting.add_done_callback(_forget)
                _hang_up(connection)
        if 200 <= status < 300:
            return answer
        if status in (408, 425, 429) or status >= 500:
            self._not_before = time.monotonic() + retry_after
            raise SinkUnavailable(f"{self._host} answered {status}")
        raise SinkRejected(f"{self._host} refused an alert for good: it answered {status}")

    @property
    def _host(self) -> str:
        return f"{self._url.scheme}://{self._url.hostname}"

    def __repr__(self) -> str:
        return f"Webhook({self._host}/…)"


def _checked(url: str) -> SplitResult:
    refused = InvalidConfiguration("a Webhook's url: expected http://… or https://…, in ASCII, got something else")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise refused from None
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise refused
    return parts


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    # http.client would quote what it refuses, and a header is as secret as the URL.
    for at, (name, value) in enumerate(headers.items(), 1):
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise InvalidConfiguration(f"a Webhook's headers: expected a name in ASCII for no. {at}, without ':' and spaces")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidConfiguration(f"a Webhook's header {name}: expected a text in Latin-1 without line ends")
    return dict(headers)


def _connection(url: SplitResult, timeout: float) -> HTTPConnection:
    assert url.hostname is not None
    secure = url.scheme == "https"
    kind = HTTPSConnection if secure else HTTPConnection
    proxy = None if proxy_bypass(url.hostname) else getproxies().get(url.scheme)
    if proxy is None:
        return kind(url.hostname, url.port, timeout=timeout)
    by = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = kind(by.hostname or "", by.port or 80, timeout=timeout)
    who = f"{unquote(by.username)}:{unquote(by.password or '')}" if by.username else ""
    leave = {"Proxy-Authorization": f"Basic {b64encode(who.encode()).decode()}"} if who else {}
    connection.set_tunnel(url.hostname, url.port or (443 if secure else 80), leave)
    return connection


def _post(connection: HTTPConnection, url: SplitResult, body: bytes, headers: Mapping[str, str]) -> tuple[int, float, bytes]:
    """The answer's status, how many seconds it asks to wait, and how it begins."""
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        connection.request("POST", target, body, {"Content-Type": "application/json", "Connection": "close", **headers})
        answer = connection.getresponse()
        return answer.status, _seconds(answer.getheader("Retry-After")), answer.read(_ANSWER_BYTES)
    finally:
        connection.close()


def _seconds(text: str | None) -> float:
    # It may be a date, too; then the runner's own waits will do.
    return min(float(text), _LONGEST_WAIT_S) if text is not None and text.isascii() and text.isdigit() else 0.0


def _hang_up(connection: HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(2)
        except OSError:
            pass  # it was never connected, or is gone


def _forget(posting: "asyncio.Task[Any]") -> None:
    if not posting.cancelled():
        posting.exception()


def _harmless(error: BaseException) -> str:
    # Of an OSError what the system says; an HTTPException may quote what came.
    return str(error) if isinstance(error, OSError) else "no HTTP answer"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""What is done about alerts: a callback, a webhook, a line on the terminal. Each takes the alerts of one moment together."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, runtime_checkable

from asynclog.errors import SinkRejected
from asynclog.sink import settle
from asynclog.sinks.alerts.alert import Alert, lines


@runtime_checkable
class Action(Protocol):
    """Returning means told. Raise SinkUnavailable for "again later" and SinkRejected for "never"."""

    async def send(self, alerts: Sequence[Alert], /) -> None: ...


# A live display that goes on above would paint over as many lines as it has.
_BELOW: Final = "\n\n\n"
Callback = Callable[[Alert], Any]


class Call:
    """Calls a function, plain or async, with each alert."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback

    async def send(self, alerts: Sequence[Alert], /) -> None:
        for one in alerts:
            await settle(self._callback(one))

    def __repr__(self) -> str:
        return f"Call({getattr(self._callback, '__qualname__', self._callback)!s})"


class Terminal:
    """A line an alert on the training process's standard error.

    In another process it knows the terminal by its name, and writes there itself where the training process can't be expected
    to: it is gone, or silent. Otherwise the log brings the alert home, and no line is broken that is being printed there.
    """

    def __init__(self) -> None:
        self._device = os.ttyname(2) if os.isatty(2) else None
        self._home = os.getpid()

    def shows(self, alert: Alert) -> bool:
        """Whether this alert is shown here, and needn't be a warning of the log."""
        if os.getpid() == self._home:
            return True
        return self._device is not None and (not alert.key or not _lives(self._home))

    async def send(self, alerts: Sequence[Alert], /) -> None:
        text = "".join(f"{one}\n" for one in lines([one for one in alerts if self.shows(one)]))
        if text:
            # In a thread: a terminal that doesn't read blocks whoever writes to it.
            await asyncio.to_thread(self._print, text)

    def _print(self, text: str) -> None:
        if os.getpid() == self._home:
            stream = sys.stderr
            stream.write(f"\x1b[1;31m{text}\x1b[0m" if stream.isatty() else text)
            stream.flush()
        elif self._device is not None:
            try:
                # Opened anew each time: whoever logs out must not be kept.
                with open(self._device, "wb", buffering=0, opener=_without_control) as device:
                    device.write(f"\r\x1b[K\x1b[1;31m{text}\x1b[0m{_BELOW if _lives(self._home) else ''}".encode())
            except OSError as error:
                raise SinkRejected(f"the terminal is gone: {error}") from error

    def __repr__(self) -> str:
        return "Terminal()"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _without_control(path: str, flags: int) -> int:
    """Open a terminal without being hung up on by it."""
    return os.open(path, flags | os.O_NOCTTY)

"""What is done about alerts: a callback, a webhook, a line on the terminal. Each takes the alerts of one moment together."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from asynclog.errors import SinkRejected
from asynclog.sink import settle
from asynclog.sinks.alerts.alert import Alert


@runtime_checkable
class Action(Protocol):
    """Returning means told. Raise SinkUnavailable for "again later" and SinkRejected for "never"."""

    async def send(self, alerts: Sequence[Alert], /) -> None: ...


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
    """A line an alert on the training process's standard error. In another process it knows the terminal by its name, and so
    reaches it when the training process is gone; where that is no terminal there is nothing to reach."""

    def __init__(self) -> None:
        self._device = os.ttyname(2) if os.isatty(2) else None
        self._home = os.getpid()

    @property
    def reachable(self) -> bool:
        """Whether somebody may see it."""
        return os.getpid() == self._home or self._device is not None

    async def send(self, alerts: Sequence[Alert], /) -> None:
        text = "".join(f"{one}\n" for one in alerts)
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
                    device.write(f"\r\x1b[K\x1b[1;31m{text}\x1b[0m".replace("\n", "\r\n").encode())
            except OSError as error:
                raise SinkRejected(f"the terminal is gone: {error}") from error

    def __repr__(self) -> str:
        return "Terminal()"


def _without_control(path: str, flags: int) -> int:
    """Open a terminal without being hung up on by it."""
    return os.open(path, flags | os.O_NOCTTY)

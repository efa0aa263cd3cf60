"""Capture for a part of a program: ``with capture(log): …``."""

import asyncio
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from asynclog.logger.capturing.settings import Capture

if TYPE_CHECKING:
    from asynclog.logger.multi import MultiLogger

_PATIENCE_S: Final = 10.0


class capture:  # noqa: N801 - it is used as a function
    """While its body runs, record what the program says beside the logger; ``with`` or ``async with``.

    log: a MultiLogger, which is opened if it wasn't. what: the fields of a Capture. For a whole run
    ``MultiLogger(…, capture=True)`` is the same. Raises InvalidConfiguration, of a logger that captures already too.
    """

    def __init__(self, log: "MultiLogger", **what: Any) -> None:
        self._log, self._what = log, Capture(**what)

    async def __aenter__(self) -> Self:
        lifecycle = self._log._lifecycle
        if self._log._core.state == "new":
            await self._log._open_off_loop()
        await asyncio.to_thread(lifecycle.begin_capture, self._what)
        lifecycle.capture_on_loop()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        await asyncio.to_thread(self._log._lifecycle.end_capture, time.monotonic() + _PATIENCE_S)

    def __enter__(self) -> Self:
        lifecycle = self._log._lifecycle
        if self._log._core.state == "new":
            self._log._open_here()
        lifecycle.begin_capture(self._what)
        lifecycle.capture_on_loop()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._log._lifecycle.end_capture(time.monotonic() + _PATIENCE_S)

"""Hearing the log records of a whole program without being a handler of its root logger.

A handler there would change what the program prints: ``logging.basicConfig`` does nothing once there is one, and warnings that
nobody handles are printed no more. And loggers that don't propagate, as those of Transformers, would not be heard.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final


class _Listening:
    """Of this process: what is put in the place of ``Logger.callHandlers`` while anybody listens."""

    def __init__(self) -> None:
        self._handlers: tuple[logging.Handler, ...] = ()
        self._replaced: Callable[[logging.Logger, logging.LogRecord], None] | None = None
        self._changing = threading.Lock()

    def begin(self, handler: logging.Handler) -> None:
        with self._changing:
            self._handlers = (*self._handlers, handler)
            if self._replaced is None:
                self._replaced = logging.Logger.callHandlers
                logging.Logger.callHandlers = _instead  # type: ignore[method-assign, assignment]

    def end(self, handler: logging.Handler) -> None:
        """Where somebody has come after, he stays, and goes on to what does nothing more here."""
        with self._changing:
            self._handlers = tuple(one for one in self._handlers if one is not handler)
            if not self._handlers and self._replaced is not None and logging.Logger.callHandlers is _instead:
                logging.Logger.callHandlers = self._replaced  # type: ignore[method-assign, assignment]
                self._replaced = None

    def call(self, logger: logging.Logger, record: logging.LogRecord) -> None:
        for one in self._handlers:
            if record.levelno >= one.level:
                one.handle(record)
        (self._replaced or _AS_IT_CAME)(logger, record)


_AS_IT_CAME: Final = logging.Logger.callHandlers
_listening: Final = _Listening()


def _instead(logger: logging.Logger, record: logging.LogRecord) -> None:
    _listening.call(logger, record)


def listen(handler: logging.Handler) -> None:
    """Give it every record that a logger lets through, from the handler's level on."""
    _listening.begin(handler)


def stop_listening(handler: logging.Handler) -> None:
    """Give it nothing more."""
    _listening.end(handler)

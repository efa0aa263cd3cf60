"""Where Python says what nobody caught: each hook records it, and goes on to whoever was there before."""

import asyncio
import logging
import sys
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from asynclog.logger.capturing.logs import NAMESPACE
from asynclog.logger.failure import failure_record
from asynclog.values import Record

if TYPE_CHECKING:
    from asynclog.logger.core import Core

_LONGEST: Final = 16 << 10


class Hooks:
    """Of one logger. of_warnings, of_exceptions: which. loop: whose exception handler is taken as well."""

    def __init__(
        self, core: "Core", *, of_warnings: bool, of_exceptions: bool, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self._core, self._loop = core, loop
        self._warned = warnings.showwarning
        self._excepted, self._thread_excepted = sys.excepthook, threading.excepthook
        self._task_excepted = None if loop is None else loop.get_exception_handler()
        # Bound once: what is put back must be what was put there.
        self._on_warning, self._on_exception = self._warning, self._exception
        self._on_thread, self._on_task = self._thread, self._task
        if of_warnings:
            warnings.showwarning = self._on_warning
        if of_exceptions:
            sys.excepthook = self._on_exception
            threading.excepthook = self._on_thread
            if loop is not None:
                loop.set_exception_handler(self._on_task)

    def remove(self) -> None:
        """Put back what was there; where somebody has come after, he stays, and goes on to what does nothing more here."""
        if warnings.showwarning is self._on_warning:
            warnings.showwarning = self._warned
        if sys.excepthook is self._on_exception:
            sys.excepthook = self._excepted
        if threading.excepthook is self._on_thread:
            threading.excepthook = self._thread_excepted
        loop = self._loop
        if loop is not None and not loop.is_closed() and loop.get_exception_handler() is self._on_task:
            loop.set_exception_handler(self._task_excepted)

    def _warning(
        self,
        message: Any,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        text = f"{category.__name__}: {message}"[:_LONGEST]
        self._record("warnings", Record(text, logging.WARNING, "warnings", f"{filename}:{lineno}"))
        self._warned(message, category, filename, lineno, file, line)

    def _exception(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if not isinstance(error, SystemExit | KeyboardInterrupt):
            # The interpreter ends now: the logger's end, at its exit, is told why.
            self._core.failure = error
        self._excepted(kind, error, trace)

    def _thread(self, arguments: Any) -> None:
        if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
            name = arguments.thread.name if arguments.thread is not None else "?"
            self._uncaught(f"in thread {name!r}: ", arguments.exc_value)
        self._thread_excepted(arguments)

    def _task(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        said = str(context.get("message", ""))
        if isinstance(error, BaseException):
            self._uncaught(f"{said}: ", error)
        else:
            self._record("uncaught", Record(said[:_LONGEST], logging.ERROR, "asyncio"))
        if self._task_excepted is None:
            loop.default_exception_handler(context)
        else:
            self._task_excepted(loop, context)

    def _uncaught(self, lead: str, error: BaseException) -> None:
        told = failure_record(error)
        self._record(
            "uncaught", Record((lead + told.message)[:_LONGEST], logging.ERROR, "uncaught", told.where, told.exception)
        )

    def _record(self, key: str, value: Record) -> None:
        # Whatever goes wrong here must not hide what the hook was called for.
        with suppress(Exception):
            self._core.aside.value("record", NAMESPACE, key, value)

"""The standard library's log records, as values of a run."""

import logging
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from asynclog.values import Record

if TYPE_CHECKING:
    from asynclog.logger.collect import Collector
    from asynclog.logger.core import Core

NAMESPACE: Final = "log"
_MOST_EARLY: Final = 1000
_LONGEST: Final = 64 << 10
_OWN: Final = "asynclog"


class LogHandler(logging.Handler):
    """A handler of ``logging`` that records what it is given: level, logger, message, place, and an exception's traceback.

    log: a MultiLogger, or a part of it. level: as of any handler. namespace: under which; the key is the logger's name.

    From any thread; it never raises and never waits: what there is no room for is counted in ``dropped``. A record is accepted
    when the call returns, and survives the process. Records of asynclog's own loggers are left out. What comes before the
    logger was opened waits until something comes after, up to 1000 records.
    """

    def __init__(self, log: "Collector | Core", level: int | str = logging.NOTSET, *, namespace: str = NAMESPACE) -> None:
        super().__init__(level)
        # A part of a logger has the same core as the whole.
        self._core: Core = getattr(log, "_core", None) or log  # type: ignore[assignment]
        self._namespace = namespace
        self._early: deque[logging.LogRecord] = deque(maxlen=_MOST_EARLY)
        self._here = threading.local()
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] == _OWN or getattr(self._here, "busy", False):
            return
        self._here.busy = True
        try:
            if self._core.state == "new":
                self._early.append(record)
                return
            while self._early:
                with suppress(IndexError):
                    self._record(self._early.popleft())
            self._record(record)
        except Exception:  # noqa: BLE001 - whoever logs is never stopped by it; a message that can't be formatted counts too
            self.dropped += 1
        finally:
            self._here.busy = False

    def _record(self, record: logging.LogRecord) -> None:
        exception = record.exc_text
        if record.exc_info and not exception:
            exception = (self.formatter or _PLAIN).formatException(record.exc_info)
        value = Record(
            record.getMessage()[:_LONGEST],
            record.levelno,
            record.name,
            f"{record.filename}:{record.lineno}",
            exception[-_LONGEST:] if exception else None,
        )
        self._core.aside.value("record", self._namespace, record.name, value)


_PLAIN: Final = logging.Formatter()

"""A LoggerManager for code that drives loggers as 3DB's scheduler does: without asyncio, by append, start, log and join."""

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from asynclog.config import load, logger_modules
from asynclog.config.files import merged
from asynclog.errors import LoggerClosed
from asynclog.flow.route import Route
from asynclog.integrations.threedb.channels import Declared
from asynclog.integrations.threedb.results import Results
from asynclog.logger.multi import MultiLogger
from asynclog.sink import Sink


class LoggerManager:
    """Records results in the run ``run``, and hands them to every logger that was appended, and to those that ``config``
    names (a mapping, or a YAML file's path). In asyncio code use ``Results``.

    ``start``, ``log(item, channels)`` for each result, ``join``; or under ``with``. Further arguments are MultiLogger's.
    """

    def __init__(
        self,
        run: "str | os.PathLike[str]",
        config: "Mapping[str, Any] | str | os.PathLike[str] | None" = None,
        channels: Declared | None = None,
        *,
        root_dir: "str | os.PathLike[str] | None" = None,
        **options: Any,
    ) -> None:
        self._run, self._options = run, options
        self._root_dir, self._declared = root_dir, channels
        given = {} if config is None else dict(config) if isinstance(config, Mapping) else load(config)
        self._config: dict[str, Any] = merged({"logging": {"logger_modules": []}}, given)
        self._check(self._config)
        self.loggers: list[Route | Sink] = []
        self._log: MultiLogger | None = None
        self._results: Results | None = None

    def append(self, logger: Route | Sink | str) -> None:
        """One more logger: a Route, a sink, or a module by name or path. Before ``start``."""
        if self._log is not None:
            raise LoggerClosed("loggers are appended before start()")
        if not isinstance(logger, str):
            self.loggers.append(logger)
            return
        section = self._config["logging"]
        longer = merged(self._config, {"logging": {"logger_modules": [*section["logger_modules"], logger]}})
        self._check(longer)
        self._config = longer

    def start(self) -> None:
        """Open the run, and start every logger. Once; one that could not be opened may be started again."""
        if self._log is not None:
            raise LoggerClosed("started already; another run is another LoggerManager's")
        modules = logger_modules(self._config, root_dir=self._root_dir)
        log = MultiLogger(self._run, sinks=[*modules, *self.loggers], **self._options)
        results = Results(log, self._declared)
        log.__enter__()
        self._log, self._results = log, results

    def declare_buffers(self, channels: Declared) -> bool:
        """See Results.declare_buffers. After ``start``."""
        return self._started.declare_buffers(channels)

    def log(self, item: Mapping[Any, Any] | None, channels: Mapping[str, Any] | None = None) -> int | None:
        """A result for every logger; returns its ``result_ix``. Waits while shared memory is full, never for a logger. None,
        by which 3DB says that there are no more, does nothing: ``join`` does it. Raises as ``Results.log``."""
        return None if item is None else self._started.log_here(item, channels)

    def join(self) -> None:
        """Wait until every logger has logged and ended; raises an ExceptionGroup of the SinkErrors of those that failed."""
        if self._log is not None:
            self._log.close()

    def _check(self, config: Mapping[str, Any]) -> None:
        logger_modules(config, root_dir=self._root_dir)

    @property
    def _started(self) -> Results:
        if self._results is None:
            raise LoggerClosed("start() comes first")
        return self._results

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._log is not None:
            self._log.__exit__(kind, error, trace)

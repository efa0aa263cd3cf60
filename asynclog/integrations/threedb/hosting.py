"""The sink that makes a ported logger and serves it: results out of batches, one by one, each at its own cost."""

from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from asynclog.errors import InvalidConfiguration, SinkError, SinkUnavailable
from asynclog.integrations.threedb.buffer import Buffer
from asynclog.integrations.threedb.own_loop import OwnLoop
from asynclog.integrations.threedb.pairing import Parts, Result, paired
from asynclog.integrations.threedb.reached import Reached
from asynclog.sink import Batch, Event, Place, RunInfo

if TYPE_CHECKING:
    from asynclog.integrations.threedb.base_logger import BaseLogger

_LATER = (SinkUnavailable, OSError, TimeoutError)


class HostedLogger:
    """logger: the class, called with (root_dir, result_buffer, config) when this is opened. directory: where it is remembered
    what was logged. A result that can't be logged fails its batch, which is tried again: with those alone that failed."""

    default_place: ClassVar[Place] = "process"

    def __init__(
        self, logger: "type[BaseLogger]", config: Mapping[str, Any] | None, directory: Path, root_dir: Path | None = None
    ) -> None:
        self._class, self._config = logger, config
        self._directory, self._root_dir = directory, root_dir or directory
        self._logger: BaseLogger | None = None
        self._log_one: Callable[[dict[str, Any]], None] = _not_open
        self._loop: OwnLoop | None = None
        self._batch: tuple[int, int] | None = None
        self._before: Parts | None = None
        self._after: Parts | None = None
        """What the batch in hand goes on from, and what it ends with."""
        self._logged: set[int] = set()
        """Of the batch in hand, what was logged behind one that failed."""

    async def open(self, run: RunInfo) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._root_dir.mkdir(parents=True, exist_ok=True)
        self._run = run
        self._reached = Reached(self._directory, run)
        self._buffer = Buffer(tensors=self._class.tensors)
        config = self._config if self._config is not None else run.config
        if iscoroutinefunction(self._class.log):
            # Nobody would await it: every result would count as logged, and none would be.
            raise InvalidConfiguration(
                f"{self._class.__name__}.log is async; a ported logger has a plain log(item), a sink write(batch)"
            )
        logger = self._logger = self._class(str(self._root_dir), self._buffer, config)
        if logger.has_own_loop():
            self._loop = OwnLoop(logger)
            self._log_one = self._loop.log
        else:
            self._log_one = logger.log

    async def write(self, batch: Batch, /) -> None:
        results = self._results(batch)
        failed: list[tuple[Result, BaseException]] = []
        for one in results:
            if one.time_ns in self._logged:
                continue
            try:
                self._serve(one)
            except _LATER:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 - raised below, when the others had their turn
                failed.append((one, error))
                continue
            if failed:
                self._logged.add(one.time_ns)
            else:
                self._reached.move(batch.epoch, one.time_ns)
        if failed:
            first, cause = failed[0]
            share = f"{len(failed)} of {len(results)} results of this batch failed, first"
            try:
                raise SinkError(f"{share} {first.ix} (id {first.item.get('id')!r}): {type(cause).__name__}: {cause}") from cause
            finally:
                # Its traceback leads to this frame, and so to the batch: a cycle would keep memory until it is collected.
                del cause
                failed.clear()

    def _results(self, batch: Batch) -> list[Result]:
        """Of a batch, the same each time it is tried, but for what was logged."""
        identity = (batch.epoch, batch.seq)
        if identity != self._batch:
            self._batch, self._before, self._logged = identity, self._after, set()
        found = paired(batch, self._before, self._fetch, self._reached.time_of(batch.epoch))
        self._after = found.held
        return found.results

    def _serve(self, result: Result) -> None:
        assert self._logger is not None
        with self._buffer.serving(result):
            self._log_one(result.item)
            self._logger.flush()

    def _fetch(self, time_ns: int) -> list[Event]:
        if self._run.directory is None:
            return []
        # Only after a kill: no reason to load it in every logger's process.
        from asynclog.readers import read

        return [one for one in read(self._run.directory).events() if one.time_ns == time_ns]

    async def flush(self) -> None:
        if self._logger is not None:
            self._logger.flush()

    async def aclose(self) -> None:
        logger = self._logger
        if logger is None:
            return
        try:
            if self._after is not None and self._after.record is not None:
                self._serve(self._after.result())
        finally:
            try:
                (logger.end if self._loop is None else self._loop.end)()
            finally:
                self._logger = None
                logger.close_files()
                self._reached.close()


def _not_open(item: dict[str, Any]) -> None:
    raise AssertionError("open() comes first")

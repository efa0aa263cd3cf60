"""A run as a text to be read and followed, in the lines of Composer's FileLogger."""

import asyncio
import os
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final, TypeVar

from asynclog.errors import InvalidConfiguration
from asynclog.sink import Batch, Place, RunInfo
from asynclog.sinks.growing import GrowingFile, path_in_run
from asynclog.sinks.log_lines import STYLES, Style, lines_of
from asynclog.sinks.repeats import Entry, Repeats
from asynclog.state import LEVELS, Level, State

T = TypeVar("T")
_TURN_WRITES: Final = 200
_RANKS: Final = ("{rank}", "{writer}")


class LogFile:
    """Appends lines to ``filename``, in which ``{run_name}``, ``{rank}`` and ``{writer}`` are filled in. A relative path lies
    in the run's directory.

    style: "metric", a line a value, or "level", a line a write (``log_lines`` has both). log_level: the finest that is written,
    as of a Route. log_interval: of the finest level every so many batches or epochs; a coarser one is always written.
    flush_interval: batches after which, and epochs after which, the file is flushed to the disk; also where an epoch or an
    evaluation begins, where the fit ends, and at the end. overwrite: else a file of another run is refused. log_traces: whether
    records of the logger "trace" are written. capture_stdout, capture_stderr: whether lines that the MultiLogger captures are.

    Raises InvalidConfiguration.
    """

    default_place: ClassVar[Place] = "recorder"
    takes_console: ClassVar[bool] = True
    hooks: ClassVar[AbstractSet[str]] = frozenset({"epoch_start", "eval_start", "fit_end"})

    def __init__(
        self,
        filename: str = "logs-rank{rank}.txt",
        *,
        style: Style = "metric",
        log_level: Level = "batch",
        log_interval: int = 1,
        flush_interval: int = 100,
        overwrite: bool = False,
        log_traces: bool = True,
        capture_stdout: bool = True,
        capture_stderr: bool = True,
    ) -> None:
        if style not in STYLES:
            raise InvalidConfiguration(f"LogFile style: expected one of {', '.join(STYLES)}, got {style!r}")
        if log_level not in LEVELS:
            raise InvalidConfiguration(f"LogFile log_level: expected one of {', '.join(LEVELS)}, got {log_level!r}")
        for name, number in (("log_interval", log_interval), ("flush_interval", flush_interval)):
            if type(number) is not int or number < 1:
                raise InvalidConfiguration(f"LogFile {name}: expected a whole number ≥ 1, got {number!r}")
        try:
            filename.format(run_name="", rank=0, writer="")
        except (KeyError, IndexError, ValueError) as error:
            expected = "{run_name}, {rank} and {writer} in it, and no other braces"
            raise InvalidConfiguration(f"LogFile filename: expected {expected}, got {filename!r}") from error
        self.filename, self.style, self.log_level = filename, style, log_level
        self.log_interval, self.flush_interval, self.overwrite = log_interval, flush_interval, overwrite
        self.log_traces = log_traces
        self._streams = {name for name, wanted in (("stdout", capture_stdout), ("stderr", capture_stderr)) if not wanted}
        self._file: GrowingFile | None = None
        self._repeats = Repeats(None)
        self._noting: asyncio.Task[Any] | None = None
        self._flushed = State(0)

    async def open(self, run: RunInfo) -> None:
        path = self._path(run)
        ours = await asyncio.to_thread(self._begin, run, path)
        self._file = GrowingFile(path)
        await self._file.open(_whole_lines if ours else None)

    def _begin(self, run: RunInfo, path: Path) -> bool:
        """Whether the file is this run's."""
        notes = None
        if run.directory is not None:
            digest = blake2b(str(path).encode(), digest_size=4).hexdigest()
            notes = run.sink_directory(f"logfile/{path.name}-{digest}")
        ours = run.resumed or (notes is not None and any(notes.glob("*.given")))
        if not ours and not self.overwrite and path.exists() and path.stat().st_size:
            raise InvalidConfiguration(f"LogFile: {path} exists, and is another run's; overwrite=True replaces it")
        self._repeats = Repeats(notes)
        return ours

    async def write(self, batch: Batch, /) -> None:
        file = self._opened
        await file.begin()
        lines: list[str] = []
        noted: list[Entry] = []
        flush = False
        for at, (one, entries) in enumerate(await self._step(partial(self._repeats.new_of, batch)), 1):
            noted += entries
            flush |= self._flushes(one.state) or any(event.kind == "hook" for event in one.events)
            if self._writes(one.state):
                events = [event for event in one.events if not (event.namespace == "console" and event.key in self._streams)]
                said, left = lines_of(one._replace(events=events), self.style, self.log_traces)
                lines.append(said)
                for kind in left:
                    batch.reject(f"{kind} has no line in a log file")
            if at % _TURN_WRITES == 0:
                await asyncio.sleep(0)
        # In one piece: whoever follows the file sees whole lines, and a full disk leaves none of them.
        await file.append("".join(lines).encode("utf-8", "backslashreplace"))
        file.accept()
        await self._step(partial(self._repeats.given, batch, noted))
        if flush:
            await file.flush()

    async def flush(self) -> None:
        await self._opened.flush()

    async def aclose(self) -> None:
        if self._file is not None:
            await self._file.flush()
            await self._file.aclose()
        await self._step(self._repeats.close)

    async def _step(self, step: Callable[[], T]) -> T:
        """In a thread, and to its end, though whoever waits is cancelled; the next one waits for it."""
        if self._noting is not None:
            await asyncio.wait([self._noting])
        self._noting = task = asyncio.ensure_future(asyncio.to_thread(step))
        return await asyncio.shield(task)

    def _path(self, run: RunInfo) -> Path:
        named = self.filename.format(run_name=run.name, rank=run.rank, writer=run.writer)
        if any(one in self.filename for one in _RANKS):
            wanted = Path(named).expanduser()
            return wanted if run.directory is None else run.directory / wanted
        return path_in_run(named, run)

    def _writes(self, state: State) -> bool:
        """Whether a state's lines are written, as Composer decides it."""
        place, finest = LEVELS.index(state.level), LEVELS.index(self.log_level)
        if place != finest or state.level == "fit":
            return place <= finest
        return ((state.epoch if state.level == "epoch" else state.step) + 1) % self.log_interval == 0

    def _flushes(self, state: State) -> bool:
        """Whether a further flush_interval of batches or epochs is over."""
        before, every = self._flushed, self.flush_interval
        passed = state.step // every != before.step // every or state.epoch // every != before.epoch // every
        if passed:
            self._flushed = state
        return passed

    @property
    def _opened(self) -> GrowingFile:
        assert self._file is not None, "open() comes first"
        return self._file

    def __repr__(self) -> str:
        return f"LogFile({self.filename!r})"


def _whole_lines(old: BinaryIO) -> int:
    """Where the last whole line ends."""
    end = old.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - (1 << 16))
        old.seek(start)
        found = old.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0

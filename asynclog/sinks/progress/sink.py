"""The shell: it folds what comes, and shows it every now and then, on a terminal live, elsewhere in lines."""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TextIO

from asynclog.errors import InvalidConfiguration
from asynclog.sink import Batch, Place, RunInfo
from asynclog.sinks.progress.looks import STYLES, bars, meters, require
from asynclog.sinks.progress.tally import Tally
from asynclog.sinks.progress.words import duration, line, position, safe

if TYPE_CHECKING:
    from rich.console import RenderableType

    from asynclog.sinks.progress.screen import Screen

_log: Final = logging.getLogger("asynclog.progress")
_IDLE_S: Final = 1.0
_LONGEST_ERROR: Final = 200
_SHARE: Final = 20
_ENDED: Final = {"killed": "was killed", "exited": "exited without closing"}


class Progress:
    """How far the training is: a bar a phase with speed, time left, epoch and newest numbers.

    total: steps of the whole run, of "train" or by phase. per_epoch: writes of an epoch instead, of "train" or by phase.
    epochs: how many there will be. metrics: patterns of "namespace/key" to show; None: the first four of each phase. style:
    "rich", or "tqdm" for its line. file: where to; None: standard error. live: None: on a terminal only; otherwise a plain
    line a phase, at first ``every`` seconds apart, in a long run a twentieth of the time it has run. refresh: seconds between
    two looks on a terminal.

    Of several ranks only the first shows anything. Raises InvalidConfiguration for other values, and for what isn't installed.
    """

    default_place: ClassVar[Place] = "thread"
    ephemeral: ClassVar[bool] = True

    def __init__(
        self,
        total: int | Mapping[str, int] | None = None,
        *,
        per_epoch: int | Mapping[str, int] | None = None,
        epochs: int | None = None,
        metrics: str | Sequence[str] | None = None,
        style: Literal["rich", "tqdm"] = "rich",
        file: TextIO | None = None,
        live: bool | None = None,
        refresh: float = 0.25,
        every: float = 10.0,
    ) -> None:
        if style not in STYLES:
            raise InvalidConfiguration(f"a Progress's style is one of {', '.join(STYLES)}, not {style!r}")
        if not refresh > 0 or not every > 0:
            raise InvalidConfiguration(f"a Progress's refresh and every: expected seconds > 0, got {refresh} and {every}")
        self._file, self._live, self._style = file, live, style
        self._epochs, self._refresh, self._every = epochs, refresh, every
        self._tally = Tally(total, per_epoch, (metrics,) if isinstance(metrics, str) else metrics)
        if self._is_live:
            require(style)
        self._name = ""
        self._shows = True
        self._screen: Screen | None = None
        self._showing: asyncio.Task[None] | None = None
        self._changed = False
        self._painting = asyncio.Lock()
        self._said: dict[str, int] = {}
        self._said_at = 0.0
        self._began = 0.0
        self._ending = ""

    async def open(self, run: RunInfo) -> None:
        self._name, self._shows, self._began = run.name, run.rank == 0, time.time()
        if self._file is None:
            self._file = sys.stderr
        if not self._shows:
            return
        if self._is_live:
            self._screen = await asyncio.to_thread(_started, self._file, self._content)
        self._showing = asyncio.create_task(self._show_on())

    async def write(self, batch: Batch, /) -> None:
        self._tally.take(batch)
        self._changed = True

    async def flush(self) -> None:
        if self._screen is not None:
            await self._show()

    async def run_ended(self, status: str, error: str | None) -> None:
        why = f": {safe(error, _LONGEST_ERROR)}" if error else ""
        self._ending = f"{_ENDED.get(status, status)}{why}"

    async def aclose(self) -> None:
        showing, self._showing = self._showing, None
        if showing is None:
            return
        showing.cancel()
        async with self._painting:
            if self._shows:
                await self._to_terminal(self._finish)

    # -- what is shown ----------------------------------------------------------------------------------------------

    async def _show_on(self) -> None:
        while self._shows:
            waited = 0.0
            while not self._changed and waited < _IDLE_S:
                await asyncio.sleep(self._refresh)
                waited += self._refresh
            await self._show()
            await asyncio.sleep(self._refresh)

    async def _show(self) -> None:
        async with self._painting:
            self._changed = False
            if self._tally.tracks and self._shows:
                await self._to_terminal(self._look)

    async def _to_terminal(self, action: Callable[[], None]) -> None:
        try:
            # In a thread: a terminal that doesn't read blocks whoever writes to it.
            await asyncio.to_thread(action)
        except (OSError, ValueError) as error:
            # Hung up, or closed: the training goes on without anybody looking.
            self._shows = False
            _log.warning("progress isn't shown any more: %s", error)

    def _look(self) -> None:
        if self._screen is not None:
            self._screen.paint(self._content(self._screen))
        elif time.monotonic() >= self._said_at:
            self._say()

    def _say(self) -> None:
        now = time.time()
        moved = [one for one in self._tally.tracks.values() if self._said.get(one.phase) != one.writes]
        for track in moved:
            text = line(track, self._tally.shown(track), now - track.first_s, self._epochs)
            self._print(f"{time.strftime('%H:%M:%S')} {text}\n")
            self._said[track.phase] = track.writes
        if moved:
            self._said_at = time.monotonic() + max(self._every, (now - self._began) / _SHARE)

    def _finish(self) -> None:
        if self._screen is not None:
            self._screen.stop(self._content(self._screen), self._last_words())
            return
        self._said_at = 0.0
        self._say()
        if last := self._last_words():
            self._print(f"{time.strftime('%H:%M:%S')} {last}\n")

    def _last_words(self) -> str:
        if not self._ending:
            return ""
        reached = ", ".join(f"{one.phase} {position(one)}" for one in self._tally.tracks.values()) or "nothing"
        whose = f"run {safe(self._name)}" if self._name else "the run"
        return f"{whose} {self._ending}; {reached} in {duration(time.time() - self._began)}"

    def _content(self, screen: "Screen") -> "RenderableType":
        if self._style == "tqdm":
            return meters(self._tally, time.time(), self._epochs, screen.console.width)
        return bars(self._tally, time.time(), self._epochs, screen.console.width)

    def _print(self, text: str) -> None:
        assert self._file is not None
        self._file.write(text)
        self._file.flush()

    @property
    def _is_live(self) -> bool:
        if self._live is not None:
            return self._live
        return (sys.stderr if self._file is None else self._file).isatty() and os.environ.get("TERM") != "dumb"

    def __repr__(self) -> str:
        return (
            f"<Progress: {', '.join(f'{one.phase} {position(one)}' for one in self._tally.tracks.values()) or 'nothing yet'}>"
        )


def _started(stream: TextIO, content: "Callable[[Screen], RenderableType]") -> "Screen":
    # In a thread, too: what is imported is read from the disk.
    from asynclog.sinks.progress.screen import Screen

    screen = Screen(stream)
    content(screen)  # so that nothing is imported later, beside the loop
    screen.start()
    return screen

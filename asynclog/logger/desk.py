"""The making of artifacts while a logger is open: by a thread of its own, one after the other."""

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asynclog.artifacts.asked import Place
from asynclog.artifacts.keeper import Keeper
from asynclog.artifacts.layout import Kept
from asynclog.artifacts.settings import Artifacts
from asynclog.errors import InvalidValue
from asynclog.flow.route import Route
from asynclog.logger.keeping import whole_name
from asynclog.state import State
from asynclog.values.artifact import Artifact

if TYPE_CHECKING:
    from asynclog.logger.pending import Logged

_NOT_YET: Final = (-1, -1)


class ArtifactDesk:
    """What one open logger needs to keep artifacts: the keeper, the thread it works in, and how far routes have come."""

    def __init__(
        self, run: Path, writer: str, epoch: int, settings: Artifacts, routes: Sequence[Route], *, durable: bool
    ) -> None:
        self._run, self._writer, self._epoch = run, writer, epoch
        self._routes = [one.name for one in routes if not one.ephemeral and (one.kinds is None or "artifact" in one.kinds)]
        self._seqs: dict[str, int] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._left = False
        self.keeper = Keeper(run, writer, epoch, settings, durable=durable, delivered=self._delivered)

    def job(self, logged: "Logged", state: State, now_ns: int) -> "KeepJob":
        """The making of one version."""
        return KeepJob(self, logged, Place(state.step, state.phase, now_ns))

    def announced(self, value: Artifact, seq: int) -> None:
        """A version was recorded, as this record of the stream."""
        self._seqs[value.label] = seq

    def thread(self) -> ThreadPoolExecutor:
        """One of its own: arrays must not wait behind a checkpoint of many gigabytes."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="asynclog-artifacts")
        return self._thread

    def leave(self) -> None:
        """The logger ends: what is still being copied is given up."""
        self._left = True
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    @property
    def left(self) -> bool:
        return self._left

    def _delivered(self, kept: Kept) -> bool:
        """Whether every route has come past a version of this writer's."""
        seq = self._seqs.get(kept.value.label, 0 if kept.epoch < self._epoch else None)
        if seq is None:
            return False
        # Of an earlier epoch it isn't known which record it was.
        least = (kept.epoch, seq) if kept.epoch == self._epoch else (kept.epoch + 1, -1)
        return all(self._reached(one) >= least for one in self._routes)

    def _reached(self, route: str) -> tuple[int, int]:
        """(epoch, seq) of the last record that a route has settled."""
        try:
            saved = json.loads((self._run / "cursors" / route / f"{self._writer}.json").read_bytes())
            return int(saved["epoch"]), int(saved["seq"])
        except (OSError, ValueError, TypeError, KeyError):
            return _NOT_YET


class KeepJob:
    """One version, being made: called where it is made, or awaited where the loop runs on."""

    def __init__(self, desk: ArtifactDesk, logged: "Logged", place: Place) -> None:
        self._desk, self._logged, self._place = desk, logged, place
        self._given_up = False

    def __call__(self) -> Artifact:
        return self._keep(waits=False)

    async def beside(self) -> Artifact:
        """In the thread; one that nobody waits for any more is given up there, and leaves nothing."""
        making = asyncio.wrap_future(self._desk.thread().submit(self._keep, waits=True))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            self._given_up = True
            making.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    def _keep(self, *, waits: bool) -> Artifact:
        _, namespace, key, asked, _ = self._logged
        try:
            name = whole_name(namespace, key)
            return self._desk.keeper.keep(name, asked, self._place, lambda: self._given_up or self._desk.left, waits=waits)
        except InvalidValue as refused:
            said = {name: getattr(refused, name) for name in ("kind", "expected", "got", "hint")}
            raise InvalidValue(namespace=namespace, key=key, **said) from refused

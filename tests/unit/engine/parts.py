"""What engine tests are made of: settings of a run in a directory, frames, and sinks that do as they are told."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from asynclog.engine.files import Files
from asynclog.engine.journal import JournalWriter, Nonces
from asynclog.engine.rundir import segments
from asynclog.engine.settings import EngineSettings, Journal
from asynclog.errors import DamagedFrame
from asynclog.flow.route import Route
from asynclog.sink import RunInfo
from asynclog.wire.event import event_meta
from asynclog.wire.frame import Frame, pack_meta
from asynclog.wire.layout import Kind
from asynclog.wire.schema import SPARSE_HEAD, Schema, Series, series_frame
from asynclog.wire.segment import Damage, Scanner
from asynclog.wire.stream import StreamDecoder

START_NS = 1_700_000_000_000_000_000
DEADLINE_S = 10.0
LOSS = Schema(1, (Series("train", "", "loss"),))
MANY = Schema(2, tuple(Series("train", "", f"m{at}") for at in range(10)))
FOLDED = Schema(3, (Series("train", "", "loss", "d", "mean"),), due=True)


def settings(
    directory: Path | None,
    routes: Iterable[Route] = (),
    *,
    journal: Journal | None = None,
    epoch: int = 0,
    **more: Any,
) -> EngineSettings:
    """Of a run in ``directory``, whose stream is claimed as by a training process; without one, of a run in memory."""
    stream = None if directory is None else directory / "streams" / "main"
    if stream is not None:
        stream.mkdir(parents=True, exist_ok=True)
    chosen = list(routes)
    return EngineSettings(
        run=RunInfo("id", "run", directory, "main", epoch),
        stream=stream,
        journal=(journal or Journal(fsync="close")) if directory is not None else None,
        routes=chosen,
        route_names=[one.name for one in chosen],
        always=more.pop("always", -1),
        began_ns=START_NS,
        pid=1,
        host="here",
        **more,
    )


def journal_writer(made: EngineSettings, files: Files | None = None, *, sync_every: float = 3600.0) -> JournalWriter:
    assert made.stream is not None
    assert made.journal is not None
    writer = JournalWriter(made.stream, made, made.journal, files or Files(), Nonces, sync_every)
    for schema in (LOSS, MANY, FOLDED):
        writer.learn(schema.frame(0, 0))
    return writer


def rows(seq: int, *numbers: float, schema: Schema = LOSS, due: Iterable[int] = (), step: int | None = None) -> Frame:
    """A ROWS frame; each number fills a row. Steps and times go on from ``seq``."""
    masks = list(due) or [1] * len(numbers)
    first = 100 * seq if step is None else step
    payload = b"".join(
        schema.struct.pack(
            first + at, *([mask] if schema.due else []), *[number] * len(schema.series), START_NS + 100 * seq + at + 1
        )
        for at, (number, mask) in enumerate(zip(numbers, masks, strict=True))
    )
    return Frame(
        Kind.ROWS, seq=seq, time=START_NS + 100 * seq + len(numbers), schema=schema.number, count=len(numbers), payload=payload
    )


def sparse(seq: int, number: int, value: float) -> Frame:
    payload = SPARSE_HEAD.pack(seq, 1, 0) + np.array([number, 0], "<u4").tobytes() + np.array([value]).tobytes()
    payload += (START_NS + 100 * seq + 1).to_bytes(8, "little", signed=True)
    return Frame(Kind.SPARSE, seq=seq, time=START_NS + 100 * seq + 1, payload=payload)


def numbered(*numbers: int) -> Frame:
    return series_frame(list(numbers), [Series("train", "", f"sparse {one}") for one in numbers], 0, 0)


def text(seq: int, words: str = "words", *, due: int = -1, key: str = "note", parts: list[int] | None = None) -> Frame:
    return Frame(Kind.EVENT, seq=seq, time=START_NS + 100 * seq + 1, meta_bytes=text_meta(words, due, key, parts))


def text_meta(words: str, due: int = -1, key: str = "note", parts: list[int] | None = None) -> bytes:
    meta = event_meta(
        kind="string", phase="train", namespace="", key=key, step=0, epoch=0, level="batch", elapsed_s=None, axes={},
        due=due, params={"text": words}, arrays=[],
    )  # fmt: skip
    return pack_meta(meta | ({"parts": parts} if parts else {}))


class Stream:
    """What a stream's files hold, as a reader finds it."""

    def __init__(self, stream: "Path | None") -> None:
        assert stream is not None
        self.frames: dict[tuple[int, int], list[Frame]] = {}
        self.damage: list[Damage] = []
        self.values: list[Any] = []
        self.missing = self.repeats = 0
        self.gaps: list[dict[str, Any]] = []
        decoders: dict[int, StreamDecoder] = {}
        for epoch, number, path in segments(stream):
            decoder = decoders.setdefault(epoch, StreamDecoder())
            # A segment names every schema before it uses it.
            decoder.book.schemas.clear()
            decoder.book.series.clear()
            found = self.frames[epoch, number] = []
            for one in Scanner().scan(path.read_bytes(), final=True):
                if isinstance(one, Damage):
                    self.damage.append(one)
                    continue
                found.append(one)
                try:
                    record = decoder.feed(one)
                except DamagedFrame:
                    continue
                if record is not None:
                    self.values.extend(event.value for event in record.part.events())
        for decoder in decoders.values():
            self.missing += decoder.missing
            self.repeats += decoder.repeats
            self.gaps += [dict(one.meta) for one in decoder.gaps]

    def kinds(self, segment: int, epoch: int = 0) -> list[str]:
        return [Kind(one.kind).name for one in self.frames[epoch, segment]]

    def statuses(self) -> list[str | None]:
        """Of each segment what its footer says, or None."""
        return [
            next((str(one.meta["status"]) for one in found if one.kind == Kind.FOOTER), None) for found in self.frames.values()
        ]


class ToldSink:
    """A sink that keeps what it is given, and does ``act(call)`` before: raise, wait, end. ``changed`` is notified then."""

    ephemeral = False

    def __init__(self, act: Callable[[str], Any] = lambda call: None, *, ephemeral: bool = False) -> None:
        self._act = act
        self.ephemeral = ephemeral
        self.changed = threading.Condition()
        self.calls: list[str] = []
        self.values: list[Any] = []
        self.batches: list[Any] = []
        self.run: RunInfo | None = None

    async def _call(self, name: str) -> None:
        with self.changed:
            self.calls.append(name)
            self.changed.notify_all()
        outcome = self._act(name)
        if asyncio.iscoroutine(outcome):
            await outcome

    async def open(self, run: RunInfo) -> None:
        self.run = run
        await self._call("open")

    async def write(self, batch: Any, /) -> None:
        await self._call("write")
        with self.changed:
            self.batches.append((batch.writer, batch.epoch, batch.seq, len(batch)))
            self.values.extend(event.value for event in batch)
            self.changed.notify_all()

    async def flush(self) -> None:
        await self._call("flush")

    async def aclose(self) -> None:
        await self._call("aclose")

    def until(self, condition: Callable[[], Any]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, DEADLINE_S), f"{self.calls}, {self.values}"

"""What a sink is told of a run that it did not see: taken from run.json, and from the first frames of a stream."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from asynclog.engine.rundir import segments
from asynclog.engine.tail import StreamTail
from asynclog.errors import DamagedFrame
from asynclog.readers.directory import StreamName, facts
from asynclog.sink import RunInfo
from asynclog.wire.frame import Frame
from asynclog.wire.layout import Kind
from asynclog.wire.stream import MALFORMED, StreamDecoder

_WINDOWS: Final = 4
"""How many megabytes are looked through for the settings: a logger records them with its first write."""


def run_info(run: Path, stream: StreamName, *, resumed: bool = False) -> RunInfo | None:
    """As the stream's own logger told its sinks; None as long as nothing can be read of it."""
    epochs = sorted({epoch for epoch, _, _ in segments(run / "streams" / stream.writer) if epoch <= stream.epoch}, reverse=True)
    said = (_said(run / "streams" / stream.writer, epoch) for epoch in epochs)
    newest = next((one for one in said if one is not None), None)
    if newest is None:
        return None
    rank, config = newest
    if not config and len(epochs) > 1:
        # A later life of the same logger need not have said it again.
        _, config = _said(run / "streams" / stream.writer, epochs[-1]) or (0, {})
    known = facts(run)
    name = str(known.get("name", run.name))
    return RunInfo(str(known.get("id", name)), name, run.resolve(), *stream, rank, config, resumed)


def _said(stream: Path, epoch: int) -> tuple[int, Mapping[str, Any]] | None:
    decoder = StreamDecoder()
    rank: int | None = None
    config: dict[str, Any] = {}
    for frame in _first_frames(stream, epoch):
        try:
            if frame.kind == Kind.SEGMENT:
                rank = int(frame.meta.get("rank", 0))
            record = decoder.feed(frame)
        except (DamagedFrame, *MALFORMED):
            continue
        if record is None or frame.kind != Kind.EVENT:
            continue
        for event in record.part.events():
            if event.kind == "config" and isinstance(event.value, dict):
                config.update(event.value)
    return None if rank is None else (rank, config)


def _first_frames(stream: Path, epoch: int) -> Iterator[Frame]:
    tail = StreamTail(stream, epoch)
    try:
        for _ in range(_WINDOWS):
            chunk = tail.next()
            if chunk is None or chunk.epoch != epoch:
                return
            yield from chunk.frames
    finally:
        tail.close()

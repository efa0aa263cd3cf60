"""Whether a run is whole: every frame of every segment checked, every event decoded, every seq sought."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asynclog.artifacts.layout import FOLDER
from asynclog.artifacts.stored import all_artifacts
from asynclog.errors import DamagedArtifact
from asynclog.readers.columns import rows_of
from asynclog.readers.directory import run_directory
from asynclog.readers.index import MALFORMED, Span, uncovered
from asynclog.readers.scan import Damaged, Progress, ScannedStream, scan_run


@dataclass(frozen=True)
class StreamReport:
    """One epoch of one writer.

    missing: seqs that never came. unexplained: those of them that no GAP frame accounts for. gaps: what the journal
    reported as lost (reason, events, from_seq, to_seq). repeats: frames found twice, which is normal after a restart of
    the recorder. torn_bytes: length of a normal cut tail.
    """

    writer: str
    epoch: int
    status: str
    error: str | None
    segments: int
    frames: int
    events: int
    size_bytes: int
    missing: tuple[Span, ...]
    unexplained: tuple[Span, ...]
    gaps: tuple[dict[str, Any], ...]
    repeats: int
    torn_bytes: int


@dataclass(frozen=True)
class Report:
    """What ``verify`` found."""

    path: Path
    streams: tuple[StreamReport, ...]
    damage: tuple[Damaged, ...] = field(default=())
    artifacts: int = 0
    """Versions of artifacts whose bytes were compared with their digests."""

    @property
    def frames(self) -> int:
        return sum(one.frames for one in self.streams)

    @property
    def events(self) -> int:
        return sum(one.events for one in self.streams)

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.streams)

    @property
    def missing(self) -> int:
        """Records that never came, explained or not."""
        return sum(span.length for one in self.streams for span in one.missing)

    @property
    def unexplained(self) -> int:
        """Records that never came and that no GAP frame accounts for."""
        return sum(span.length for one in self.streams for span in one.unexplained)

    @property
    def sound(self) -> bool:
        """Nothing is damaged and nothing is missing without a word.

        A frame cut short at a segment's end is a trace of a killed recorder; if its seq came again, nothing was lost
        by it.
        """
        return not self.unexplained and not [one for one in self.damage if one.reason != "truncated"]


def verify(path: "str | os.PathLike[str]", *, progress: Progress | None = None) -> Report:
    """Check all that a run has on disk. Raises RunNotFound; damage is reported, never raised.

    progress: called with (bytes read, bytes in all).
    """
    directory = run_directory(path)
    scanned = scan_run(directory, progress)
    damage = [one for stream in scanned for one in (*stream.damage, *_undecodable(stream))]
    artifacts, spoiled = _artifacts(directory)
    return Report(directory, tuple(_report(one) for one in scanned), (*damage, *spoiled), artifacts)


def _artifacts(run: Path) -> tuple[int, list[Damaged]]:
    """How many versions there are to check, and what of their bytes is not what was recorded."""
    try:
        found = [one for one in all_artifacts(run) if one.target is None and not one.dropped]
    except DamagedArtifact as error:
        return 0, [Damaged(run / FOLDER / "versions", None, 0, f"artifact: {error}")]
    # Content that several refer to is told of once.
    wrong = {path: why for one in found for path, why in one.faults()}
    return len(found), [Damaged(path, None, _size(path), f"artifact: {why}") for path, why in wrong.items()]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _report(stream: ScannedStream) -> StreamReport:
    index = stream.index
    return StreamReport(
        *stream.name,
        status=stream.status,
        error=stream.error,
        segments=len(stream.files),
        frames=index.frames,
        events=index.events,
        size_bytes=stream.size_bytes,
        missing=tuple(index.missing),
        unexplained=tuple(uncovered(index.missing, index.gaps)),
        gaps=tuple(index.gaps),
        repeats=index.repeats,
        torn_bytes=stream.cut_bytes,
    )


def _undecodable(stream: ScannedStream) -> Iterator[Damaged]:
    """Frames whose checksum holds and whose content can't be read: an array of which a part was lost, say."""
    index = stream.index
    where = stream.files[0].path.parent / f"{stream.name.epoch:04d}"
    for stored in index.stored:
        try:
            index.decoded(stored)
        except MALFORMED as error:
            yield Damaged(where, None, stored.frame.length, f"content: {error}", stored.frame.seq)
    for block in index.blocks:
        for frame in block.frames:
            if rows_of(block, frame) is None:
                yield Damaged(where, None, frame.length, "content: rows that can't be decompressed", frame.seq)

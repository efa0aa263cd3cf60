"""From the files of a stream to its index, and what could not be read on the way.

A cut tail is what a process leaves behind that was killed while it wrote: nothing that was finished is lost by it. So
it is told apart from damage: in the newest segment of a stream that ended without a footer, or still grows, it is
normal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from asynclog.errors import DamagedFrame
from asynclog.readers.directory import SegmentFile, StreamName, listed, segment_bytes
from asynclog.readers.index import MALFORMED, StreamIndex
from asynclog.wire.layout import HEADER_BYTES, Kind
from asynclog.wire.rewind import left_of, steps_told
from asynclog.wire.segment import Damage, Scanner

Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes in all)."""


class Damaged(NamedTuple):
    """Bytes of a segment that could not be read.

    reason: "body", "header", "truncated", "unknown", or "content: …" for a frame whose checksum holds and whose content
    makes no sense.
    """

    path: Path
    at: int | None
    length: int
    reason: str
    seq: int | None = None

    def __str__(self) -> str:
        what = {
            "body": "a frame whose checksum does not hold",
            "header": "bytes that are no frame",
            "truncated": "a frame cut short",
            "unknown": "a frame of a later version",
        }.get(self.reason, self.reason)
        which = "" if self.seq is None else f" (seq {self.seq})"
        at = "" if self.at is None else f" at {self.at:,}"
        return f"{self.path.parent.name}/{self.path.name}{at}: {self.length:,} bytes, {what}{which}"


@dataclass
class ScannedStream:
    """One stream as it was when it was read. grows: more may come. cut_bytes: length of a normal cut tail."""

    name: StreamName
    files: Sequence[SegmentFile]
    grows: bool
    newest_epoch: bool
    index: StreamIndex
    damage: list[Damaged] = field(default_factory=list)
    cut_bytes: int = 0
    size_bytes: int = 0

    @property
    def status(self) -> str:
        """What the footer says; without one "running" while somebody holds the writer's lock, else "lost".

        The lock alone decides: a journal that is young, or whose recorder is about to close it, may have nothing in it
        whose time would tell.
        """
        footer = self.index.footer
        if footer is not None and footer.get("status") != "open":
            return str(footer.get("status", "finished"))
        return "running" if self.grows else "lost"

    @property
    def error(self) -> str | None:
        """The error that ended a failed stream, as text."""
        found = (self.index.footer or {}).get("error")
        return None if found is None else str(found)


def scan_run(run: Path, progress: Progress | None = None) -> list[ScannedStream]:
    """Every stream of a run, by writer, then epoch."""
    found, growing = listed(run)
    newest = {name.writer: name.epoch for name in found}
    sizes = {name: sum(one.path.stat().st_size for one in files) for name, files in found.items()}
    total, done = sum(sizes.values()), 0
    scanned = []
    for name, files in found.items():
        stream = ScannedStream(name, files, name in growing, newest[name.writer] == name.epoch, StreamIndex(name))
        for position, file in enumerate(files):
            last = position == len(files) - 1
            stream.size_bytes += scan_segment(stream, file, growing=last and stream.grows, newest=last)
            if progress is not None:
                progress(done + stream.size_bytes, total)
        done += stream.size_bytes
        stream.index.finish()
        scanned.append(stream)
    return scanned


def leave_out_superseded(scanned: Sequence[ScannedStream]) -> None:
    """Keep of every stream what holds after the rewinds of its writer's later epochs."""
    for stream in scanned:
        writer, epoch = stream.name
        later = {one.name.epoch: steps_told(one.index.about) for one in scanned if one.name.writer == writer}
        steps = left_of(epoch, later)
        if steps:
            stream.index.leave_out(steps)


def scan_segment(stream: ScannedStream, file: SegmentFile, *, growing: bool, newest: bool) -> int:
    """Take one segment into its stream's index; gives its size in bytes."""
    data = segment_bytes(file.path, growing=growing)
    scanner, index = Scanner(), stream.index
    for found in scanner.scan(data, final=not growing):
        if isinstance(found, Damage):
            unended = index.footer is None or index.footer.get("status") == "open"
            at_end = newest and unended and found.at + found.length == len(data)
            if at_end and _is_cut(found):
                stream.cut_bytes = found.length
            else:
                stream.damage.append(Damaged(file.path, found.at, found.length, found.reason, found.seq))
            continue
        try:
            if found.kind == Kind.SEGMENT and found.meta.get("segment") != file.number:
                raise DamagedFrame(f"it says that it is segment {found.meta.get('segment')}")
            index.take(found)
        except MALFORMED as error:
            at = scanner.position - found.length
            stream.damage.append(Damaged(file.path, at, found.length, f"content: {error}", found.seq))
    if growing:
        stream.cut_bytes = len(data) - scanner.position
    return len(data)


def _is_cut(damage: Damage) -> bool:
    """Whether the beginning of a frame is all there is. A whole header that makes no sense was whole once."""
    return damage.reason == "truncated" and (damage.seq is not None or damage.length < HEADER_BYTES)

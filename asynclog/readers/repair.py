"""A repaired copy of a run: every frame that can be read, byte for byte, and what closes a segment made anew.

The original is only read. What is lost stays lost; the copy says so in GAP frames, so that it verifies as sound and
nobody takes it for whole.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from asynclog.errors import RunUnwritable
from asynclog.readers.directory import SegmentFile, facts, run_directory, segment_bytes
from asynclog.readers.index import MALFORMED, Span, StreamIndex, uncovered
from asynclog.readers.scan import Progress, ScannedStream, scan_run
from asynclog.wire.codec import raw_payload
from asynclog.wire.frame import Buffer, Frame, encode, joined, pack_meta
from asynclog.wire.layout import NONCE_AT, NONCE_BYTES, NUMBERED, Kind
from asynclog.wire.segment import Scanner

INDEX_EVERY_BYTES: Final = 256 << 10
_MOST: Final = 2**64 - 1  # what a header holds; a hostile seq reaches it
INDEX_ENTRY: Final = np.dtype([("offset", "<u8"), ("seq", "<u8"), ("time", "<i8")])


@dataclass(frozen=True)
class Repaired:
    """What was copied. lost: records that the original says it had and that can't be read. growing: it was being written."""

    path: Path
    segments: int
    frames: int
    events: int
    size_bytes: int
    lost: int
    growing: bool = False


def repair(path: "str | os.PathLike[str]", to: "str | os.PathLike[str]", *, progress: Progress | None = None) -> Repaired:
    """Copy what can be read of a run to a new directory, closed as "killed" where it has no end of its own.

    The directory takes its name when it is complete: nothing is left of a copy that was interrupted. Raises RunNotFound;
    RunUnwritable if ``to`` holds something or can't be made. progress: called with (bytes read, bytes in all).
    """
    source, target = run_directory(path), Path(to)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunUnwritable(f"{target} exists; a repaired copy needs a place of its own")
    if source.resolve() in target.resolve().parents:
        raise RunUnwritable(f"{target} lies inside the run; the original is never written to")
    scanned = scan_run(source, progress)
    about = facts(source) or {"format": 1, "id": "", "name": source.name}
    place = target.resolve()
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        (draft / "streams").mkdir(parents=True)
        (draft / "run.json").write_text(json.dumps(about))
        copies = [_copied(stream, draft) for stream in scanned]
        draft.rename(place)
    except OSError as error:
        raise RunUnwritable(f"{target} can't be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Repaired(
        target,
        segments=sum(len(one.files) for one in scanned),
        frames=sum(one.frames for one in copies),
        events=sum(one.index.events for one in copies),
        size_bytes=sum(one.written for one in copies),
        lost=sum(span.length for one in copies for span in one.missing),
        growing=any(one.grows for one in scanned),
    )


class _Copy:
    """One stream on its way to its copy. missing: seqs that the copy doesn't have."""

    def __init__(self, original: ScannedStream, directory: Path) -> None:
        self.original, self.directory = original, directory
        self.index = StreamIndex(original.name)
        self.missing: list[Span] = []
        self.frames = self.written = 0
        self._last_seq = -1
        self._told = 0

    def segment(self, file: SegmentFile, *, newest: bool) -> None:
        """Write the copy of one segment."""
        nonce = os.urandom(NONCE_BYTES)
        at, indexed = 0, -INDEX_EVERY_BYTES
        entries: list[tuple[int, int, int]] = []
        time = self.index.last_ns
        with (self.directory / file.path.name).open("xb") as out:
            for frame, data in self._frames(file, nonce):
                if frame.kind in NUMBERED and at - indexed >= INDEX_EVERY_BYTES:
                    entries.append((at, frame.seq, frame.time))
                    indexed = at
                at += out.write(data)
                self.frames += 1
                nonce = bytes(frame.head[NONCE_AT : NONCE_AT + NONCE_BYTES])
                time = max(time, frame.time)
            for closing in self._closing(entries, time, newest=newest):
                at += out.write(joined(encode(closing, nonce)))
                self.frames += 1
            out.flush()
            os.fsync(out.fileno())
        self.written += at

    def _frames(self, file: SegmentFile, nonce: bytes) -> Iterator[tuple[Frame, Buffer]]:
        """The readable frames of a segment with their bytes, without those that close it."""
        data = segment_bytes(file.path, growing=self.original.grows)
        scanner = Scanner()
        opened = False
        for found in scanner.scan(data, final=True):
            if not isinstance(found, Frame) or found.kind in (Kind.INDEX, Kind.FOOTER):
                continue
            end = scanner.position
            if not opened and found.kind != Kind.SEGMENT:
                nonce = bytes(found.head[NONCE_AT : NONCE_AT + NONCE_BYTES])
                yield self._opening(file, found.seq, found.time, nonce)
            opened = True
            if self._accepts(found):
                yield found, data[end - found.length : end]
        if not opened:
            yield self._opening(file, min(self._last_seq + 1, _MOST), self.index.last_ns, nonce)

    def _accepts(self, frame: Frame) -> bool:
        """Whether the frame can be read, all of it; notes what is missing before it."""
        try:
            self.index.take(frame)
            if self.index.stored and self.index.stored[-1].frame is frame:
                self.index.decoded(self.index.stored[-1])
            elif frame.kind == Kind.ROWS:
                raw_payload(frame)
        except MALFORMED:
            return False
        if frame.kind in NUMBERED and frame.seq > self._last_seq:
            self._expect(frame.seq)
            self._last_seq = frame.seq
        return True

    def _expect(self, seq: int) -> None:
        if seq > self._last_seq + 1:
            self.missing.append(Span(self._last_seq + 1, seq - 1))

    def _opening(self, file: SegmentFile, seq: int, time: int, nonce: bytes) -> tuple[Frame, bytes]:
        """A SEGMENT frame in place of a lost one, from what the stream's others say."""
        about = {**self.original.index.about, "format": 1, "writer": self.original.name.writer}
        about |= {"epoch": self.original.name.epoch, "segment": file.number}
        frame = Frame(Kind.SEGMENT, seq=seq, time=time, meta_bytes=pack_meta(about))
        return frame, joined(encode(frame, nonce))

    def _closing(self, entries: list[tuple[int, int, int]], time: int, *, newest: bool) -> Iterator[Frame]:
        meta: dict[str, Any] = {"status": "open"}
        if newest:
            self.index.finish()
            self._expect(self.original.index.last_seq + 1)
            footer = self.original.index.footer
            self._last_seq = max(self._last_seq, self.original.index.last_seq)
            meta = {"status": "killed"} if footer is None or footer.get("status") == "open" else dict(footer)
        seq = min(max(self._last_seq, self.index.last_seq) + 1, _MOST)
        untold = uncovered(self.missing[self._told :], self.original.index.gaps)
        self._told = len(self.missing)
        for span in untold:
            gap = {"reason": "damaged", "events": min(span.length, _MOST), "from_seq": span.first, "to_seq": span.last}
            yield Frame(Kind.GAP, seq=seq, time=time, meta_bytes=pack_meta(gap))
        packed = np.array(entries, INDEX_ENTRY).tobytes()
        yield Frame(Kind.INDEX, seq=seq, time=time, count=len(entries), payload=packed)
        yield Frame(Kind.FOOTER, seq=seq, time=time, meta_bytes=pack_meta(meta | {"events": self.index.events}))


def _copied(stream: ScannedStream, target: Path) -> _Copy:
    directory = target / "streams" / stream.name.writer
    directory.mkdir(exist_ok=True)
    copy = _Copy(stream, directory)
    for position, file in enumerate(stream.files):
        copy.segment(file, newest=position == len(stream.files) - 1)
    return copy

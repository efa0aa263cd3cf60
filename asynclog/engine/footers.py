"""What closed segments say of themselves in their last frame, read without what lies before it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from asynclog.engine.rundir import segments
from asynclog.errors import DamagedFrame
from asynclog.wire.frame import Frame, Header
from asynclog.wire.layout import ALIGNMENT, HEADER_BYTES, Kind
from asynclog.wire.segment import Scanner

_TAIL_BYTES: Final = 16 << 10  # a footer holds a status and an error's text


def events_by_epoch(stream: Path) -> Mapping[int, int]:
    """How many events each epoch of a stream has up to the end of its last segment that was closed; without those that have
    none."""
    found: dict[int, int] = {}
    for epoch, _, path in reversed(segments(stream)):
        if epoch not in found:
            last = footer(path)
            events = None if last is None else last.meta.get("events")
            if isinstance(events, int):
                found[epoch] = events
    return found


def footer(segment: Path) -> Frame | None:
    """The frame that a closed segment ends in."""
    with segment.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = max(size - _TAIL_BYTES, 0)
        tail = os.pread(file.fileno(), size - start, start)
    if size % ALIGNMENT:
        return None
    for at in range(len(tail) - HEADER_BYTES, -1, -ALIGNMENT):
        try:
            header = Header(tail[at : at + HEADER_BYTES])
        except DamagedFrame:
            continue
        if header.kind == Kind.FOOTER and at + header.length == len(tail):
            return next((one for one in Scanner().scan(memoryview(tail)[at:], final=True) if isinstance(one, Frame)), None)
    return None

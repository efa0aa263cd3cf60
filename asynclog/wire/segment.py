"""Reading a stream of frames that may be damaged, cut, or still growing.

The scanner is fed a window of bytes and says what it found, how far it got, and what it needs. It keeps no partial bytes: a
writer may truncate back a short write, so an incomplete frame is looked at again, from its beginning, on the next poll.

    header          body       the stream goes on behind it?    what happens
    ------          ----       -----------------------------    ------------
    good            good       –                                the frame is given
    good            bad        –                                exactly this frame is skipped and counted
    good            short      no more will come                the cut tail is counted
    good            short      more may come                    wait
    bad             –          a valid header lies behind       the bytes up to it are skipped and counted
    bad             –          none, and no more will come      the rest is counted
    bad             –          none, but more may come          wait
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from asynclog.errors import DamagedFrame
from asynclog.wire.frame import Buffer, Frame, Header, decode
from asynclog.wire.layout import ALIGNMENT, EXT32, HEADER_BYTES, NONCE_AT, NONCE_BYTES, VERSION, Kind


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that could not be read. reason: "body", "header", "truncated" or "unknown"."""

    at: int
    length: int
    reason: Literal["body", "header", "truncated", "unknown"]
    seq: int | None = None


class Scanner:
    """Walks a segment. ``position`` is the offset of the next byte to look at; feed windows that begin there.

    ``final``: no more bytes will ever come behind the window's end.
    """

    def __init__(self, position: int = 0, nonce: bytes | None = None) -> None:
        self.position = position
        self.nonce = nonce
        self.wanted = HEADER_BYTES
        """How many bytes from ``position`` the scanner needs before it can go on."""

    def scan(self, window: Buffer, *, final: bool) -> "Iterator[Frame | Damage]":
        """What the window, which begins at ``position``, holds. Stops at the first byte that must wait."""
        view = memoryview(window)
        at = 0
        while True:
            left = len(view) - at
            self.wanted = HEADER_BYTES
            if left < HEADER_BYTES:
                if final and left:
                    self.position += left
                    yield Damage(self.position - left, left, "truncated")
                return
            try:
                header = Header(view[at : at + HEADER_BYTES])
            except DamagedFrame:
                skip = self._to_next_header(view[at:])
                if skip is None and not final:
                    return
                length = left if skip is None else skip
                damage = Damage(self.position, length, "header" if skip is not None else "truncated")
                at += length
                self.position += length
                yield damage
                continue
            if left < header.length:
                self.wanted = header.length
                if final:
                    # A length is only as good as its checksum; still, a frame behind a cut one must not be lost.
                    skip = self._to_next_header(view[at:])
                    length = left if skip is None else skip
                    damage = Damage(self.position, length, "truncated", header.seq)
                    at += length
                    self.position += length
                    yield damage
                    continue
                return
            self.nonce = header.nonce
            outcome = _frame_or_damage(header, view[at : at + header.length], self.position)
            at += header.length
            self.position += header.length
            if outcome is not None:
                yield outcome

    def _to_next_header(self, view: memoryview) -> int | None:
        """The distance to the next valid header behind the first 64 bytes, or None."""
        usable = len(view) // ALIGNMENT * ALIGNMENT
        if usable < 2 * ALIGNMENT:
            return None
        lines = np.frombuffer(view[:usable], np.uint8).reshape(-1, ALIGNMENT)
        if self.nonce is not None:
            marks = lines[:, NONCE_AT : NONCE_AT + NONCE_BYTES]
            likely = (marks == np.frombuffer(self.nonce, np.uint8)).all(axis=1)
        else:
            likely = lines[:, 0] == EXT32
        for line in np.flatnonzero(likely[1:]).tolist():
            distance = (line + 1) * ALIGNMENT
            try:
                Header(view[distance : distance + HEADER_BYTES])
            except DamagedFrame:
                continue
            return int(distance)
        return None


def _frame_or_damage(header: Header, data: memoryview, at: int) -> "Frame | Damage | None":
    try:
        frame = decode(header, data)
    except DamagedFrame:
        return Damage(at, header.length, "body", header.seq)
    known = header.version <= VERSION and header.kind in Kind._value2member_map_
    if not known:
        return Damage(at, header.length, "unknown", header.seq) if frame.must_understand else None
    return frame

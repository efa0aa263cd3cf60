"""One stream read while it grows: what is new since the last look. Blocking; the loop's side is ``follow``.

Every look opens the file anew and reads from the last whole frame on. Nothing incomplete is kept, because the writer
may cut a short write back.
"""

from collections.abc import Mapping, Sequence

from asynclog.readers.directory import SegmentFile, StreamName
from asynclog.readers.index import MALFORMED
from asynclog.wire.frame import Frame
from asynclog.wire.schema import Series
from asynclog.wire.segment import Damage, Scanner
from asynclog.wire.stream import Record, StreamDecoder

_WINDOW_BYTES = 4 << 20


class Tail:
    """Where a reader stands in one (writer, epoch). ``ended``: no more will come. damaged: unreadable frames."""

    def __init__(self, name: StreamName) -> None:
        self.name = name
        self.ended = False
        self.damaged = 0
        self._decoder = StreamDecoder()
        self._number: int | None = None
        self._scanner = Scanner()

    @property
    def series(self) -> Mapping[int, Series]:
        """Those that were named so far, by number."""
        return self._decoder.book.series

    def look(self, files: Sequence[SegmentFile], *, grows: bool) -> list[Record]:
        """Records behind the last look, a window's worth at most; none if there is nothing new.

        files: the stream's segments, listed before this. grows: more may come behind what lies there now.
        """
        for position, file in enumerate(files):
            if self._number is not None and file.number < self._number:
                continue
            if file.number != self._number:
                self._number, self._scanner = file.number, Scanner()
            newest = position == len(files) - 1
            more = True
            while more:
                records, more = self._read(file, final=not newest or not grows)
                if records:
                    return records
        footer = self._decoder.footer
        self.ended = not grows or (footer is not None and footer.meta.get("status") != "open")
        return []

    def _read(self, file: SegmentFile, *, final: bool) -> tuple[list[Record], bool]:
        """The records of one window, and whether the file holds more behind it."""
        with file.path.open("rb") as opened:
            size = opened.seek(0, 2)
            start = self._scanner.position
            opened.seek(start)
            window = opened.read(max(_WINDOW_BYTES, min(self._scanner.wanted, size - start)))
        at_end = start + len(window) >= size
        records = []
        for found in self._scanner.scan(window, final=final and at_end):
            if isinstance(found, Frame):
                try:
                    record = self._decoder.feed(found)
                except MALFORMED:
                    self.damaged += 1
                else:
                    if record is not None:
                        records.append(record)
            elif isinstance(found, Damage):
                self.damaged += 1
        if not at_end and self._scanner.position == start and self._scanner.wanted <= len(window):
            # No header in a whole window: what is no frame can't become one any more.
            self.damaged += 1
            self._scanner.position = start + len(window)
        return records, not at_end

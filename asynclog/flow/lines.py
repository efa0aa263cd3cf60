"""What a program printed, as lines of text: bytes in, lines out, each with the place in the stream where it ends.

A line is what a terminal would show when it is over: of a progress bar, which draws itself again and again behind a carriage
return, its last state. Bytes that are no UTF-8 are written in hexadecimal, behind a backslash and an x. However long a line
is, what waits for its end is bounded: a long one is given early and cut, and its rest only counted.
"""

import re
from typing import Final, Literal, NamedTuple

Ansi = Literal["strip", "keep"]
LONGEST_BYTES: Final = 8 << 10
"""Of one line's text in UTF-8."""
_KEPT_BYTES: Final = 64 << 10
_PATIENCE_BYTES: Final = 256 << 10
"""A line that is not over after so much is given as it stands: a bar may go on for hours, a dump for gigabytes."""
_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


class Line(NamedTuple):
    """until: bytes of the stream up to its end."""

    text: str
    until: int


class Splitter:
    """Of one stream, from byte ``at`` on. ansi: whether colours and other escape sequences stay in the text."""

    def __init__(self, at: int = 0, ansi: Ansi = "strip") -> None:
        self.at = self._begun = at
        self._ansi = ansi
        self._open = b""
        self._left_out = 0
        self._given = False
        """Whether the beginning of this line was given already."""
        self._skipped = 0

    def feed(self, data: bytes) -> list[Line]:
        """The lines that end in ``data``, and what has waited too long."""
        found: list[Line] = []
        *whole, rest = data.split(b"\n")
        if self._skipped:
            if not whole:
                self._skipped += len(rest)
                self.at += len(rest)
                return []
            found.append(self._notice(len(whole.pop(0)) + 1))
        for piece in whole:
            self.at += len(piece) + 1
            found.append(self._line(piece))
        self.at += len(rest)
        self._wait(rest)
        if self._open and self.at - self._begun > _PATIENCE_BYTES:
            found.append(self._early())
        return found

    def skip(self, count: int) -> None:
        """Bytes that nobody read. What is given next is a line that says how many, and then the first whole one."""
        self._skipped += count + len(self._open)
        self.at += count
        self._begin()

    def skip_to(self, at: int) -> None:
        """The same, up to byte ``at`` if that lies ahead."""
        if at > self.at:
            self.skip(at - self.at)

    def _notice(self, more: int) -> Line:
        self.at += more
        line = Line(f"… {self._skipped + more:,} bytes were printed here and not recorded: too many at once", self.at)
        self._skipped = 0
        self._begin()
        return line

    def finish(self) -> list[Line]:
        """The stream is over: what is left of it is a line as well."""
        if self._skipped:
            return [self._notice(0)]
        return [self._line(b"")] if self._open or self._left_out else []

    def _begin(self) -> None:
        self._open, self._left_out, self._given, self._begun = b"", 0, False, self.at

    def _wait(self, piece: bytes) -> None:
        if self._given and b"\r" not in piece:
            self._left_out += len(piece)
            return
        joined = self._open + piece
        if len(joined) > _KEPT_BYTES:
            shown = _shown(joined)
            joined = shown[:_KEPT_BYTES]
            self._left_out += len(shown) - len(joined)
        self._open = joined

    def _early(self) -> Line:
        line = Line(self._text(self._open, 0), self.at)
        self._left_out += max(0, len(self._open) - LONGEST_BYTES)
        self._open, self._given, self._begun = b"", True, self.at
        return line

    def _line(self, piece: bytes) -> Line:
        self._wait(piece)
        if self._given and self._left_out and not self._open:
            line = Line(f"… {self._left_out:,} bytes more of this line", self.at)
        else:
            line = Line(self._text(self._open, self._left_out), self.at)
        self._begin()
        return line

    def _text(self, raw: bytes, left_out: int) -> str:
        raw = _shown(raw)
        text = raw.decode("utf-8", "backslashreplace")
        if self._ansi == "strip":
            text = _ESCAPE.sub("", text)
        encoded = text.encode()
        if len(encoded) <= LONGEST_BYTES and not left_out:
            return text
        cut = encoded[:LONGEST_BYTES].decode("utf-8", "ignore")
        return f"{cut} … {len(encoded) - len(cut.encode()) + left_out:,} bytes more"


def _shown(raw: bytes) -> bytes:
    """What a carriage return leaves: the text behind the last one that has any."""
    if b"\r" not in raw:
        return raw
    return next((one for one in reversed(raw.split(b"\r")) if one), b"")

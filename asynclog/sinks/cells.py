"""The cells of a CSV table: how a value, a time and a name stand in one, and how rows are told apart again."""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

from asynclog.sink import Event, Write
from asynclog.sinks.strict_json import json_text
from asynclog.sinks.summary import in_brief

MOST_NAMES: Final = 1 << 16


def header(names: Iterable[str]) -> bytes:
    """The first row."""
    return f"{','.join(map(cell, names))}\n".encode()


def cell(text: str) -> str:
    """The text, quoted if need be."""
    if '"' in text or "," in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def content(event: Event) -> str:
    """The event's value: numbers so that they read back exactly, settings as JSON, media in words."""
    if event.kind == "scalar":
        return repr(event.value)
    if event.kind == "config":
        return json_text(event.value)
    return in_brief(event.kind, event.value)


def seconds(time_ns: int) -> str:
    """Seconds since 1970 with all nine digits."""
    return f"{time_ns // 1_000_000_000}.{time_ns % 1_000_000_000:09d}"


def further(write: Write) -> list[Event]:
    """What a state has beyond step, phase, epoch and time, as values among the others."""
    state = write.state
    if state.level == "batch" and state.elapsed_s is None and not state.axes:
        return []
    first = write.events[0]
    found = [first._replace(kind="scalar", namespace="", key=name, value=one) for name, one in state.axes.items()]
    if state.elapsed_s is not None:
        found.append(first._replace(kind="scalar", namespace="", key="elapsed_s", value=state.elapsed_s))
    if state.level != "batch":
        found.append(first._replace(kind="string", namespace="", key="level", value=state.level))
    return found


class NameCells(dict[tuple[Any, ...], str]):
    """(namespace, key) → the two cells of the long table."""

    def __missing__(self, name: tuple[str, str]) -> str:
        if len(self) >= MOST_NAMES:
            self.clear()
        cells = self[name] = f"{cell(name[0])},{cell(name[1])}"
        return cells


def whole_rows(file: BinaryIO) -> Iterator[bytes]:
    """The rows of a table with their ends; a line feed within quotes ends no row, and a cut last row is left out."""
    parts: list[bytes] = []
    quotes = 0
    for line in file:
        parts.append(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0 and line.endswith(b"\n"):
            yield line if len(parts) == 1 else b"".join(parts)
            parts.clear()

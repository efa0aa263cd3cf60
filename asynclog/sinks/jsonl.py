"""JSON lines: a line a write, for jq, pandas, DuckDB, grep and ``tail -f``.

    {"step": 3, "phase": "train", "time": 1700000000.000137000, "metrics": {"loss": 0.25, "optim/lr": 0.001}}
    {"step": 3, "phase": "valid", "epoch": 1, "time": …, "metrics": {"accuracy": 0.5},
     "media": {"samples/recon": {"kind": "image", "shape": [3, 64, 64], "dtype": "uint8", "min": 0, "max": 255}}}

step, phase, time    always there; time in seconds since 1970, written with all nine digits
epoch, level, elapsed_s, axes    where they aren't 0, "batch", absent, empty
metrics, text, config, media     by "namespace/key"; media are described (``summary.described``), never inlined

NaN and the infinities are the strings "NaN", "Infinity", "-Infinity"; ``strict_json`` says why.

A write that holds one name twice takes a further line with the same step and time.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final

from asynclog.sink import Batch, Event, Write
from asynclog.sinks.naming import flat_name, without_collisions
from asynclog.sinks.strict_json import NOT_FINITE, json_text
from asynclog.sinks.summary import described
from asynclog.sinks.text_file import REPEATS_BYTES, TextFile

_SECTIONS: Final = {"scalar": "metrics", "string": "text", "config": "config"}
# About 4 ms of encoding: how long the sink's loop is held before it writes, and its other tasks get their turn.
_TURN_BYTES: Final = 64 << 10
_MOST_PREFIXES: Final = 1 << 16


class JSONLines(TextFile):
    """A line of JSON a write, at ``path`` (relative: in the run's directory; rank n: ``<stem>.rank<n><suffix>``).

    A resumed run appends: a line cut short by a crash is removed, and lines that are delivered again, recognised by
    being equal in every digit of their time, are not written twice. A new run replaces the file.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._prefixes = _Prefixes()

    async def write(self, batch: Batch, /) -> None:
        file = self._opened
        await file.begin()
        lines: list[str] = []
        size = 0
        for one in batch.writes():
            line = self._line(one)
            lines.append(line)
            size += len(line)
            if size > _TURN_BYTES:
                await file.append(self._encoded(lines))
                lines.clear()
                size = 0
        await file.append(self._encoded(lines))
        file.accept()

    def _survey(self, old: BinaryIO) -> int:
        size, window, end, start = old.seek(0, 2), REPEATS_BYTES, 0, 1
        tail = b""
        while not end and start:
            start = max(0, size - window)
            old.seek(start)
            tail = old.read(size - start)
            end = tail.rfind(b"\n") + 1
            window *= 2
        self._repeats = frozenset(tail[:end].splitlines(keepends=True))
        return start + end

    def _encoded(self, lines: list[str]) -> bytes:
        encoded = "".join(lines).encode()
        return self._once(encoded.splitlines(keepends=True)) if self._repeats else encoded

    def _line(self, write: Write) -> str:
        """The write as a line; as several where one can't hold it."""
        cells: dict[str, str] = {}
        prefixes = self._prefixes
        # Nine writes of ten hold numbers and nothing else, and this loop is what they cost.
        for event in write.events:
            if event[0] != "scalar":
                break
            value = event[8]
            text = repr(value)
            cells[prefixes[event[2:4]]] = text if value - value == 0 else f'"{NOT_FINITE[text]}"'
        if len(cells) == len(write.events):
            return f'{_head(write)}, "metrics": {{{", ".join([name + text for name, text in cells.items()])}}}}}\n'
        return "".join(_mixed_line(write, group) for group in without_collisions(write.events))


class _Prefixes(dict[tuple[Any, ...], str]):
    """(namespace, key) → '"namespace/key": '."""

    def __missing__(self, name: tuple[str, str]) -> str:
        if len(self) >= _MOST_PREFIXES:
            self.clear()
        prefix = self[name] = f"{json_text(flat_name(*name))}: "
        return prefix


def _head(write: Write) -> str:
    """The line up to its values."""
    state, time = write.state, write.time_ns
    text = f'{{"step": {state.step}, "phase": "{state.phase}"'
    if state.epoch:
        text += f', "epoch": {state.epoch}'
    if state.level != "batch":
        text += f', "level": "{state.level}"'
    if state.elapsed_s is not None:
        text += f', "elapsed_s": {json_text(state.elapsed_s)}'
    if state.axes:
        text += f', "axes": {json_text(state.axes)}'
    return f'{text}, "time": {time // 1_000_000_000}.{time % 1_000_000_000:09d}'


def _mixed_line(write: Write, events: Iterable[Event]) -> str:
    sections: dict[str, dict[str, Any]] = {}
    for event in events:
        section = _SECTIONS.get(event.kind, "media")
        value = described(event.kind, event.value) if section == "media" else event.value
        sections.setdefault(section, {})[flat_name(event.namespace, event.key)] = value
    return _head(write) + "".join(f', "{name}": {json_text(values)}' for name, values in sections.items()) + "}\n"

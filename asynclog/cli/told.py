"""A value in a terminal's words: on one line what it is, how large, in which range; below it rows, messages, settings.

Everything that comes from the run goes through ``safe``.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from asynclog.cli.picture import drawn
from asynclog.cli.screen import WHOLE, safe, safe_lines
from asynclog.cli.words import count, number
from asynclog.encoding.conversation import conversation
from asynclog.sinks.summary import described, in_brief
from asynclog.values import Audio, Histogram, Image, Mesh, PointCloud, Record, Rollout, Spectrogram, Table, Tensor, Value, Video

_LONGEST_TEXT: Final = 2000
_MOST_LINES: Final = 40
_LONGEST_CELL: Final = 60
_FEW_ROWS: Final = 10
_DEEPEST: Final = 20
_MOST_ITEMS: Final = 500
_ROLES: Final = {"system": "magenta", "user": "cyan", "assistant": "green", "tool": "yellow"}
_LEVELS: Final = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}


@np.errstate(all="ignore")  # infinities are data: numpy has nothing to say of them
def told(kind: str, value: Any) -> str:
    """One line: kind, size, range, and the words that came along."""
    if kind == "scalar":
        return f"scalar {number(value)}"
    if kind == "string":
        return f"string of {len(value):,} characters"
    if kind == "config" and isinstance(value, Mapping):
        return f"config of {len(value)}"
    if isinstance(value, Record):
        return safe(f"{_LEVELS.get(value.level, value.level)} {value.message}")
    parts = [in_brief(kind, value)]
    if isinstance(value, Value) and value.fault() is None:
        parts += [*_sizes(value), *_words(value)]
    return safe(", ".join(parts), 400)


def _sizes(value: Any) -> Iterator[str]:
    if isinstance(value, PointCloud | Mesh):
        arrays = value.arrays()
        places = value.canonical().xyz if isinstance(value, PointCloud) else arrays.get("vertices", np.empty((0, 3)))
        if places.ndim == 2 and len(places) and places.shape[1] == 3:
            ends = zip(np.fmin.reduce(places).tolist(), np.fmax.reduce(places).tolist(), strict=True)
            yield "in " + " × ".join(f"[{number(low)}, {number(high)}]" for low, high in ends)
        yield from (f"with {name}" for name in ("colors", "normals", "labels", "boxes") if name in arrays)
    elif isinstance(value, Image | Audio | Spectrogram | Video | Tensor):
        about = [one for name, one in _arrays(value) if name.partition(".")[0] == "data" and "min" in one]
        if isinstance(value, Audio | Spectrogram) and isinstance(value.data, np.ndarray):
            yield f"{'×'.join(map(str, value.data.shape))} {value.data.dtype}"
        if about:
            low, high = min(one["min"] for one in about), max(one["max"] for one in about)
            yield f"in [{number(low)}, {number(high)}]"
    elif isinstance(value, Histogram):
        strange = {"NaN": value.nans, "-inf": value.below, "+inf": value.above}
        yield from (f"{count:,} {name}" for name, count in strange.items() if count)


def _arrays(value: Value) -> Iterator[tuple[str, dict[str, Any]]]:
    """What there is to say of each array; the main one under its field's name."""
    about = described(value.kind, value)
    for name in value.arrays():
        yield name, about if name == "data" else about.get(name, {})


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, Image):
        if value.caption:
            yield f'"{value.caption}"'
        if value.captions:
            yield "; ".join(map(str, value.captions))
        if value.boxes is not None:
            yield count(len(value.boxes), "box", "boxes") + (f" ({_several(value.box_labels)})" if value.box_labels else "")
        for name in value.masks:
            labels = value.mask_labels.get(name, {})
            yield f"mask {name}" + (f" ({_several(f'{at} {word}' for at, word in labels.items())})" if labels else "")
    elif isinstance(value, Rollout):
        yield from (f"{name} {worth:.4g}" for name, worth in value.rewards.items())
        if value.stop is not None:
            yield f"stop: {value.stop}"


def _several(words: Any) -> str:
    return ", ".join(dict.fromkeys(map(str, words)))


@np.errstate(all="ignore")
def body(kind: str, value: Any, console: Console, *, full: bool = False) -> RenderableType | None:
    """What stands below that line: a picture, where the terminal can show one, or rows, messages, settings, text."""
    longest, most = (WHOLE, WHOLE) if full else (_LONGEST_TEXT, _MOST_LINES)
    if isinstance(value, str):
        return _indented("\n".join(safe_lines(value, longest, most)))
    if kind == "config" and isinstance(value, Mapping):
        lines = list(_settings(value, 0, WHOLE if full else 120))
        cut = [] if full or len(lines) <= _MOST_ITEMS else [f"… {len(lines) - _MOST_ITEMS:,} more; --full shows all"]
        return _indented("\n".join([*(lines if full else lines[:_MOST_ITEMS]), *cut]))
    if isinstance(value, Table):
        return rows(value, WHOLE if full else _FEW_ROWS, WHOLE if full else _LONGEST_CELL)
    if isinstance(value, Rollout):
        return _messages(value, longest, most)
    if isinstance(value, Record):
        said = [f"{name}: {one}" for name, one in (("logger", value.logger), ("where", value.where)) if one]
        said += [f"{name}: {one}" for name, one in value.fields.items()]
        lines = [safe(one) for one in said] + (safe_lines(str(value.exception), longest, most) if value.exception else [])
        return _indented("\n".join(lines)) if lines else None
    if isinstance(value, Tensor) and value.data.size:
        return _indented(np.array2string(value.canonical(), threshold=60, edgeitems=3, max_line_width=console.width - 4))
    return drawn(value, console)


def _indented(text: str) -> Text:
    return Text("\n".join(f"    {line}" for line in text.split("\n")))


def rows(value: Table, most: int = _FEW_ROWS, longest: int = _LONGEST_CELL) -> Group:
    """The first rows under their columns, numbers to the right, and how many more there are."""
    grid = Grid(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for at, name in enumerate(value.columns):
        grid.add_column(Text(safe(name, longest)), justify="right" if str(at) in value.numbers else "left", overflow="fold")
    found = value.canonical()
    for one in found[:most]:
        grid.add_row(*(Text(safe(_cell(cell), longest)) for cell in one))
    rest = [Text(f"… and {len(found) - most:,} more rows; --full shows all", "dim")] if len(found) > most else []
    return Group(grid, *rest)


def _cell(value: Any) -> str:
    return number(value) if isinstance(value, float) else "" if value is None else str(value)


def _settings(value: Mapping[str, Any], depth: int, longest: int) -> Iterator[str]:
    for name, one in value.items():
        lead = "  " * depth + safe(str(name), longest)
        if isinstance(one, Mapping) and one and depth < _DEEPEST:
            yield f"{lead}:"
            yield from _settings(one, depth + 1, longest)
        else:
            yield f"{lead}: {safe(str(one), longest)}"


def _messages(value: Rollout, longest: int, most: int) -> Text:
    text = Text()
    for one in conversation(value):
        to = f" {safe(one.to, 40)}" if one.to else ""
        text.append(f"  {safe(one.role, 20)}{to}\n", f"bold {_ROLES.get(one.role, 'white')}")
        lines = safe_lines(one.text, longest, most) if one.text else []
        lines += [safe(f"→ {name}({words})", longest) for name, words in one.calls]
        text.append("".join(f"    {line}\n" for line in lines))
    text.rstrip()
    return text

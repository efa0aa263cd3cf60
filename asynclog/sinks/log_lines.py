"""The lines of Composer's FileLogger, character for character: how a value is written, and which prefix stands before it.

    style "metric", as Composer writes them today                    style "level", as it did up to 0.8

    [hyperparameter]: lr: 0.1000                                     [FIT][batch=0]: { "lr": 0.1000, }
    [metric][batch=2]: loss/train: 0.2500                            [BATCH][batch=2]: { "loss/train": 0.2500, "seen": 64, }
    [table]: examples: {"columns":["said"],"data":[["yes"]]}
    [trace]: grads:{ "norm": 1.5000, }
    [stdout]: epoch 1

Lines of "metric" and "hyperparameter" end in a space. A batch is a step here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, Final, Literal

from asynclog.sink import Event, Write
from asynclog.sinks.naming import flat_name
from asynclog.state import State
from asynclog.values import Record, Table, Tensor

Style = Literal["metric", "level"]
STYLES: Final = ("metric", "level")
CONSOLE: Final = "console"
"""The namespace of captured lines; the key is the stream's name."""
TRACE: Final = "trace"
"""The logger of records that are traces; their field of that name is what was traced."""
_LEVELS: Final = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
_DECIMALS: Final = 10  # pandas' double_precision


def text(value: Any) -> str:
    """A value as Composer's ``format_log_data_value`` writes it: text in quotes, floats with four decimals."""
    if value is None or isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, Tensor):
        if value.data.size == 1:
            return text(value.canonical().item())
        return f"Tensor of shape torch.Size({list(value.data.shape)})"
    if isinstance(value, Mapping):
        return "{ " + "".join(f'"{name}": {text(one)}, ' for name, one in value.items()) + "}"
    if isinstance(value, Iterable):
        return f"[{', '.join(map(text, value))}]"
    return str(value)


def prefixed(prefix: str, said: str) -> str:
    """Each line with the prefix, but for empty ones. A line ends with a line feed and nothing else."""
    begins, parts = True, []
    for line in said.splitlines(keepends=True):
        parts.append(f"{prefix}{line}" if begins and line != "\n" else line)
        begins = line.endswith("\n")
    return "".join(parts)


def split_oriented(table: Table) -> str:
    """A table as pandas' ``to_json(orient="split", index=False)`` has it."""
    found = {"columns": list(map(str, table.columns)), "data": [[_plain(cell) for cell in row] for row in table.canonical()]}
    return json.dumps(found, separators=(",", ":"), default=str).replace("/", "\\/")


def _plain(cell: Any) -> Any:
    if isinstance(cell, float):
        return round(cell, _DECIMALS) if isfinite(cell) else None
    return cell


def lines_of(write: Write, style: Style, traces: bool) -> tuple[str, list[str]]:
    """What a write comes to, and of what it has no line for, the kinds."""
    parts: list[str] = []
    together: dict[str, Any] = {}
    left: list[str] = []
    for event in write.events:
        if event.kind == "string" and event.namespace == CONSOLE:
            parts.append(prefixed(f"[{event.key}]: ", f"{event.value}\n"))
        elif event.kind == "record":
            parts.extend(_record(event, traces))
        elif event.kind == "table":
            parts.append(prefixed("[table]: ", f"{flat_name(event.namespace, event.key)}: {split_oriented(event.value)}\n"))
        elif event.kind in ("scalar", "string", "tensor", "config"):
            together |= event.value if event.kind == "config" else {flat_name(event.namespace, event.key): event.value}
            if style == "metric":
                parts.extend(_metric(event, write.state))
        elif event.kind != "hook":
            left.append(event.kind)
    if style == "level" and together:
        parts.append(prefixed(f"[{write.state.level.upper()}][batch={write.state.step}]: ", f"{text(together)}\n"))
    return "".join(parts), left


def _metric(event: Event, state: State) -> Iterator[str]:
    if event.kind == "config":
        for name, value in event.value.items():
            yield prefixed("[hyperparameter]: ", f"{name}: {text(value)} \n")
    else:
        yield prefixed(f"[metric][batch={state.step}]: ", f"{flat_name(event.namespace, event.key)}: {text(event.value)} \n")


def _record(event: Event, traces: bool) -> Iterator[str]:
    value: Record = event.value
    if value.logger == TRACE:
        if traces:
            traced = value.fields.get(TRACE, value.message)
            yield prefixed(f"[trace]: {flat_name(event.namespace, event.key)}:", f"{text(traced)}\n")
        return
    said: Sequence[str] = [value.message, *([value.exception] if value.exception else [])]
    where = f"[{_LEVELS.get(value.level, value.level)}][{value.logger or flat_name(event.namespace, event.key)}]: "
    yield prefixed(where, "\n".join(said).rstrip("\n") + "\n")

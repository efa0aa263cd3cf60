"""What W&B's own process wrote of a run in offline mode: its records, in the order of its files.

A .wandb file is a log of LevelDB's form (blocks of 32 KiB; length and type before each piece) with W&B's protocol buffers in
it, by whose own classes they are parsed here. W&B's Python has no reader of it any more; that of ``wandb sync`` is compiled.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_BLOCK = 32 << 10
_HEADER = struct.Struct("<IHB")
_WHOLE, _LAST = 1, 4


class OfflineRun(NamedTuple):
    """rows: of the history, by name. config and summary: merged. files: where media lie. exit_code: None while it runs."""

    identity: str
    rows: list[dict[str, Any]]
    config: dict[str, Any]
    summary: dict[str, Any]
    exit_code: int | None
    records: list[Any]


def runs_below(directory: Path) -> list[OfflineRun]:
    """Every run, of all the files there are of it, the oldest first."""
    found: dict[str, OfflineRun] = {}
    for path in sorted(directory.glob("wandb/offline-run-*/*.wandb"), key=lambda one: one.stat().st_ctime_ns):
        identity = path.stem.removeprefix("run-")
        run = found.get(identity, OfflineRun(identity, [], {}, {}, None, []))
        found[identity] = _read(path, run)
    return list(found.values())


def _read(path: Path, run: OfflineRun) -> OfflineRun:
    exit_code = None
    for record in records(path):
        run.records.append(record)
        kind = record.WhichOneof("record_type")
        if kind == "history":
            row: dict[str, Any] = {"_files": path.parent / "files"}
            _merge(row, record.history.item)
            run.rows.append(row)
        elif kind == "config":
            _merge(run.config, record.config.update)
        elif kind == "summary":
            _merge(run.summary, record.summary.update)
        elif kind == "exit":
            exit_code = record.exit.exit_code
    return run._replace(exit_code=exit_code)


def _merge(into: dict[str, Any], items: Any) -> None:
    for item in items:
        *above, last = list(item.nested_key) or [item.key]
        inner = into
        for name in above:
            inner = inner.setdefault(name, {})
        inner[last] = json.loads(item.value_json, parse_int=_number)


def _number(digits: str) -> float:
    """JSON's -0 is JavaScript's -0."""
    return -0.0 if digits == "-0" else int(digits)


def records(path: Path) -> Iterator[Any]:
    from wandb.proto import wandb_internal_pb2

    data = path.read_bytes()
    assert data[:4] == b":W&B"
    at, parts = 7, b""
    while at + _HEADER.size <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEADER.size:
            at += left
            continue
        _, length, kind = _HEADER.unpack_from(data, at)
        if kind == 0:
            return
        parts += data[at + _HEADER.size : at + _HEADER.size + length]
        at += _HEADER.size + length
        if kind in (_WHOLE, _LAST):
            yield wandb_internal_pb2.Record.FromString(parts)
            parts = b""

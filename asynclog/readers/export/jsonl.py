"""JSON lines: an object an event, in order of time. Strict JSON: what isn't finite is the text NaN or ±Infinity."""

from collections.abc import Callable
from typing import Any, TextIO

from asynclog.readers.run import Run
from asynclog.sink import Event
from asynclog.sinks.detail import detail
from asynclog.sinks.strict_json import json_text

_BETWEEN_REPORTS = 10_000


def export_jsonl(run: Run, file: TextIO, progress: Callable[[int], None] | None = None) -> int:
    """Write all of a run's events; gives their number. progress: called with the number so far, now and then."""
    count = 0
    for event in run.events():
        file.write(json_text(as_json(event)) + "\n")
        count += 1
        if progress is not None and count % _BETWEEN_REPORTS == 0:
            progress(count)
    return count


def as_json(event: Event) -> dict[str, Any]:
    """An event as an object, without what has its default."""
    line: dict[str, Any] = {
        "time_ns": event.time_ns,
        "step": event.step,
        "phase": event.phase,
        "namespace": event.namespace,
        "key": event.key,
        "kind": event.kind,
    }
    optional = {
        "epoch": event.epoch,
        "level": "" if event.level == "batch" else event.level,
        "elapsed_s": event.elapsed_s,
        "axes": dict(event.axes),
    }
    line |= {name: value for name, value in optional.items() if value or (name == "elapsed_s" and value is not None)}
    return line | ({"value": event.value} if event.kind == "scalar" else detail(event))

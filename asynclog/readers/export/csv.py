"""CSV: a line an event, in order of time. Numbers in ``value``; of anything else what ``detail`` says, as JSON."""

import csv
from collections.abc import Callable
from typing import TextIO

from asynclog.readers.run import Run
from asynclog.sink import Event
from asynclog.sinks.detail import detail
from asynclog.sinks.strict_json import json_text

COLUMNS = ("time", "step", "epoch", "phase", "namespace", "key", "kind", "value", "detail", "axes")
_BETWEEN_REPORTS = 10_000


def export_csv(run: Run, file: TextIO, progress: Callable[[int], None] | None = None) -> int:
    """Write all of a run's events; gives their number. progress: called with the number so far, now and then.

    Open the file with ``newline=""``.
    """
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for event in run.events():
        writer.writerow(_line(event))
        count += 1
        if progress is not None and count % _BETWEEN_REPORTS == 0:
            progress(count)
    return count


def _line(event: Event) -> tuple[object, ...]:
    if event.kind == "scalar":
        value, told = repr(event.value), ""
    elif event.kind == "string" and isinstance(event.value, str):
        value, told = event.value, ""
    else:
        value, told = "", json_text(detail(event))
    axes = json_text(event.axes) if event.axes else ""
    time = f"{event.time_ns // 10**9}.{event.time_ns % 10**9:09d}"
    return time, event.step, event.epoch, event.phase, event.namespace, event.key, event.kind, value, told, axes

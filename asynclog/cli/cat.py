"""``asynclog cat``: what a run holds, or one key of it."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from asynclog.cli.chart import chart, spark
from asynclog.cli.screen import PHASE_STYLES, STATUS_STYLES, WHOLE, Superseded, print_json, read_run, safe, screen
from asynclog.cli.told import body, told
from asynclog.cli.words import clock, count, duration, number, size
from asynclog.errors import SeriesNotFound
from asynclog.readers import Run, Series
from asynclog.readers.export.jsonl import as_json as event_as_json
from asynclog.readers.run import Entry
from asynclog.readers.series import Name
from asynclog.sinks.summary import in_brief

_MOST_ROWS: Final = 200
_LONGEST_NAME: Final = 120


def cat(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    key: Annotated[str | None, typer.Argument(help="A key, namespace/key, or a pattern of it such as 'train/*'.")] = None,
    phase: Annotated[str | None, typer.Option(help="Only this phase.")] = None,
    last: Annotated[int, typer.Option("-n", "--last", min=1, help="Show so many of a key's events.")] = 3,
    full: Annotated[bool, typer.Option("--full", help="Long names, texts and settings whole.")] = False,
    superseded: Superseded = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts; always whole.")] = False,
) -> None:
    """Show a run: its series with range and shape, its events. With a key: charts, texts and pictures."""
    found = read_run(run, superseded=superseded)
    entries = [one for one in found.keys() if phase in (None, one.phase)]  # noqa: SIM118 (a Run is no mapping)
    if key is None:
        _print_json_overview(found, entries) if as_json else _print_overview(found, entries, full)
        return
    chosen = [one for one in entries if _matches(one, key)]
    if not chosen:
        # Raises with near names, in the words of the library.
        found.series(key, phase=phase)
        raise SeriesNotFound(f"nothing matches {key!r}")
    for entry in chosen:
        _print_json_entry(found, entry, last) if as_json else _print_entry(found, entry, last, full)


def _matches(entry: Entry, key: str) -> bool:
    path = Name(*entry[1:4]).path
    return key in (entry.key, path) or fnmatchcase(path, key)


def _print_overview(run: Run, entries: list[Entry], full: bool) -> None:
    screen.print(headline(run))
    for one in run.writers:
        if one.error:
            screen.print(Text(f"  {safe(one.writer)}: {safe(one.error.strip().rpartition(chr(10))[2])}", "red"))
    if run.config:
        longest = (WHOLE, WHOLE, WHOLE) if full else (40, 59, 600)
        settings = "  ".join(
            f"{safe(str(name), longest[0])}={safe(str(value), longest[1])}" for name, value in run.config.items()
        )
        screen.print(Text(safe(settings, longest[2]), "dim"))
    screen.print()
    series = [one for one in entries if one.kind == "scalar"]
    others = [one for one in entries if one.kind != "scalar"]
    if series:
        screen.print(_series_table(run, series if full else series[:_MOST_ROWS], full))
    if others:
        screen.print()
        screen.print(_events_table(run, others if full else others[:_MOST_ROWS], full))
    hidden = max(len(series) - _MOST_ROWS, 0) + max(len(others) - _MOST_ROWS, 0)
    if hidden and not full:
        screen.print(Text(f"… and {hidden:,} more; name some with a pattern", "dim"))


def headline(run: Run) -> Text:
    """Name, status and dimensions of a run on a line."""
    writers = run.writers
    first = min((one.first_ns or one.last_ns for one in writers), default=0)
    span = max((one.last_ns for one in writers), default=0) - first
    status = run.status
    text = Text.assemble((safe(run.name), "bold"), "  ", (safe(status, 20), STATUS_STYLES.get(status, "")))
    names = {one.writer for one in writers}
    facts = [count(len(run), "event"), size(run.size_bytes), duration(span / 1e9), count(len(names), "writer")]
    if len(writers) > len(names):
        facts.append(count(len(writers), "epoch"))
    text.append(f"  {' · '.join(facts)}", "dim")
    if run.superseded:
        text.append(f"  {run.superseded:,} superseded by going back to a checkpoint", "yellow")
    if run.damage or run.missing:
        text.append(f"  {count(len(run.damage), 'damaged place')}, {run.missing:,} records missing", "red")
    return text


def _series_table(run: Run, entries: list[Entry], full: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("series", overflow="fold", ratio=2, min_width=12)
    table.add_column("phase", no_wrap=True)
    for name in ("points", "last", "min", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=16)
    for entry in entries:
        one = run.series(*entry[3:1:-1], entry.phase)
        style = PHASE_STYLES.get(entry.phase, "")
        low, high = _range(one)
        final = number(one.value[-1].item()) if len(one) else "–"
        line = Text(spark(one.value.astype(np.float64)), style)
        table.add_row(Text(_named(one.name, full)), Text(safe(one.phase, 20), style), f"{len(one):,}", final, low, high, line)
    return table


def _range(series: Series) -> tuple[str, str]:
    finite = series.value[np.isfinite(series.value)]
    return (number(finite.min().item()), number(finite.max().item())) if len(finite) else ("–", "–")


def _events_table(run: Run, entries: list[Entry], full: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("event", overflow="fold", ratio=2, min_width=12)
    table.add_column("phase", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("last at step", justify="right", no_wrap=True)
    table.add_column("last", overflow="fold", ratio=3)
    for entry in entries:
        style = PHASE_STYLES.get(entry.phase, "")
        events = list(run.events(entry.kind, entry.key, entry.namespace, entry.phase, last=1))
        step = f"{events[0].step:,}" if events else "–"
        brief = in_brief(events[0].kind, events[0].value) if events else "unreadable"
        name = _named(Name(*entry[1:4]).path, full)
        table.add_row(Text(name), Text(safe(entry.phase, 20), style), f"{entry.events:,}", step, Text(safe(brief, 60)))
    return table


def _named(path: str, full: bool) -> str:
    return safe(path, WHOLE if full else _LONGEST_NAME)


def _print_entry(run: Run, entry: Entry, last: int, full: bool) -> None:
    name, style = _named(Name(*entry[1:4]).path, full), PHASE_STYLES.get(entry.phase, "")
    title = Text.assemble((name, "bold"), "  ", (safe(entry.phase, 20), style))
    if entry.kind == "scalar":
        one = run.series(entry.key, entry.namespace, entry.phase)
        low, high = _range(one)
        final = number(one.value[-1].item()) if len(one) else "–"
        title.append(f"  {count(len(one), 'point')} · last {final} · min {low} · max {high}", "dim")
        strange = len(one) - int(np.isfinite(one.value).sum())
        if strange:
            title.append(f" · {strange:,} not finite", "red")
        screen.print(title)
        wide = min(screen.width - 2, 100)
        screen.print(chart(one.step, one.value.astype(np.float64), width=wide, style=style or "cyan"))
        screen.print()
        return
    screen.print(title.append(f"  {safe(entry.kind, 20)} · {entry.events:,} in all", "dim"))
    for event in run.events(entry.kind, entry.key, entry.namespace, entry.phase, last=last):
        when = f"  step {event.step:,}  {clock(event.time_ns)}  "
        screen.print(Text.assemble((when, "dim"), told(event.kind, event.value)))
        shown = body(event.kind, event.value, screen, full=full)
        if shown is not None:
            screen.print(shown)
    screen.print()


def _print_json_overview(run: Run, entries: list[Entry]) -> None:
    print_json(
        {
            "name": run.name, "status": run.status, "path": str(run.path), "events": len(run), "missing": run.missing,
            "superseded": run.superseded,
            "damage": [str(one) for one in run.damage], "config": dict(run.config), "keys": [one._asdict() for one in
            entries], }
    )  # fmt: skip


def _print_json_entry(run: Run, entry: Entry, last: int) -> None:
    if entry.kind == "scalar":
        one = run.series(entry.key, entry.namespace, entry.phase)
        arrays = {"step": one.step.tolist(), "time_ns": one.time_ns.tolist(), "value": one.value.tolist()}
        print_json(entry._asdict() | arrays)
        return
    for event in run.events(entry.kind, entry.key, entry.namespace, entry.phase, last=last):
        print_json(event_as_json(event))

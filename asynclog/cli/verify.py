"""``asynclog verify``: whether a run is whole. Ends with 1 if it isn't."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from asynclog.cli.screen import STATUS_STYLES, print_json, reading, safe, screen
from asynclog.cli.words import count, size
from asynclog.readers.verify import Report, StreamReport
from asynclog.readers.verify import verify as verified

_MOST_SHOWN = 20
_LONGEST = 300


def verify(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Check every frame of a run, decode every event, and look for records that never came. Exit code 1: not sound."""
    with reading("verifying") as progress:
        report = verified(run, progress=progress)
    if as_json:
        print_json(as_plain(report))
    else:
        _print(report)
    if not report.sound:
        raise typer.Exit(1)


def as_plain(report: Report) -> dict[str, Any]:
    """The report as JSON has it."""
    content = json.loads(json.dumps(asdict(report), default=str))
    return {**content, "sound": report.sound, "missing": report.missing, "unexplained": report.unexplained}


def _print(report: Report) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("writer")
    for name in ("epoch", "segments", "frames", "events", "size", "missing", "repeats"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for one in report.streams:
        missing = sum(span.length for span in one.missing)
        table.add_row(
            Text(safe(one.writer)), str(one.epoch), f"{one.segments:,}", f"{one.frames:,}", f"{one.events:,}",
            size(one.size_bytes), Text(f"{missing:,}", "red" if missing else ""), f"{one.repeats:,}",
            Text(safe(one.status, 20), STATUS_STYLES.get(one.status, "")),
        )  # fmt: skip
    if report.streams:
        screen.print(table)
        screen.print()
    for damage in report.damage[:_MOST_SHOWN]:
        screen.print(Text.assemble(("damaged  ", "red"), safe(str(damage), _LONGEST)))
    if len(report.damage) > _MOST_SHOWN:
        screen.print(Text(f"… and {len(report.damage) - _MOST_SHOWN:,} more places", "red"))
    for one in report.streams:
        _print_losses(one)
    summary = f"{count(report.frames, 'frame')}, {count(report.events, 'event')}, {size(report.size_bytes)} checked"
    if report.artifacts:
        summary += f", {count(report.artifacts, 'artifact')}"
    verdict = ("sound", "bold green") if report.sound else ("not sound", "bold red")
    screen.print(Text.assemble(verdict, (f"  {summary}", "dim")))


def _print_losses(one: StreamReport) -> None:
    where = f"{safe(one.writer)}/{one.epoch}"
    for span in one.unexplained[:_MOST_SHOWN]:
        which = f"record {span.first:,}" if span.length == 1 else f"records {span.first:,} to {span.last:,}"
        screen.print(Text.assemble(("missing  ", "red"), f"{where}: {which} never came"))
    for gap in one.gaps[:_MOST_SHOWN]:
        told = f"{where}: {safe(str(gap.get('events', '?')), 20)} event(s), {safe(str(gap.get('reason', '')))}"
        screen.print(Text.assemble(("lost     ", "yellow"), told, (", as the journal says itself", "dim")))
    if one.torn_bytes:
        told = f"{where}: {one.torn_bytes:,} bytes at the end, which were being written"
        screen.print(Text.assemble(("cut      ", "dim"), (told, "dim")))

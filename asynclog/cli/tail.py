"""``asynclog tail``: the last writes of a run, and those to come."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from asynclog.cli.screen import PHASE_STYLES, STATUS_STYLES, Superseded, print_json, read_run, safe, screen
from asynclog.cli.words import clock, number
from asynclog.readers import read
from asynclog.readers.directory import run_directory
from asynclog.readers.export.jsonl import as_json as event_as_json
from asynclog.readers.follow import Follower
from asynclog.readers.series import Name
from asynclog.sink import Event
from asynclog.sinks.summary import in_brief

_PAUSE_S: Final = 0.2


def tail(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    key: Annotated[str | None, typer.Argument(help="Only this key, namespace/key, or pattern.")] = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="So many of the last writes.")] = 10,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the run ends.")] = False,
    superseded: Superseded = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an event.")] = False,
) -> None:
    """Show the last writes of a run, a line each; with -f, go on as it is recorded."""
    # The follower stands at the end before the run is read: what comes in between is in both, and told apart by its
    # time.
    follower = Follower(run_directory(run), superseded=superseded)
    if follow:
        follower.skip()
    found = read_run(run, superseded=superseded)
    shown: set[int] = set()
    earliest = -(2**63)
    last = deque(_writes(_chosen(found.events(last=None if key else lines), key)), maxlen=lines)
    for write in last:
        earliest = write[0].time_ns if not shown else earliest
        shown.add(write[0].time_ns)
        _show(write, as_json)
    while follow and not follower.ended:
        new = [one for one in follower.look() if one.time_ns > earliest and one.time_ns not in shown]
        for write in _writes(_chosen(new, key)):
            _show(write, as_json)
        if not new:
            time.sleep(_PAUSE_S)
    if follow and not as_json:
        status = read(run).status
        screen.print(Text.assemble(("the run has ended: ", "dim"), (safe(status, 20), STATUS_STYLES.get(status, ""))))


def _chosen(events: Iterable[Event], key: str | None) -> Iterator[Event]:
    for one in events:
        path = Name(one.phase, one.namespace, one.key).path
        if key is None or key in (one.key, path) or fnmatchcase(path, key):
            yield one


def _writes(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Events that share a time are of one write."""
    for _, together in groupby(events, attrgetter("time_ns")):
        yield list(together)


def _show(write: list[Event], as_json: bool) -> None:
    if as_json:
        for one in write:
            print_json(event_as_json(one))
        return
    first = write[0]
    line = Text.assemble(
        (f"{clock(first.time_ns)} ", "dim"),
        (f"{safe(first.phase, 5):<5} ", PHASE_STYLES.get(first.phase, "")),
        (f"{first.step:>9,}  ", "bold"),
    )
    for one in write:
        line.append(f"{safe(Name(one.phase, one.namespace, one.key).path, 60)} ", "dim")
        line.append(number(one.value) if one.kind == "scalar" else safe(in_brief(one.kind, one.value), 60))
        line.append("  ")
    line.rstrip()
    screen.print(line, soft_wrap=True)

"""``asynclog stats``: what became of everything that was logged, route by route."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from asynclog.cli.cat import headline
from asynclog.cli.live import print_live
from asynclog.cli.screen import STATUS_STYLES, print_json, read_run, safe, screen
from asynclog.cli.surroundings import print_failure
from asynclog.cli.words import size
from asynclog.readers import Run
from asynclog.readers.asking import live_reports

_COUNTERS: Final = ("offered", "delivered", "not_due", "filtered", "folded", "dropped", "rejected", "pending")
_BAD: Final = frozenset({"dropped", "rejected"})
_MOST_BYTES: Final = 1 << 20
_NO_LIMIT: Final = 10_000


def stats(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """Count events: what the journal holds of each writer, and what became of them on each route. Of a run that is being
    recorded, also how far behind each consumer is, and who holds how much of the shared memory.
    """
    found = read_run(run)
    routes = route_counters(found.path)
    live = live_reports(found.path)
    if as_json:
        writers = [vars(one) for one in found.writers]
        print_json({"name": found.name, "status": found.status, "journal": writers, "routes": routes, "live": live})
        return
    screen.print(headline(found))
    print_failure(found)
    screen.print()
    if not found.writers:
        screen.print(Text("nothing has been recorded yet", "dim"))
        return
    screen.print(_journal(found))
    screen.print()
    if routes:
        _print_routes(routes)
    else:
        screen.print(Text("no route has delivered yet", "dim"))
    for writer, report in live.items():
        print_live(writer, report)


def route_counters(run: Path) -> list[dict[str, Any]]:
    """Every route's counters by writer, from their cursors. Cursors that can't be read are left out."""
    found = []
    for path in sorted((run / "cursors").glob("*/*.json")):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
            continue
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            continue
        counters = content.get("counters") if isinstance(content, dict) else None
        if isinstance(counters, dict):
            numbers = {name: value for name, value in counters.items() if isinstance(value, int)}
            found.append({"route": path.parent.name, "writer": path.stem, "epoch": content.get("epoch"), **numbers})
    return found


def _journal(run: Run) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("writer", overflow="fold")
    # In few runs training went back, and a terminal is narrow.
    went_back = ("superseded",) if run.superseded else ()
    for name in ("epoch", "events", *went_back, "segments", "size", "B/event", "missing", "repeats"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for one in run.writers:
        recorded = one.events + one.superseded
        each = f"{one.size_bytes / recorded:.1f}" if recorded else "–"
        table.add_row(
            Text(safe(one.writer)), str(one.epoch), f"{one.events:,}", *(f"{one.superseded:,}" for _ in went_back),
            f"{one.segments:,}", size(one.size_bytes), each,
            Text(f"{one.missing:,}", "red" if one.missing else ""), f"{one.repeats:,}",
            Text(safe(one.status, 20), STATUS_STYLES.get(one.status, "")),
        )  # fmt: skip
    return table


def _print_routes(routes: list[dict[str, Any]]) -> None:
    """A table under the names of ``log.statistics()``; where the terminal is too narrow for it, a paragraph a route."""
    further = sorted({name for one in routes for name in one} - {*_COUNTERS, "route", "writer", "epoch"})
    names = (*_COUNTERS, *further)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("route", no_wrap=True)
    table.add_column("writer", no_wrap=True)
    for name in names:
        table.add_column(safe(name, 20), justify="right", no_wrap=True)
    for one in routes:
        table.add_row(Text(safe(one["route"])), Text(safe(one["writer"])), *[_counted(one, name) for name in names])
    if screen.measure(table, options=screen.options.update(max_width=_NO_LIMIT)).maximum <= screen.width:
        screen.print(table)
        return
    for one in routes:
        line = Text.assemble((safe(one["route"]), "bold"), f"  {safe(one['writer'])}")
        for name in names:
            line.append(" · " if name != names[0] else "  ", "dim").append(f"{safe(name, 20)} ", "dim")
            line.append_text(_counted(one, name))
        screen.print(line)


def _counted(route: dict[str, Any], name: str) -> Text:
    amount = route.get(name, 0)
    return Text(f"{amount:,}", "dim" if not amount else "red" if name in _BAD else "")

"""``asynclog ls``: the runs below a directory."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from asynclog.cli.screen import STATUS_STYLES, print_json, safe, screen
from asynclog.cli.surroundings import standing_still, stillness
from asynclog.cli.words import ago, size
from asynclog.errors import RunNotFound
from asynclog.readers.asking import live_reports
from asynclog.readers.glance import Glance, glance

_DEEPEST: Final = 6


def ls(
    directory: Annotated[Path, typer.Argument(help="Where to look.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a run.")] = False,
) -> None:
    """List the runs below a directory, newest first."""
    if not directory.is_dir():
        raise RunNotFound(f"{directory} is {'not a directory' if directory.exists() else 'not there'}")
    seen = [_glance(one) for one in runs_below(directory)]
    found = sorted(seen, key=lambda one: (one.last_ns, one.created_ns), reverse=True)
    still = {one.path: seconds for one in found if (seconds := _still(one)) is not None}
    if as_json:
        for one in found:
            print_json(asdict(one) | {"path": str(one.path), "loop_still_s": still.get(one.path)})
    elif found:
        screen.print(_table(found, directory, still))
    else:
        screen.print(Text(f"no runs below {directory.resolve()}", "dim"))


def _glance(run: Path) -> Glance:
    """One that may not be read is listed as that, beside the others."""
    try:
        return glance(run)
    except OSError:
        return Glance(run, run.name, "unreadable", 0, 0, None, 0, 0, 0, 0, False)


def _still(run: Glance) -> float | None:
    """For how long the loop of a run that is being recorded has not turned; None if it turns."""
    if run.status != "running":
        return None
    told = (standing_still(report, time.time_ns()) for report in live_reports(run.path).values())
    return max((one for one in told if one is not None), default=None)


def runs_below(directory: Path, depth: int = 0) -> Iterator[Path]:
    """The runs at or below a directory. Links are not followed, and nothing is sought inside a run."""
    if (directory / "run.json").is_file():
        yield directory
        return
    if depth < _DEEPEST:
        for one in sorted(directory.iterdir()):
            if one.is_dir() and not one.is_symlink() and not one.name.startswith("."):
                try:
                    yield from runs_below(one, depth + 1)
                except PermissionError:
                    continue


def _table(found: list[Glance], directory: Path, still: dict[Path, float]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("run", "status"):
        table.add_column(name, overflow="fold" if name == "run" else "ellipsis", no_wrap=name == "status")
    for name in ("writers", "step", "events", "size", "last written"):
        table.add_column(name, justify="right", no_wrap=True)
    now = time.time_ns()
    for one in found:
        where = "" if one.path == directory else str(one.path.relative_to(directory))
        shown = Text(safe(where or one.name), "bold")
        if where and one.name != one.path.name:
            shown.append(f"  {safe(one.name)}", "not bold dim")
        status = Text(safe(one.status, 20), STATUS_STYLES.get(one.status, ""))
        if one.damaged:
            status.append(" damaged", "red")
        if one.path in still:
            status.append(f" {stillness(still[one.path])}", "bold red")
        writers = f"{one.writers}" if one.epochs == one.writers else f"{one.writers} ({one.epochs} epochs)"
        step = "–" if one.last_step is None else f"{one.last_step:,}"
        table.add_row(shown, status, writers, step, f"{one.events:,}", size(one.size_bytes), ago(one.last_ns, now))
    return table

"""``asynclog export``: a run for other programs."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from asynclog.cli.ending import ends_well
from asynclog.cli.screen import errors, read_run
from asynclog.cli.words import count, size
from asynclog.readers import Run
from asynclog.readers.export import export_csv, export_jsonl, write_parquet

export = typer.Typer(
    help="Write a run's numbers and what there is to say of its events for other programs.", no_args_is_help=True
)

_WORTH_A_BAR: Final = 200_000  # events, about a second's work
RunPath = Annotated[Path, typer.Argument(help="The run's directory.")]
Target = Annotated[Path, typer.Argument(help="The file to write; - for standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


@export.command()
@ends_well
def csv(run: RunPath, to: Target = Path("-"), force: Force = False) -> None:
    """A line an event, in order of time."""
    _text(run, to, force, export_csv)


@export.command()
@ends_well
def jsonl(run: RunPath, to: Target = Path("-"), force: Force = False) -> None:
    """A JSON object an event, in order of time."""
    _text(run, to, force, export_jsonl)


@export.command()
@ends_well
def parquet(run: RunPath, to: Target, force: Force = False) -> None:
    """A row a number or event, series by series. Needs pyarrow."""
    found = read_run(run)
    _refuse(to, force)
    # The table first, so that a missing package leaves no empty file behind.
    table = found.to_arrow()
    with ExitStack() as stack:
        file = sys.stdout.buffer if str(to) == "-" else stack.enter_context(to.open("wb"))
        write_parquet(table, file)
    _told(table.num_rows, to)


def _text(run: Path, to: Path, force: bool, write: Callable[[Run, TextIO, Callable[[int], None]], int]) -> None:
    found = read_run(run)
    _refuse(to, force)
    bar = Progress(
        TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=errors, transient=True, disable=not errors.is_terminal or str(to) == "-" or len(found) < _WORTH_A_BAR,
    )  # fmt: skip
    with ExitStack() as stack:
        file = sys.stdout if str(to) == "-" else stack.enter_context(to.open("w", encoding="utf-8", newline=""))
        stack.enter_context(bar)
        task = bar.add_task("", total=len(found))
        written = write(found, file, lambda done: bar.update(task, completed=done))
    _told(written, to)


def _refuse(to: Path, force: bool) -> None:
    if str(to) != "-" and to.exists() and not force:
        raise typer.BadParameter(f"{to} exists; --force replaces it")


def _told(written: int, to: Path) -> None:
    if str(to) != "-":
        told = f"{count(written, 'event')}, {size(to.stat().st_size)} to {to}"
        errors.print(Text.assemble(("exported  ", "bold green"), told))

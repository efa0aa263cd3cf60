"""``asynclog export``: a run for other programs."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from asynclog.cli.ending import ends_well
from asynclog.cli.screen import WHOLE, errors, read_run, safe
from asynclog.cli.target import STANDARD_OUTPUT, binary_target, refuse, text_target
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
    refuse(to, force)
    found = read_run(run)
    table = found.to_arrow()
    with binary_target(to) as file:
        write_parquet(table, file)
    _told(found, table.num_rows, to)


def _text(run: Path, to: Path, force: bool, write: Callable[[Run, TextIO, Callable[[int], None]], int]) -> None:
    refuse(to, force)
    found = read_run(run)
    bar = Progress(
        TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=errors, transient=True, disable=not errors.is_terminal or to == STANDARD_OUTPUT or len(found) < _WORTH_A_BAR,
    )  # fmt: skip
    with text_target(to) as file, bar:
        task = bar.add_task("", total=len(found))
        written = write(found, file, lambda done: bar.update(task, completed=done))
    _told(found, written, to)


def _told(run: Run, written: int, to: Path) -> None:
    if to == STANDARD_OUTPUT:
        return
    told = f"{count(written, 'event')}, {size(to.stat().st_size)} to {to}"
    errors.print(Text.assemble(("exported  ", "bold green"), safe(told, WHOLE)))
    if run.status == "running":
        errors.print(Text.assemble(("running   ", "bold cyan"), "the run goes on; this is what it had so far"))

"""``asynclog export``: a run for other programs."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from glob import escape
from itertools import chain
from pathlib import Path
from typing import Annotated, Final, Literal, TextIO

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from asynclog.cli.ending import ends_well
from asynclog.cli.screen import WHOLE, Superseded, errors, read_run, safe
from asynclog.cli.target import STANDARD_OUTPUT, binary_target, files_target, refuse, refuse_directory, text_target
from asynclog.cli.words import count, size
from asynclog.errors import InvalidConfiguration
from asynclog.readers import Run
from asynclog.readers.export import Exported, export_csv, export_jsonl, export_parquet, export_through
from asynclog.sink import Sink
from asynclog.sinks import MCAP, Files, Rerun

export = typer.Typer(help="Write a run for other programs: as a table, as files, for a viewer.", no_args_is_help=True)

_WORTH_A_BAR: Final = 200_000  # events, about a second's work
_WORTH_A_BAR_BYTES: Final = 32 << 20
RunPath = Annotated[Path, typer.Argument(help="The run's directory.")]
Target = Annotated[Path, typer.Argument(help="The file to write; - for standard output.")]
File = Annotated[Path, typer.Argument(help="The file to write.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


@export.command()
@ends_well
def csv(run: RunPath, to: Target = Path("-"), force: Force = False, superseded: Superseded = False) -> None:
    """A line an event, in order of time."""
    _text(run, to, force, superseded, export_csv)


@export.command()
@ends_well
def jsonl(run: RunPath, to: Target = Path("-"), force: Force = False, superseded: Superseded = False) -> None:
    """A JSON object an event, in order of time."""
    _text(run, to, force, superseded, export_jsonl)


@export.command()
@ends_well
def parquet(run: RunPath, to: Target, force: Force = False, superseded: Superseded = False) -> None:
    """A row a number or event, series by series. Needs pyarrow."""
    refuse(to, force)
    found = read_run(run, superseded=superseded)
    with binary_target(to) as file, _bar(found, to) as progress:
        written = export_parquet(found, file, progress)
    _told(found, Exported(written, {}), to)


@export.command()
@ends_well
def files(
    run: RunPath,
    to: Annotated[Path, typer.Argument(help="The directory to write into.")],
    formats: Annotated[
        list[str] | None, typer.Option("--format", metavar="KIND=SUFFIX", help="image=.webp; image= for none.")
    ] = None,
    layout: Annotated[Literal["numbered", "threedb"], typer.Option(help="How files are named.")] = "numbered",
    keep_resolution: Annotated[bool, typer.Option("--keep-resolution", help="Images in full.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what an export has left there.")] = False,
    superseded: Superseded = False,
) -> None:
    """A file a value, and an index that says what each is. Needs Pillow, soundfile and PyAV for what they encode."""
    refuse_directory(to, "index.jsonl", force)
    target, chosen = to.resolve(), dict(map(_format, formats or ()))
    ours = (escape(target.name), f"{escape(target.stem)}.rank*{escape(target.suffix)}")
    make = partial(Files, target.name, formats=chosen, layout=layout, keep_resolution=keep_resolution)
    _through(run, to, target.parent, superseded, make, ours)


@export.command()
@ends_well
def mcap(run: RunPath, to: File, force: Force = False, superseded: Superseded = False) -> None:
    """A recording for Foxglove; of several writers a file each. Needs mcap and Foxglove's schemas."""
    refuse(to, force)
    with files_target(to) as directory:
        _through(run, to, directory, superseded, lambda: MCAP(to.name))


@export.command()
@ends_well
def rrd(run: RunPath, to: File, force: Force = False, superseded: Superseded = False) -> None:
    """A recording for Rerun's viewer; of several writers a file each. Needs rerun-sdk."""
    refuse(to, force)
    with files_target(to) as directory:
        _through(run, to, directory, superseded, lambda: Rerun(to.name))


def _through(
    run: Path, to: Path, directory: Path, superseded: bool, make: Callable[[], Sink], ours: Iterable[str] = ("*",)
) -> None:
    """ours: patterns of what is made in the directory."""
    found = read_run(run, superseded=superseded)
    with _bar(found, to) as progress:
        done = asyncio.run(export_through(found, make, directory, progress))
    _told(found, done, to, sum(one.stat().st_size for one in _written(directory, ours)))


def _written(directory: Path, ours: Iterable[str]) -> Iterator[Path]:
    for one in chain.from_iterable(map(directory.glob, ours)):
        yield from (inner for inner in one.rglob("*") if inner.is_file()) if one.is_dir() else [one]


def _format(text: str) -> tuple[str, str | None]:
    kind, sign, suffix = text.partition("=")
    if not sign:
        raise InvalidConfiguration(f"--format {text}: expected KIND=SUFFIX, as image=.webp")
    return kind, suffix or None


def _text(
    run: Path, to: Path, force: bool, superseded: bool, write: Callable[[Run, TextIO, Callable[[int], None]], int]
) -> None:
    refuse(to, force)
    found = read_run(run, superseded=superseded)
    with text_target(to) as file, _bar(found, to) as progress:
        written = write(found, file, progress)
    _told(found, Exported(written, {}), to)


@contextmanager
def _bar(run: Run, to: Path) -> Iterator[Callable[[int], None]]:
    """Over the run's events; none where nobody watches, or it would flash by."""
    quick = len(run) < _WORTH_A_BAR and run.size_bytes < _WORTH_A_BAR_BYTES
    bar = Progress(
        TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=errors, transient=True, disable=not errors.is_terminal or to == STANDARD_OUTPUT or quick,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=len(run))
        yield lambda done: bar.update(task, completed=done)


def _told(run: Run, done: Exported, to: Path, nbytes: int | None = None) -> None:
    if to == STANDARD_OUTPUT:
        return
    left_out = sum(done.rejected.values())
    told = f"{count(done.events - left_out, 'event')}, {size(to.stat().st_size if nbytes is None else nbytes)} to {to}"
    errors.print(Text.assemble(("exported  ", "bold green"), safe(told, WHOLE)))
    for why, events in done.rejected.items():
        errors.print(Text.assemble(("left out  ", "bold yellow"), safe(f"{events:,}: {why}", WHOLE)), soft_wrap=True)
    if run.status == "running":
        errors.print(Text.assemble(("running   ", "bold cyan"), "the run goes on; this is what it had so far"))

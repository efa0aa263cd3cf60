"""``asynclog repair``: a copy of a run without its damage."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asynclog.cli.screen import WHOLE, reading, safe, screen
from asynclog.cli.words import count, size
from asynclog.readers.repair import repair as repaired


def repair(
    run: Annotated[Path, typer.Argument(help="The run's directory; it is only read.")],
    to: Annotated[Path, typer.Argument(help="Where the copy goes; it must not exist, or be empty.")],
) -> None:
    """Copy all that can be read of a run, frame by frame, and close it properly. The original stays as it is."""
    with reading("reading") as progress:
        done = repaired(run, to, progress=progress)
    facts = f"{count(done.segments, 'segment')}, {count(done.frames, 'frame')}, {count(done.events, 'event')}"
    screen.print(
        Text.assemble(("repaired  ", "bold green"), f"{facts}, {size(done.size_bytes)} in {safe(str(done.path), WHOLE)}")
    )
    if done.growing:
        screen.print(Text.assemble(("running   ", "bold cyan"), "the run goes on; the copy ends where it stood, as killed"))
    if done.lost:
        told = f"{count(done.lost, 'record')} could not be read; the copy says so"
        screen.print(Text.assemble(("lost      ", "yellow"), told))

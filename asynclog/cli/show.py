"""``asynclog show``: one value of a run, on the screen or as a file."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asynclog.cli.complete import keys_of
from asynclog.cli.screen import Superseded, errors, read_run, screen
from asynclog.cli.surroundings import print_surroundings
from asynclog.cli.table import show_table
from asynclog.cli.told import body, told
from asynclog.cli.words import clock, size
from asynclog.encoding.bounds import note
from asynclog.errors import AsynclogError, SeriesNotFound
from asynclog.readers import Run
from asynclog.readers.export.html import page, when
from asynclog.readers.export.media import file_of, suffixes
from asynclog.readers.series import Name
from asynclog.sink import Event


def show(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    key: Annotated[str | None, typer.Argument(help="A key, or namespace/key.", autocompletion=keys_of)] = None,
    step: Annotated[int | None, typer.Option(help="Of this step; else the last one.")] = None,
    phase: Annotated[str | None, typer.Option(help="Of this phase.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of this kind, where a key has several.")] = None,
    save: Annotated[Path | None, typer.Option("--save", "-o", help="Write it: .png .wav .mp4 .ply .npy .csv .html …")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    superseded: Superseded = False,
) -> None:
    """Show one image, sound, video, text or table of a run whole, or save it in a file that other programs open. Without a key:
    how the run ended, with the traceback of what ended it, and where it was made."""
    found = read_run(run, superseded=superseded)
    if key is None:
        if save is not None:
            raise AsynclogError("--save saves one value: name its key")
        print_surroundings(found)
        return
    event = chosen(found, key, step, phase, kind)
    if event.kind == "table":
        show_table(found, key, step, phase, save, force)
        return
    if save is not None:
        if save.exists() and not force:
            raise AsynclogError(f"{save} exists; --force replaces it")
        data = _file(event, save.suffix)
        save.write_bytes(data)
        otherwise = note(event.value, save.suffix.lower())
        said = f"{size(len(data))} of {told(event.kind, event.value)} written to {save}"
        errors.print(Text(said if otherwise is None else f"{said}; {otherwise}"))
        return
    moment = f"step {event.step:,}  {clock(event.time_ns)}  "
    screen.print(Text.assemble((moment, "dim"), told(event.kind, event.value)))
    shown = body(event.kind, event.value, screen, full=True)
    if shown is not None:
        screen.print(shown)
    can = suffixes(event.value)
    if can:
        screen.print(Text(f"--save FILE writes {', '.join(can)}", "dim"))


def _file(event: Event, suffix: str) -> bytes:
    if suffix.lower() == ".html" and ".html" in suffixes(event.value):
        return page(event.value, Name(event.phase, event.namespace, event.key).path, when(event.step, event.time_ns))
    return file_of(event.value, suffix)


def chosen(run: Run, key: str, step: int | None, phase: str | None, kind: str | None) -> Event:
    """The event that was asked for. Raises SeriesNotFound, with what there is instead."""
    last, steps = None, []
    for event in run.events(kind=kind, key=key, phase=phase):
        if event.kind == "scalar" and kind != "scalar":
            continue
        steps.append(event.step)
        if step is None or event.step == step:
            last = event
    if last is not None:
        return last
    if steps:
        assert step is not None
        near = sorted(sorted(set(steps), key=lambda one: abs(one - step))[:5])
        raise SeriesNotFound(f"{key!r} has nothing at step {step}; it has steps {', '.join(map(str, near))}")
    names = [one.key for one in run.keys() if one.kind != "scalar"]  # noqa: SIM118 (a Run is no mapping)
    close = get_close_matches(key, names, n=5, cutoff=0.4) or names[:5]
    raise SeriesNotFound(f"no value has the key {key!r}; the run has {', '.join(close) or 'numbers alone, see asynclog cat'}")

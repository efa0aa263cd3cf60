"""The two consoles, and what comes from a run made fit for them.

Keys and texts are not trusted: an escape sequence in one could retitle the terminal or hide a line, so nothing
unprintable gets through, and nothing is taken for markup.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from asynclog.readers import Run, read
from asynclog.readers.scan import Progress as Report
from asynclog.sinks.strict_json import json_text

PIPED_COLUMNS: Final = 200
"""Where there is no terminal, lines are for a file or another program: wide enough that nothing is wrapped in practice."""


def _width() -> int | None:
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_COLUMNS


screen = Console(highlight=False, soft_wrap=False, width=_width())
errors = Console(stderr=True, highlight=False)

# About a second's work; a bar that flashes by is only unrest.
_WORTH_A_BAR_BYTES: Final = 256 << 20
STATUS_STYLES: Final = {
    "running": "bold cyan",
    "finished": "green",
    "exited": "green",
    "failed": "bold red",
    "killed": "yellow",
    "lost": "magenta",
    "empty": "dim",
    "unreadable": "red",
}
PHASE_STYLES: Final = {"train": "green", "valid": "cyan", "test": "magenta"}


WHOLE: Final = sys.maxsize
_WORTH_A_LENGTH: Final = 60


def safe(text: str, longest: int = 120) -> str:
    """The text on one line, without anything that a terminal would obey; one that is cut says how long it is."""
    shown = _escaped(text[: longest + 1])
    if len(text) <= longest:
        return shown
    length = f" ({len(text):,} characters)" if longest >= _WORTH_A_LENGTH else ""
    return f"{shown[: longest - 1]}…{length}"


def safe_lines(text: str, longest: int, most_lines: int) -> list[str]:
    """The text's lines, each as ``safe`` has it; what doesn't fit is left out with a word on how much there is."""
    whole = len(text) <= longest and text.count("\n") < most_lines
    lines = [_escaped(line) for line in text[:longest].split("\n")[:most_lines]]
    if not whole:
        lines[-1] += "…"
        lines.append(f"({len(text):,} characters in {text.count(chr(10)) + 1:,} lines; --full shows all)")
    return lines


def _escaped(text: str) -> str:
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def print_json(value: Any) -> None:
    """One value as strict JSON on a line of its own, whole: for other programs, and harmless to a terminal all the same."""
    text = json_text(value)
    if not text.isprintable():
        # JSON escapes what lies below a space. A terminal obeys more than that, and JSON may escape anything.
        text = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
    typer.echo(text)


@contextmanager
def reading(what: str) -> Iterator[Report]:
    """A bar while many bytes are read, which goes away again; none where nobody watches."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
    task = bar.add_task(what, total=None)

    def report(done: int, total: int) -> None:
        if total >= _WORTH_A_BAR_BYTES:
            bar.start()
            bar.update(task, completed=done, total=total)

    try:
        yield report
    finally:
        bar.stop()


Superseded = Annotated[bool, typer.Option("--superseded", help="With what was recorded beyond a step training went back to.")]


def read_run(path: "str | PathLike[str]", *, superseded: bool = False) -> Run:
    """The run, with a bar while it is read."""
    with reading("reading") as progress:
        return read(path, superseded=superseded, progress=progress)

"""What ``asynclog show RUN`` says: how the run ended, with the traceback, and where it was made."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from asynclog.cli.cat import headline
from asynclog.cli.screen import WHOLE, safe, safe_lines, screen
from asynclog.cli.words import count, duration
from asynclog.readers import Run

STANDS_STILL_S: Final = 2.0
_LONGEST_TRACEBACK: Final = 20_000
_MOST_LINES: Final = 200


def print_surroundings(run: Run) -> None:
    """The whole of it."""
    screen.print(headline(run))
    print_failure(run, whole=True)
    where = run.environment
    if not where:
        screen.print(Text("its environment was not recorded; MultiLogger(…, capture=True) does it", "dim"))
        return
    screen.print()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, words in _told(where):
        table.add_row(name, Text(safe(words, WHOLE)))
    screen.print(table)


def print_failure(run: Run, *, whole: bool = False) -> None:
    """Why it failed, if it did; with the traceback if that is asked for."""
    if run.error is None:
        return
    text = run.traceback if whole else None
    if text is None:
        screen.print(Text(f"  {safe(run.error, 400)}", "red"))
        return
    screen.print()
    for line in safe_lines(text, _LONGEST_TRACEBACK, _MOST_LINES):
        screen.print(Text(f"  {line}", "red"))


def _told(where: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in where.items():
        if name == "git" and isinstance(value, Mapping):
            branch = f" on {value['branch']}" if value.get("branch") else ""
            dirty = ", with uncommitted changes" if value.get("dirty") else ""
            yield name, f"{value.get('commit', '?')}{branch}{dirty}"
            if value.get("remote"):
                yield "", str(value["remote"])
        elif name == "packages" and isinstance(value, Mapping):
            yield name, f"{len(value)}: " + ", ".join(f"{one} {version}" for one, version in value.items())
        elif name == "diff":
            yield name, f"{count(str(value).count(chr(10)) + 1, 'line')}; asynclog show RUN environment/diff shows them"
        elif isinstance(value, Mapping):
            yield from ((name if not at else "", f"{one}={told}") for at, (one, told) in enumerate(value.items()))
        elif isinstance(value, list):
            yield name, " ".join(map(str, value)) or "none"
        else:
            yield name, str(value)


def standing_still(report: Mapping[str, Any] | None, now_ns: int) -> float | None:
    """Seconds for which a live run's loop has not turned, by its recorder's report; None if it turns, or nobody watches it."""
    loop = None if report is None else report.get("loop")
    if not isinstance(loop, Mapping):
        return None
    still, as_of = loop.get("still_s"), loop.get("as_of_ns")
    if not isinstance(still, float) or not isinstance(as_of, int):
        return None
    # Of a process whose threads don't turn either, the last word is old.
    seconds = still + max(0.0, (now_ns - as_of) / 1e9 - 1.0)
    return seconds if seconds >= STANDS_STILL_S else None


def stillness(seconds: float) -> str:
    """As a person would say it."""
    return f"the loop has not turned for {duration(seconds)}"

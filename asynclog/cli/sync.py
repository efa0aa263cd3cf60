"""``asynclog sync``: a recorded run to a destination, or what a route that was interrupted still owes it."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from asynclog.cli.ending import TROUBLE
from asynclog.cli.ls import runs_below
from asynclog.cli.screen import WHOLE, errors, print_json, safe
from asynclog.cli.words import count, duration
from asynclog.config.lookup import settings_of, sink_named
from asynclog.errors import AsynclogError, RunNotFound, SinkError
from asynclog.flow.limit import RateLimit
from asynclog.flow.route import Route
from asynclog.readers import Synced, read
from asynclog.readers import sync as synced

_PATIENCE_S: Final = 10.0
"""So long Ctrl-C waits for the batch that is being written."""
Delivering = Callable[..., Coroutine[Any, Any, Synced]]
_LOST: Final = ("rejected", "dropped")
_LEFT_OUT: Final = ("not_due", "filtered", "folded")


def sync(
    run: Annotated[Path, typer.Argument(help="The run's directory; with --all, one with runs below it.")],
    to: Annotated[str, typer.Option("--to", help="A sink: its name, package.module:Class, or the path of a .py file.")],
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An argument of the sink.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The route's; default: the sink's.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", "--until-end", help="Go on until the run ends.")] = False,
    again: Annotated[bool, typer.Option("--again", help="From the beginning, whatever was delivered before.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Every run below the directory.")] = False,
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="Only this kind; may be given again.")] = None,
    namespaces: Annotated[list[str] | None, typer.Option("--namespace", help="Only this one, and those below it.")] = None,
    phases: Annotated[list[str] | None, typer.Option("--phase", help="Only this phase.")] = None,
    interval: Annotated[float | None, typer.Option("--every", help="At most one write in so many seconds of the run.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What was delivered, as one JSON object a run.")] = False,
) -> None:
    """Deliver a run to a destination, from where it stands there: a finished run, one that goes on, or what a process that was
    killed left undone. Asked again, it goes on behind what was delivered.
    """
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        # As for a script that lies here: --to names a module of the user's, which a worker imports too.
        sys.path.insert(0, str(Path.cwd()))

    def route() -> Route:
        limit = None if interval is None else RateLimit(interval)
        sink = sink_named(to, settings_of(settings or ()))
        return Route(sink, name=name, limit=limit, kinds=kinds, namespaces=namespaces, phases=phases, deadline=_PATIENCE_S)

    runs = sorted(runs_below(run)) if every else [run]
    if not runs:
        raise RunNotFound(f"no runs below {run.resolve()}")
    deliver = partial(synced, follow=follow, again=again)
    went_well = [_one(one, route(), deliver, as_json=as_json, patient=every) for one in runs]
    if not all(went_well):
        raise typer.Exit(TROUBLE)


def _one(run: Path, route: Route, deliver: Delivering, *, as_json: bool, patient: bool) -> bool:
    """Deliver one run; False if it can't be, where others may still."""
    began = time.monotonic()
    try:
        with _watched(route.name) as progress:
            result = asyncio.run(_stoppable(deliver(run, route, progress=progress)))
    except KeyboardInterrupt:
        _say("stopped", "yellow", f"{run}: the same command goes on from here")
        raise
    except SinkError as error:
        first, *traceback = str(error).splitlines()
        for line in traceback if len(traceback) > 1 else ():
            errors.print(Text(safe(line, WHOLE), "dim"), soft_wrap=True)
        _say("error", "bold red", f"{run}: {' '.join([first, *traceback[-1:]])}")
        return False
    except (AsynclogError, OSError) as error:
        if not patient:
            raise
        _say("error", "bold red", f"{run}: {error}")
        return False
    if as_json:
        told: dict[str, Any] = {"run": str(run), "route": result.route, "complete": result.complete, "refused": result.refused}
        print_json({**told, **result.counters})
    else:
        _tell(run, result, time.monotonic() - began)
    if result.refused:
        _say("refused", "bold red", f"{result.refused:,} events, by {result.route}; --again delivers all of it once more")
    return not result.refused


async def _stoppable(work: Coroutine[Any, Any, Synced]) -> Synced:
    """SIGTERM, a batch system's or a container's word of warning, ends it in good order as Ctrl-C does."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _tell(run: Path, result: Synced, seconds: float) -> None:
    counters = result.counters
    delivered = counters["delivered"]
    told = f"{count(delivered, 'event')} of {run} to {result.route}"
    if delivered:
        told += f" in {duration(seconds)}, {delivered / seconds:,.0f}/s"
    told += "".join(f", {counters[name]:,} {name.replace('_', ' ')}" for name in (*_LEFT_OUT, *_LOST) if counters[name])
    _say("synced", "bold green" if not any(counters[name] for name in _LOST) else "bold yellow", told)
    if not result.complete:
        goes_on = read(run).status == "running"
        why = "the run goes on; asked again, this goes on from here" if goes_on else f"{counters['pending']:,} are left"
        _say("running" if goes_on else "left", "bold cyan", why)


def _say(word: str, style: str, text: str) -> None:
    errors.print(Text.assemble((f"{word:<9} ", style), safe(text, 2000)), soft_wrap=True)


@contextmanager
def _watched(route: str) -> Iterator[Callable[[Synced], None]]:
    """A bar over the bytes of the journal, with events and their rate; what the sink has to say goes above it."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TextColumn("{task.fields[events]}"),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
    began = time.monotonic()
    task = bar.add_task(f"to {safe(route)}", total=None, events="")

    def show(now: Synced) -> None:
        settled = _settled(now.counters)
        words = "the destination takes nothing at the moment" if now.failing else ""
        words = words or f"{count(settled, 'event')}, {settled / (time.monotonic() - began):,.0f}/s"
        bar.update(task, completed=now.read_bytes, total=now.total_bytes or None, events=words)

    speaker = _Speaker()
    log = logging.getLogger()
    log.addHandler(speaker)
    try:
        with bar:
            yield show
    finally:
        log.removeHandler(speaker)


def _settled(counters: Mapping[str, int]) -> int:
    return counters["offered"] - counters["pending"]


class _Speaker(logging.Handler):
    """Warnings, above the bar."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        text: Any = record.getMessage()
        _say(record.levelname.lower(), "yellow", text)

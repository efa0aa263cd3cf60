"""Bringing a recorded run to a destination: what a dead process left undone, or a destination that was never there."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from asynclog.errors import InvalidConfiguration, RunNotFound, SinkError
from asynclog.flow.route import Route
from asynclog.readers.deliveries import Deliveries, Telling
from asynclog.readers.directory import run_directory

_log = logging.getLogger("asynclog")
_LOOK_S: Final = 0.02
_LOOK_AT_GROWING_S: Final = 0.1
_TELL_S: Final = 0.1


@dataclass(frozen=True)
class Synced:
    """What came of it. route: its name, under which the run remembers how far it came. counters: what became of events this
    time, as ``MultiLogger.statistics`` counts them. complete: the run had ended, and all of it was delivered or rejected;
    otherwise the same call goes on where this one stopped. read_bytes, total_bytes: of the run's journal.
    """

    route: str
    counters: Mapping[str, int]
    complete: bool
    read_bytes: int
    total_bytes: int
    failing: bool = False
    """Whether the destination doesn't take anything at the moment."""
    refused: int = 0
    """Of the rejected events those whose batches the destination would not take at all."""


async def sync(
    run: "str | os.PathLike[str]",
    sink: Any,
    *,
    name: str | None = None,
    follow: bool = False,
    again: bool = False,
    progress: Callable[[Synced], None] | None = None,
) -> Synced:
    """Deliver a run from its journal to a sink, all writers and epochs, from where this route stands in the run.

    sink: a sink, opened by nobody yet, or a Route, whose filters and limit hold. name: the route's, as ``Route(name=…)``;
    default the sink class's in lower case. A name the run knows goes on where it stands, with what was due to it; one it
    doesn't know begins at the beginning and gets everything. follow: go on until the run ends; otherwise what is there now.
    again: as if the run didn't know the name: everything once more, which a sink of files begins anew for.
    progress: called ten times a second, on this loop. Cancelled, it ends behind the batch that is being written, which may
    take as long as the route's deadline, and keeps its place.

    A destination that is unavailable is waited for. A sink that fails on a bug of its own is tried three times, and given up at
    that batch: asked again, this goes on there. Raises RunNotFound; RunInUse while another process delivers the run on this
    route; RunUnwritable where the run can't keep the route's place; InvalidConfiguration; SinkError if the sink was given up.
    """
    if isinstance(sink, Route) and name is not None:
        raise InvalidConfiguration(f"sync name: the Route is named {sink.name!r} already; write Route(…, name={name!r})")
    directory = await asyncio.to_thread(run_directory, run)
    route = sink if isinstance(sink, Route) else Route(sink, name=name)
    troubles: list[str] = []
    deliveries = Deliveries(directory, route, Telling(_teller(troubles), _say), follow=follow, again=again)
    told = 0.0
    try:
        await asyncio.to_thread(deliveries.claim)
        while await asyncio.to_thread(deliveries.turn):
            if progress is not None and time.monotonic() - told >= _TELL_S:
                told = time.monotonic()
                progress(await asyncio.to_thread(_synced, route, deliveries))
            await asyncio.sleep(_LOOK_AT_GROWING_S if follow else _LOOK_S)
    finally:
        await asyncio.shield(asyncio.to_thread(deliveries.close))
    if troubles:
        raise SinkError(f"sink {route.name!r} was stopped:\n{troubles[0]}")
    if not deliveries.over:
        raise RunNotFound(f"nothing was recorded in {directory}")
    return await asyncio.to_thread(_synced, route, deliveries)


def _synced(route: Route, deliveries: Deliveries) -> Synced:
    counters = deliveries.counters().as_dict()
    return Synced(route.name, counters, deliveries.complete, *deliveries.read_bytes(), deliveries.failing, deliveries.refused)


def _teller(fatal: list[str]) -> Callable[[str, str, bool], None]:
    def tell(route: str, text: str, stopped: bool) -> None:
        if stopped:
            fatal.append(text)
        else:
            _log.warning("sink %r: %s", route, text.splitlines()[-1] if text else "")

    return tell


def _say(route: str, level: int, name: str, text: str) -> None:
    logging.getLogger(name).log(level, "sink %r: %s", route, text)

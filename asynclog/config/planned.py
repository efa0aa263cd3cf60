"""What a configuration would make, in words, without opening anything."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from asynclog.errors import InvalidConfiguration
from asynclog.flow.limit import RateLimit
from asynclog.flow.route import Route
from asynclog.logger.multi import MultiLogger
from asynclog.state import PHASES

_PLACES: Final = {
    "recorder": "a thread of the recorder",
    "process": "a process",
    "thread": "a thread of the training",
    "caller": "the training's loop",
}


@dataclass(frozen=True)
class Planned:
    """A route: its name, its sink, where that runs, how often it gets values, which, and what is done when it can't keep up."""

    name: str
    sink: str
    runs_in: str
    limit: str
    gets: str
    overflow: str


@dataclass(frozen=True)
class Plan:
    """A logger as it would be. slabs: bytes of shared memory. settings: how many the run would record. errors: a line each; the
    rest says nothing then."""

    run: str | None = None
    writer: str = ""
    recorder: str = ""
    limit: str = ""
    journal: str = ""
    slabs: int = 0
    settings: int = 0
    routes: list[Planned] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: one for name, one in asdict(self).items() if name != "errors"}


def planned(path: "str | os.PathLike[str]") -> Plan:
    """What the file would make, or what is wrong with it. Raises ImportError without pydantic or PyYAML."""
    from asynclog.config import from_config

    try:
        logger = from_config(path)
    except InvalidConfiguration as error:
        return Plan(errors=str(error).splitlines())
    return _plan(logger)


def _plan(logger: MultiLogger) -> Plan:
    core = logger._core
    config = core.config
    return Plan(
        run=None if core.directory is None else str(core.directory),
        writer=core.writer,
        recorder="a process of its own" if core.recorder == "process" else "a thread of the training",
        limit=_told_limit(core.limit),
        journal=_told_journal(core.journal),
        slabs=core.quota,
        settings=len(config) if isinstance(config, Mapping) else 0,
        routes=[_planned(one, core.limit) for one in core.routes],
    )


def _planned(route: Route, default: RateLimit | None) -> Planned:
    of_process = f"{_PLACES['process']}, {route.worker}" if route.worker != route.name else "a process of its own"
    return Planned(
        route.name,
        _told_sink(route.sink),
        of_process if route.place == "process" else _PLACES[route.place],
        _told_limit(route.limit if route.limit is not None else default),
        _told_filters(route),
        route.overflow or "",
    )


def _told_sink(sink: Any) -> str:
    module = getattr(sink, "module", None)
    if isinstance(module, str):
        return module
    kind = type(sink)
    ours = kind.__module__.startswith("asynclog.sinks.")
    return kind.__qualname__ if ours else f"{kind.__module__}:{kind.__qualname__}"


def _told_limit(limit: RateLimit | None) -> str:
    if limit is None or limit.unlimited:
        return "none"
    told = []
    intervals = {phase: limit.interval(phase) for phase in PHASES}
    if len(set(intervals.values())) == 1 and intervals["train"]:
        told.append(f"every {intervals['train']:g} s")
    else:
        told += [f"{phase} every {seconds:g} s" for phase, seconds in intervals.items() if seconds]
    told += [f"every {limit.steps} steps"] if limit.steps is not None else []
    told += [f"{limit.budget:.0%} of the time"] if limit.budget is not None else []
    spared = f", but {', '.join(sorted(limit.spare))} always" if limit.spare else ""
    return ", ".join(told) + spared


def _told_journal(journal: Any) -> str:
    if journal is None:
        return "none"
    kinds = "every kind" if journal.kinds is None else ", ".join(sorted(journal.kinds))
    return f"{kinds}, fsync {journal.fsync}, linger {journal.linger:g} s{', zstd' if journal.compress else ''}"


def _told_filters(route: Route) -> str:
    told = [", ".join(sorted(one)) for one in (route.kinds, route.namespaces, route.phases) if one is not None]
    return "; ".join([*told, *([f"level {route.level}"] if route.level else [])]) or "everything"

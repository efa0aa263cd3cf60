"""What a logger is asked to be, looked at before anything is made: each refusal names the argument, what was expected, what
came, and the nearest right way.
"""

import os
import re
from collections.abc import Iterable, Mapping
from operator import index
from pathlib import Path
from typing import Any, Final

from asynclog.artifacts.settings import Artifacts
from asynclog.engine.settings import Journal
from asynclog.engine.travel import check_picklable
from asynclog.errors import InvalidConfiguration
from asynclog.flow.limit import RateLimit
from asynclog.flow.route import Route
from asynclog.logger.capturing.settings import Capture
from asynclog.logger.naming import described
from asynclog.logger.ranks import ranks_here
from asynclog.logger.settings import plain_settings
from asynclog.state import PHASES

SMALLEST_QUOTA: Final = 16 << 20
_MOST_ROUTES: Final = 63
# A writer's name becomes a directory: streams/<writer>/.
_WRITER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _refuse(argument: str, expected: str, got: Any, way: str = "") -> InvalidConfiguration:
    return InvalidConfiguration(f"{argument}: expected {expected}, got {described(got)}{f'; {way}' if way else ''}")


def checked_directory(run: Any) -> Path | None:
    """The run's directory. Raises InvalidConfiguration."""
    if run is None:
        return None
    if not isinstance(run, str | os.PathLike) or not isinstance(os.fspath(run), str):
        raise _refuse("run", "a path, as str or Path", run, "None is a logger without a directory")
    if not os.fspath(run):
        raise InvalidConfiguration("run: expected a directory, got an empty path; None is a logger without one")
    return Path(run)


def checked_sinks(sinks: Any) -> "list[Any]":
    """The sinks, each still to be looked at by its Route. Raises InvalidConfiguration."""
    if isinstance(sinks, Route) or callable(getattr(sinks, "aclose", None)):
        raise _refuse("sinks", "a list of sinks", sinks, "write sinks=[…] around it")
    if sinks is None:
        raise _refuse("sinks", "a list of sinks", sinks, "leave it out, or write sinks=[]")
    if isinstance(sinks, Mapping):
        raise _refuse("sinks", "a list of sinks", sinks, "Route(sink, name=…) gives a sink a name")
    if isinstance(sinks, str | bytes) or not isinstance(sinks, Iterable):
        raise _refuse("sinks", "a list of sinks", sinks, "write sinks=[al.sinks.JSONLines(…)]")
    return list(sinks)


def checked_limit(limit: Any) -> RateLimit | None:
    """The default limit of routes. Raises InvalidConfiguration."""
    if limit is not None and not isinstance(limit, RateLimit):
        raise _refuse("limit", "a RateLimit", limit, f"write RateLimit({limit!r})" if _is_number(limit) else "")
    return limit


def checked_capture(capture: Any) -> Capture | None:
    """What is captured; None for nothing. Raises InvalidConfiguration."""
    if capture is None or isinstance(capture, bool):
        return Capture() if capture else None
    if not isinstance(capture, Capture):
        raise _refuse("capture", "True or a Capture", capture)
    return capture


def checked_journal(journal: Any) -> Journal:
    """How the run is kept. Raises InvalidConfiguration."""
    if journal is not None and not isinstance(journal, Journal):
        raise _refuse("journal", "a Journal", journal, "run=None is a logger that keeps nothing" if journal is False else "")
    return journal or Journal()


def checked_artifacts(artifacts: Any) -> Artifacts:
    """How files are kept. Raises InvalidConfiguration."""
    if artifacts is not None and not isinstance(artifacts, Artifacts):
        raise _refuse("artifacts", "an Artifacts", artifacts, "write Artifacts(quota=…, keep=…)")
    return artifacts or Artifacts()


def checked_rewind(rewind_to: Any, resume: str, run: Any) -> Mapping[str, int] | None:
    """The last step that holds, by phase. Raises InvalidConfiguration."""
    if rewind_to is None:
        return None
    if run is None:
        raise InvalidConfiguration("rewind_to: a logger without a run's directory has nothing to go back in; pass run=")
    if resume == "never":
        raise InvalidConfiguration(
            "rewind_to: resume='never' begins a run that has nothing to go back in; leave one of them out"
        )
    by_phase = rewind_to if isinstance(rewind_to, Mapping) else dict.fromkeys(PHASES, rewind_to)
    if not by_phase:
        raise _refuse("rewind_to", "a step, or a step a phase", rewind_to, "leave it out to go on where the run stands")
    for phase, step in by_phase.items():
        if phase not in PHASES:
            raise _refuse("rewind_to", f"steps by phase ({', '.join(PHASES)})", phase)
        if isinstance(step, bool) or not hasattr(type(step), "__index__") or not -(2**63) <= index(step) < 2**63:
            raise _refuse("rewind_to", "a whole number of 64 bits as the step", step)
    return {phase: index(step) for phase, step in by_phase.items()}


def checked_quota(slabs: Any) -> int | None:
    """Bytes of shared memory. Raises InvalidConfiguration."""
    if slabs is not None and (not isinstance(slabs, int) or slabs < SMALLEST_QUOTA):
        way = f"write {int(slabs)}" if isinstance(slabs, float) and SMALLEST_QUOTA <= slabs < 1 << 62 else ""
        raise _refuse("slabs", f"at least {SMALLEST_QUOTA} bytes of shared memory, as a whole number", slabs, way)
    return slabs


def checked_config(config: Any) -> Any:
    """The run's settings. Raises InvalidConfiguration."""
    if config is not None and not isinstance(plain_settings(config), dict):
        raise _refuse("config", "a mapping, a dataclass or an object with attributes", config, 'write {"name": value, …}')
    return config


def checked_choice(argument: str, given: Any, choices: tuple[str, ...]) -> Any:
    """One of a few words. Raises InvalidConfiguration."""
    if not isinstance(given, str) or given not in choices:
        *others, last = map(repr, choices)
        raise InvalidConfiguration(f"{argument}: expected {', '.join(others)} or {last}, got {given!r}")
    return given


def checked_flag(argument: str, given: Any) -> bool:
    """True or False, and not something that reads like it. Raises InvalidConfiguration."""
    if not isinstance(given, bool):
        raise _refuse(argument, "True or False", given)
    return given


def checked_writer(writer: Any, environment: Mapping[str, str] = os.environ) -> str:
    """The writer's name; by default from the environment's rank. Raises InvalidConfiguration."""
    if writer is None:
        return ranks_here(environment).writer
    if not isinstance(writer, str) or not _WRITER.fullmatch(writer):
        way = f"write {str(writer)!r}" if isinstance(writer, int) and writer >= 0 else ""
        raise _refuse("writer", "letters, digits, '.', '_' and '-', at most 100", writer, way)
    return writer


def checked_switch_interval(seconds: Any) -> float | None:
    """Seconds between threads' turns. Raises InvalidConfiguration."""
    if seconds is not None and not (_is_number(seconds) and 0 < seconds < 1e6):
        raise _refuse("switch_interval", "seconds > 0", seconds, "None leaves the interpreter's alone")
    return seconds  # type: ignore[no-any-return]


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


# -- routes --------------------------------------------------------------------------------------------------------------


def routes_of(sinks: "list[Any]") -> list[Route]:
    """Bare sinks get a route each; names are made unique where nobody chose them. Raises InvalidConfiguration."""
    routes: list[Route] = []
    names: set[str] = set()
    for one in sinks:
        route = one if isinstance(one, Route) else Route(one)
        chosen = route.named
        base, number = route.name, 2
        while route.name in names:
            if chosen:
                raise InvalidConfiguration(f"two routes are named {route.name!r}")
            route.name, number = f"{base}-{number}", number + 1
        names.add(route.name)
        routes.append(route)
    if len(routes) > _MOST_ROUTES:
        raise InvalidConfiguration(f"at most {_MOST_ROUTES} routes, got {len(routes)}")
    return routes


def place(routes: list[Route], *, journaled: bool, recorder: str) -> int:
    """Settle how each route is served; the mask of those that are fed from memory. Raises InvalidConfiguration."""
    memory_fed = 0
    for bit, route in enumerate(routes):
        if route.overflow == "journal" and not journaled:
            raise InvalidConfiguration(f"route {route.name!r}: overflow='journal' needs a run directory")
        if route.overflow is None:
            route.overflow = "journal" if journaled else "drop_oldest"
        if route.overflow != "journal":
            memory_fed |= 1 << bit
        if route.place == "process" or (route.place == "recorder" and recorder == "process"):
            check_picklable(route.name, route.sink)
    return memory_fed

"""A route: a sink with its policy."""

import re
from collections.abc import Iterable
from math import inf
from typing import Any, Final

from asynclog.errors import InvalidConfiguration
from asynclog.flow.hooks import EVERY_HOOK, NO_HOOKS, hooks_of
from asynclog.flow.limit import RateLimit, is_number
from asynclog.flow.queue import OVERFLOWS, Overflow
from asynclog.sink import PLACES, Place, Sink
from asynclog.state import LEVELS, PHASES
from asynclog.values import EVERY_KIND

UNLIMITED: Final = frozenset({"hook", "artifact"})
"""Kinds that ask no limit, and use none up: what happens, and checkpoints, are not thinned out."""
CONSOLE: Final = "console"
"""The namespace of lines that were captured from stdout and stderr. They go to sinks whose class says ``takes_console``, and
on routes whose namespaces name it."""
# A route's name becomes a directory: cursors/<route>/.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _checked_set(what: str, given: object, allowed: tuple[str, ...]) -> frozenset[str] | None:
    if given is None:
        return None
    chosen: list[Any] = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if unknown := [one for one in chosen if not isinstance(one, str) or one not in allowed]:
        got = ", ".join(one if isinstance(one, str) else repr(one) for one in unknown)
        raise InvalidConfiguration(f"Route {what}: expected some of {', '.join(allowed)}, got {got}")
    return frozenset(chosen)


def _checked_namespaces(given: object) -> frozenset[str] | None:
    if given is None:
        return None
    chosen: list[Any] = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if not all(isinstance(one, str) for one in chosen):
        raise InvalidConfiguration(f"Route namespaces: expected namespaces, each a str, got {given!r}")
    return frozenset(chosen)


def _as_limit(given: object) -> str:
    return f"; write RateLimit({given!r})" if is_number(given) else ""


def _is_name(given: object) -> bool:
    return isinstance(given, str) and _NAME.fullmatch(given) is not None


class Route:
    """A sink and how it is served.

    name: unique per logger; default: the sink class's, in lower case. limit: in place of the logger's. overflow: "journal"
    (read on from the journal; the default of a run that has one), "drop_oldest" (otherwise), "drop_newest" or "block".
    place: "recorder" (a thread of the recorder), "process" (a worker process under it), "thread" (of the training process) or
    "caller" (its loop); the sink's class may have a default. worker: routes that name the same one share a process; default:
    one of its own. kinds, namespaces, phases, levels: what the sink gets; None for everything; a namespace includes those
    below it. level: the finest that it gets, so that "epoch" is "fit" and "epoch". deadline: seconds that its end may take.

    Raises InvalidConfiguration.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        name: str | None = None,
        limit: RateLimit | None = None,
        overflow: Overflow | None = None,
        place: Place | None = None,
        worker: str | None = None,
        kinds: Iterable[str] | None = None,
        namespaces: Iterable[str] | None = None,
        phases: Iterable[str] | None = None,
        level: str | None = None,
        levels: Iterable[str] | None = None,
        deadline: float = 30.0,
    ) -> None:
        if isinstance(sink, type):
            raise InvalidConfiguration(f"a sink, not its class: write {sink.__name__}(…)")
        if limit is not None and not isinstance(limit, RateLimit):
            raise InvalidConfiguration(f"Route limit: expected a RateLimit, got {limit!r}{_as_limit(limit)}")
        for method in ("write", "aclose"):
            if not callable(getattr(sink, method, None)):
                raise InvalidConfiguration(
                    f"a sink has async write(batch) and aclose(); {type(sink).__name__} lacks {method}()"
                )
        self.sink = sink
        self.named = name is not None
        self.name = name if name is not None else type(sink).__name__.lower().lstrip("_")
        if not _is_name(self.name):
            raise InvalidConfiguration(f"Route name: expected letters, digits, '.', '_' and '-', got {self.name!r}")
        if overflow is not None and overflow not in OVERFLOWS:
            raise InvalidConfiguration(f"Route {self.name} overflow: expected one of {', '.join(OVERFLOWS)}, got {overflow!r}")
        if place is not None and place not in PLACES:
            raise InvalidConfiguration(f"Route {self.name} place: expected one of {', '.join(PLACES)}, got {place!r}")
        if not is_number(deadline) or not 0 <= deadline < inf:
            raise InvalidConfiguration(f"Route {self.name} deadline: expected seconds ≥ 0, as a number, got {deadline!r}")
        self.limit, self.overflow, self.deadline = limit, overflow, deadline
        default: Place = getattr(sink, "default_place", "thread")
        self.place: Place = place or default
        if worker is not None and not _is_name(worker):
            raise InvalidConfiguration(f"Route {self.name} worker: expected letters, digits, '.', '_' and '-', got {worker!r}")
        if worker is not None and self.place != "process":
            raise InvalidConfiguration(f"Route {self.name} worker: only a sink with place='process' has one")
        self._worker = worker
        self.kinds = _checked_set("kinds", getattr(sink, "default_kinds", None) if kinds is None else kinds, EVERY_KIND)
        self.phases = _checked_set("phases", phases, PHASES)
        if level is not None and level not in LEVELS:
            raise InvalidConfiguration(f"Route level: expected one of {', '.join(LEVELS)}, got {level!r}")
        self.level = level
        self.levels = _checked_set("levels", levels, LEVELS)
        upto = LEVELS if level is None else LEVELS[: LEVELS.index(level) + 1]
        self._levels = frozenset(upto) if self.levels is None else self.levels.intersection(upto)
        self.namespaces = _checked_namespaces(namespaces)
        self.ephemeral = bool(getattr(sink, "ephemeral", False))
        self.hooks = hooks_of(sink)
        if self.kinds is not None:
            self.hooks = (self.hooks or EVERY_HOOK) if "hook" in self.kinds else NO_HOOKS
        named = self.namespaces is not None and any(_below(CONSOLE, one) for one in self.namespaces)
        # Else a sink that prints would be given what it printed.
        self.takes_console = named or bool(getattr(sink, "takes_console", False))

    @property
    def worker(self) -> str:
        """The process that its sink lives in, for place="process"."""
        return self._worker or self.name

    def wants(self, kind: str, phase: str, namespace: str, level: str) -> bool:
        """Whether the filters let a value through."""
        return (
            (self.kinds is None or kind in self.kinds)
            and (self.phases is None or phase in self.phases)
            and level in self._levels
            and (self.namespaces is None or any(_below(namespace, one) for one in self.namespaces))
        )

    @property
    def filters(self) -> bool:
        """Whether there is any filter at all."""
        return any(one is not None for one in (self.kinds, self.phases, self.level, self.levels, self.namespaces))

    def __repr__(self) -> str:
        return f"Route({self.sink!r}, name={self.name!r}, place={self.place!r})"


def _below(namespace: str, parent: str) -> bool:
    return namespace == parent or namespace.startswith(parent + "/")

"""A route: a sink with its policy."""

import re
from collections.abc import Iterable
from typing import Final

from asynclog.errors import InvalidConfiguration
from asynclog.flow.limit import RateLimit
from asynclog.flow.queue import OVERFLOWS, Overflow
from asynclog.sink import PLACES, Place, Sink
from asynclog.state import LEVELS, PHASES
from asynclog.values import EVERY_KIND

# A route's name becomes a directory: cursors/<route>/.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _checked_set(what: str, given: Iterable[str] | None, allowed: tuple[str, ...]) -> frozenset[str] | None:
    if given is None:
        return None
    chosen = frozenset([given] if isinstance(given, str) else given)
    if unknown := chosen - set(allowed):
        raise InvalidConfiguration(f"Route {what}: expected some of {', '.join(allowed)}, got {', '.join(sorted(unknown))}")
    return chosen


class Route:
    """A sink and how it is served.

    name: unique per logger; default: the sink class's, in lower case. limit: in place of the logger's. overflow: "journal"
    (read on from the journal; the default of a run that has one), "drop_oldest" (otherwise), "drop_newest" or "block".
    place: "recorder", "thread" or "caller"; the sink's class may have a default. kinds, namespaces, phases, level: what the
    sink gets; None for everything; a namespace includes those below it. deadline: seconds that its end may take.

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
        kinds: Iterable[str] | None = None,
        namespaces: Iterable[str] | None = None,
        phases: Iterable[str] | None = None,
        level: str | None = None,
        deadline: float = 30.0,
    ) -> None:
        if isinstance(sink, type):
            raise InvalidConfiguration(f"a sink, not its class: write {sink.__name__}(…)")
        if limit is not None and not isinstance(limit, RateLimit):
            raise InvalidConfiguration(f"Route limit: expected a RateLimit, got {limit!r}")
        for method in ("write", "aclose"):
            if not callable(getattr(sink, method, None)):
                raise InvalidConfiguration(
                    f"a sink has async write(batch) and aclose(); {type(sink).__name__} lacks {method}()"
                )
        self.sink = sink
        self.named = name is not None
        self.name = name if name is not None else type(sink).__name__.lower().lstrip("_")
        if not _NAME.fullmatch(self.name):
            raise InvalidConfiguration(f"Route name: expected letters, digits, '.', '_' and '-', got {self.name!r}")
        if overflow is not None and overflow not in OVERFLOWS:
            raise InvalidConfiguration(f"Route {self.name} overflow: expected one of {', '.join(OVERFLOWS)}, got {overflow!r}")
        if place is not None and place not in PLACES:
            raise InvalidConfiguration(f"Route {self.name} place: expected one of {', '.join(PLACES)}, got {place!r}")
        if deadline < 0:
            raise InvalidConfiguration(f"Route {self.name} deadline: expected seconds ≥ 0, got {deadline!r}")
        self.limit, self.overflow, self.deadline = limit, overflow, deadline
        default: Place = getattr(sink, "default_place", "thread")
        self.place: Place = place or default
        self.kinds = _checked_set("kinds", kinds, EVERY_KIND)
        self.phases = _checked_set("phases", phases, PHASES)
        levels = _checked_set("level", level, LEVELS)
        self.level = None if levels is None else next(iter(levels))
        self.namespaces = None if namespaces is None else frozenset([namespaces] if isinstance(namespaces, str) else namespaces)
        self.ephemeral = bool(getattr(sink, "ephemeral", False))

    def wants(self, kind: str, phase: str, namespace: str, level: str) -> bool:
        """Whether the filters let a value through."""
        return (
            (self.kinds is None or kind in self.kinds)
            and (self.phases is None or phase in self.phases)
            and (self.level is None or level == self.level)
            and (self.namespaces is None or any(_below(namespace, one) for one in self.namespaces))
        )

    @property
    def filters(self) -> bool:
        """Whether there is any filter at all."""
        return any(one is not None for one in (self.kinds, self.phases, self.level, self.namespaces))

    def __repr__(self) -> str:
        return f"Route({self.sink!r}, name={self.name!r}, place={self.place!r})"


def _below(namespace: str, parent: str) -> bool:
    return namespace == parent or namespace.startswith(parent + "/")

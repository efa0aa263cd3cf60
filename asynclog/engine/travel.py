"""What goes to another process when it starts: settings and sinks, pickled, or a clear word about what can't."""

import pickle
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from asynclog.errors import InvalidConfiguration

if TYPE_CHECKING:
    from asynclog.engine.settings import EngineSettings


@dataclass(frozen=True)
class Packed:
    """A sink on its way to a worker: only there it is unpacked, and what it imports imported."""

    payload: bytes


def packed(name: str, sink: Any) -> Packed:
    """A sink as it travels. Raises InvalidConfiguration."""
    check_picklable(name, sink)
    return Packed(pickle.dumps(sink))


def pickled(settings: "EngineSettings") -> bytes:
    """The settings as they travel. Raises InvalidConfiguration, naming the sink that can't travel and the way out."""
    routes = []
    for route in settings.routes:
        if route.place == "process":
            route = copy(route)
            route.sink = packed(route.name, route.sink)  # type: ignore[assignment]
        routes.append(route)
    try:
        return pickle.dumps(replace(settings, routes=routes))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        for route in settings.routes:
            check_picklable(route.name, route.sink)
        raise InvalidConfiguration(f"these settings can't go to the recorder process: {error}") from error


def check_picklable(name: str, sink: Any) -> None:
    """Raises InvalidConfiguration if a sink can't be sent to another process."""
    advice = "put it in a module that can be imported, or give its Route place='thread'"
    if type(sink).__module__ == "__main__":
        raise InvalidConfiguration(f"sink {name!r}: a class of __main__ can't go to another process; {advice}")
    try:
        pickle.dumps(sink)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InvalidConfiguration(f"sink {name!r} can't go to another process ({error}); {advice}") from error

"""Names for destinations that have one level of them: namespace and key joined by "/".

Joining isn't injective, and one write may hold several values under one name (each of a component's images is kept). So
what a line or a row can't hold twice goes into another line or row of the same write: nothing replaces anything.
"""

from collections.abc import Iterable, Iterator

from asynclog.sink import Event


def flat_name(namespace: str, key: str) -> str:
    """Namespace and key with "/" between them; the key alone where the namespace is empty."""
    return f"{namespace}/{key}" if namespace else key


def without_collisions(events: Iterable[Event]) -> Iterator[list[Event]]:
    """The events in their order, in as many groups as it takes for no name to occur twice in one."""
    rest = list(events)
    while rest:
        taken: set[str] = set()
        group: list[Event] = []
        later: list[Event] = []
        for event in rest:
            name = flat_name(event.namespace, event.key)
            (later if name in taken else group).append(event)
            taken.add(name)
        yield group
        rest = later

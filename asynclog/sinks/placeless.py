"""Kinds that a destination has no place for, whatever a value of theirs says."""

from collections.abc import Container, Iterable

from asynclog.sink import Batch, Event


def reject_placeless(batch: Batch, kinds: Container[str], destination: str) -> None:
    """Reject what is of these kinds. By a look at the whole batch: one that comes again is rejected again, though nothing else
    of it is given a second time."""
    for event in batch.others():
        if event.kind in kinds:
            batch.reject(f"{destination} has no place for the kind {event.kind}")


def with_place(events: Iterable[Event], kinds: Container[str]) -> list[Event]:
    """The others."""
    return [one for one in events if one.kind not in kinds]

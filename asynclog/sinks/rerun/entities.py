"""Where a value is in a recording: its entity, and its place on each timeline.

An entity is a path of parts. Rerun drops empty parts, so an empty one is written "%", and a "%" as "%25": names that differ
stay apart, and what we hang below an entity ourselves ("%boxes") can't be anybody's key.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.sink import Block, Event
from asynclog.sinks.naming import flat_name

_LONGEST_S: Final = 2.0**62 / 1e9
_OURS: Final = ("step", "epoch", "time", "elapsed", "log_time", "log_tick")


def entity(phase: str, namespace: str, key: str, *below: str) -> str:
    """/phase/namespace/key, escaped. below: parts of our own."""
    import rerun as rr

    parts = [part.replace("%", "%25") or "%" for part in flat_name(namespace, key).split("/")]
    return "/" + "/".join(rr.escape_entity_path_part(_valid(one)) for one in (phase, *parts, *(f"%{one}" for one in below)))


def timelines(block: Block) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """(a column a timeline, what can't be one: axes whose numbers aren't whole, seconds beyond 64 bits of nanoseconds)."""
    import rerun as rr

    columns = [
        rr.TimeColumn("step", sequence=np.ascontiguousarray(block.step)),
        rr.TimeColumn("epoch", sequence=np.full(len(block.step), block.epoch, np.int64)),
        rr.TimeColumn("time", timestamp=np.ascontiguousarray(block.time_ns).view("datetime64[ns]")),
    ]
    others: dict[str, NDArray[Any]] = {}
    if block.elapsed_s is not None and bool((np.abs(block.elapsed_s) < _LONGEST_S).all()):
        nanoseconds = np.rint(np.ascontiguousarray(block.elapsed_s) * 1e9).astype("timedelta64[ns]")
        columns.append(rr.TimeColumn("elapsed", duration=nanoseconds))
    elif block.elapsed_s is not None:
        others["elapsed_s"] = np.ascontiguousarray(block.elapsed_s)
    for name, axis in block.axes.items():
        if _whole(axis):
            columns.append(rr.TimeColumn(timeline(name), sequence=axis.astype(np.int64)))
        else:
            others[name] = np.ascontiguousarray(axis)
    return columns, others


def state_of(event: Event) -> Block:
    """The event's state as a block of one row, of no numbers."""
    elapsed = None if event.elapsed_s is None else np.array([event.elapsed_s])
    axes = {name: np.array([held], np.float64) for name, held in event.axes.items()}
    step, time = np.array([event.step], np.int64), np.array([event.time_ns], np.int64)
    return Block(event.phase, event.epoch, event.level, step, time, elapsed, axes, [], [])


def timeline(axis: str) -> str:
    """The name of an axis as a timeline."""
    return _valid(f"{axis} (axis)" if axis in _OURS else axis)


def told(said: Mapping[str, Any]) -> Any:
    """What asynclog says of a value beside it: component "asynclog:kind" and others."""
    import rerun as rr

    texts = {name: [_valid(one)] if isinstance(one, str) else one for name, one in said.items()}
    return rr.DynamicArchetype("asynclog", components=texts)


def _whole(axis: NDArray[np.float64]) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(((np.abs(axis) < 2.0**62) & (axis == np.rint(axis))).all())


def _valid(text: str) -> str:
    """Half a surrogate pair, as file names may hold, by its escape: Rerun's text is UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()

"""From the events of a batch back to results: a record, and the tensors that it says come with it, all at one time.

Batches are cut anywhere, also within a result. What a batch ends with is held until the next one completes it. A process that
is killed in between has lost what it held, though it had accepted that batch: its successor meets channels without an item, and
reads the rest of that write in the journal.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from asynclog.integrations.threedb.item import CHANNELS, INSIDE, ITEMS, put_together
from asynclog.sink import Batch, Event, Write
from asynclog.values import Record, Tensor

_log = logging.getLogger("asynclog")
_OURS: Final = ((ITEMS, "record"), (CHANNELS, "tensor"), (INSIDE, "tensor"))


class Result(NamedTuple):
    """A result as it was logged. time_ns: its write's, which names it within an epoch. channels: those that came with it."""

    ix: int
    time_ns: int
    item: dict[Any, Any]
    channels: dict[str, Tensor]

    @property
    def nbytes(self) -> int:
        return sum(one.data.nbytes for one in self.channels.values())


@dataclass(frozen=True)
class Parts:
    """The events of one write, as far as they came."""

    time_ns: int
    events: tuple[Event, ...] = field(repr=False)

    def with_more(self, events: Iterable[Event]) -> "Parts":
        return Parts(self.time_ns, (*self.events, *events))

    def kept(self) -> "Parts":
        """With arrays of its own: those of a batch lie in memory that is used again."""
        return Parts(self.time_ns, tuple(one._replace(value=_copied(one.value)) for one in self.events))

    @property
    def record(self) -> Record | None:
        return next((one.value for one in self.events if one.namespace == ITEMS), None)

    @property
    def complete(self) -> bool:
        record = self.record
        if record is None:
            return False
        came = {(one.namespace, one.key) for one in self.events}
        return len(came) > len(record.fields.get("channels", ())) + len(record.fields.get("arrays", ()))

    def result(self) -> Result:
        record = self.record
        assert record is not None
        arrays = {one.key: one.value for one in self.events if one.namespace == INSIDE}
        inside = [arrays[str(number)].canonical() for number in range(len(arrays)) if str(number) in arrays]
        ix = int(record.fields["result_ix"])
        item = put_together(record.fields, inside)
        item["result_ix"] = ix
        return Result(ix, self.time_ns, item, {one.key: one.value for one in self.events if one.namespace == CHANNELS})


def _ours(events: Iterable[Event]) -> list[Event]:
    """Those of a result, without the namespace of the logger that it was logged on."""
    found = []
    for one in events:
        for namespace, kind in _OURS if ITEMS in one.namespace else ():
            if one.kind == kind and (one.namespace == namespace or one.namespace.endswith(f"/{namespace}")):
                found.append(one._replace(namespace=namespace))
    return [one for one in found if one.kind != "record" or "result_ix" in one.value.fields]


def _copied(value: Any) -> Any:
    return Tensor(value.data.copy(), value.dtype) if isinstance(value, Tensor) else value


class Paired(NamedTuple):
    """Results of a batch, and what it ends with in the midst of one."""

    results: list[Result]
    held: Parts | None


Fetch = Callable[[int], "list[Event]"]


def paired(batch: Batch, held: Parts | None, fetch: Fetch, after_ns: int) -> Paired:
    """The results of a batch that goes on from ``held``; changes nothing, so that it can be asked again.

    fetch(time_ns): the events of a write as the journal has them. after_ns: what is not later was logged before a restart.
    """
    results: list[Result] = []
    held = None if held is not None and held.time_ns <= after_ns else held
    for write in batch.writes():
        events = _ours(write.events)
        if not events or write.time_ns <= after_ns:
            continue
        if held is not None and held.time_ns != write.time_ns:
            # It stays incomplete: a route's filter left out the rest.
            results.append(held.result())
            held = None
        parts = _begun(write, events, fetch) if held is None else held.with_more(events)
        held = parts
        if parts is not None and parts.complete:
            results.append(parts.result())
            held = None
    return Paired(results, None if held is None else held.kept())


def _begun(write: Write, events: list[Event], fetch: Fetch) -> Parts | None:
    parts = Parts(write.time_ns, tuple(events))
    if parts.record is not None:
        return parts
    whole = Parts(write.time_ns, tuple(_ours(fetch(write.time_ns))))
    if whole.record is not None:
        return whole
    _log.warning(
        "result %d: its item was lost with an earlier process, and there is no journal to read it in", write.state.step
    )
    return None

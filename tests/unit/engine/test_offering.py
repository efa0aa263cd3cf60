"""What waits in memory for a worker without a journal keeps no more of the slabs than all processes may together."""

import gc
from typing import Any

from asynclog.engine.memory_feed import MemoryFeed
from asynclog.engine.offering import Offering
from asynclog.engine.runner import SinkRunner
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.shm.lease import Lease, lease_of
from asynclog.shm.lending import Allowance
from asynclog.shm.memory import create_anonymous
from asynclog.shm.slab import Ref
from asynclog.sink import RunInfo
from asynclog.wire.event import ArraySpec, event_meta
from asynclog.wire.frame import Frame, pack_meta
from asynclog.wire.layout import Kind

SLAB = 1 << 20


class Sink:
    async def write(self, batch: Any, /) -> None: ...

    async def aclose(self) -> None: ...


def tensor(seq: int, back: list[Ref]) -> Frame:
    """A frame whose payload is a slab of its own."""
    lease = Lease(create_anonymous(SLAB), Ref(seq, 1, 0, SLAB), back.append)
    meta = event_meta(
        kind="tensor",
        phase="train",
        namespace="",
        key="w",
        step=seq,
        epoch=0,
        level="batch",
        elapsed_s=None,
        axes={},
        due=-1,
        params={},
        arrays=[ArraySpec("data", "|u1", (SLAB,))],
    )
    return Frame(Kind.EVENT, seq=seq, time=seq + 1, meta_bytes=pack_meta(meta), payload=memoryview(lease.array()))  # type: ignore[arg-type]


def worker_route(overflow: Any) -> SinkRunner:
    route = Route(Sink(), place="process", overflow=overflow)
    feed = MemoryFeed(route, "main", 0, 0, overflow, 64 * SLAB, lambda held: None)
    return SinkRunner(
        route,
        feed,
        RunInfo("", "", None, "main", 0),
        cursor_file=None,
        counters=Counters(),
        on_trouble=lambda route, text, fatal: None,
        total_events=lambda: 0,
    )


def test_what_waits_for_a_worker_lies_where_it_was_written_up_to_the_allowance() -> None:
    together = Allowance(3 * SLAB)
    offering = Offering(-1, together)
    runner = worker_route("block")
    offering.serve([runner])
    back: list[Ref] = []
    for seq in range(8):
        offering.put(tensor(seq, back), 0, 0)
    gc.collect()
    delivery = runner.feed.next()
    assert delivery is not None
    assert delivery.batch is not None
    lie = [lease_of(frame.payload) is not None for frame in delivery.batch.records]
    assert lie == [True] * 3 + [False] * 5, "beyond it come copies"
    assert together.held_bytes == 3 * SLAB
    assert [ref.slab for ref in back] == [3, 4, 5, 6, 7]
    runner.feed.commit(delivery)
    del delivery
    gc.collect()
    assert together.held_bytes == 0
    assert sorted(ref.slab for ref in back) == list(range(8))

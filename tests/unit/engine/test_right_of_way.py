"""Who waits while the journal is behind, and for how long."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from asynclog.engine.right_of_way import RightOfWay
from asynclog.wire.batch import Batch, Events, Rows
from asynclog.wire.schema import Schema, Series

DEADLINE_S = 10.0
LOSS = Schema(1, (Series("train", "", "loss"),))


def in_a_loop(way: RightOfWay) -> None:
    asyncio.run(way.wait())


@pytest.mark.parametrize("wait", [RightOfWay.pause, in_a_loop])
def test_a_sink_goes_on_only_once_the_journal_has_caught_up(wait: Callable[[RightOfWay], None]) -> None:
    way = RightOfWay(DEADLINE_S)
    order: list[str] = []
    began = threading.Event()

    def sink() -> None:
        began.set()
        wait(way)
        order.append("sink")

    way.claim()
    thread = threading.Thread(target=sink)
    thread.start()
    began.wait()
    thread.join(0.05)
    order.append("journal")
    way.release()
    thread.join(DEADLINE_S)
    assert order == ["journal", "sink"]


def test_a_journal_that_never_catches_up_takes_turns_with_its_sinks() -> None:
    """Neither starves; and claiming again and again prolongs nothing, for it is one and the same lag."""
    way = RightOfWay(0.02, 0.02)
    way.claim()
    seen: list[bool] = []
    give_up = time.monotonic() + DEADLINE_S
    while seen[-3:] != [True, False, True]:
        assert time.monotonic() < give_up
        way.claim()
        if not seen or seen[-1] != way.claimed:
            seen.append(way.claimed)
        time.sleep(0.001)


def test_a_journal_that_caught_up_may_claim_again() -> None:
    way = RightOfWay(DEADLINE_S)
    way.claim()
    way.release()
    assert not way.claimed
    way.claim()
    assert way.claimed


def rows(first: int, count: int) -> Rows:
    return Rows(LOSS, b"".join(LOSS.struct.pack(at, at / 2, 2 * at) for at in range(first, first + count)))


@pytest.mark.parametrize("parts", [[rows(0, 1000)], [rows(500, 500), rows(0, 500)], [rows(0, 1000), Events([])]])
@pytest.mark.parametrize("look", [list, lambda batch: [one for write in batch.writes() for one in write.events]])
def test_a_batch_lets_its_sink_wait_every_few_hundred_writes(
    parts: list[Rows | Events], look: Callable[[Batch], list[object]]
) -> None:
    batch = Batch(parts, writer="main", epoch=0, seq=0)
    waits: list[int] = []
    batch.pace = lambda: waits.append(1)
    events = look(batch)
    assert [one.step for one in events] == list(range(1000))  # type: ignore[attr-defined]
    assert len(waits) >= 4

"""Memory on its way back is waited for, rather than more made; not for ever, and only where much is on its way.

On a loop whose clock is the test's: no time passes unless the test says so.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

import asynclog as al
from asynclog.logger.core import LITTLE_BYTES, Core
from asynclog.shm.slab import Ref

ARRAY_BYTES = 6 << 20
CONSUMER = 1


class Still(asyncio.SelectorEventLoop):
    """A loop whose clock stands still."""

    now = 0.0

    def time(self) -> float:
        return self.now


def played(scene: "Callable[[Core, Still], Awaitable[None]]") -> None:
    """On a core that was never opened: its memory is all there is."""
    log = al.MultiLogger(None, sinks=[al.sinks.Memory()], slabs=256 << 20)

    async def on_loop() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Still)
        await scene(log._core, loop)

    with asyncio.Runner(loop_factory=Still) as runner:
        runner.run(on_loop())


def sent(core: Core, total: int) -> list[Ref]:
    """Arrays that a consumer was told of and still holds."""
    refs = []
    with core.producer.lock:
        ledger = core.producer.pool.ledger
        while ledger.announced_bytes() < total:
            ref = core.producer.pool.allocate(ARRAY_BYTES)
            ledger.announce(ref.slab, [CONSUMER])
            core.producer.pool.abandon(ref)
            refs.append(ref)
    return refs


def come_back(core: Core, ref: Ref) -> None:
    with core.producer.lock:
        assert core.producer.pool.ledger.release(CONSUMER, ref.slab, ref.generation)
        core._on_room()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_memory_on_its_way_is_waited_for_and_no_more_is_made() -> None:
    async def scene(core: Core, loop: Still) -> None:
        first, *_ = sent(core, LITTLE_BYTES)
        total = core.producer.pool.ledger.total_bytes
        waiting = asyncio.create_task(core.comes_free(ARRAY_BYTES))
        await turns()
        assert not waiting.done()
        come_back(core, first)
        assert await waiting
        assert core.producer.pool.allocate(ARRAY_BYTES).slab == first.slab
        assert core.producer.pool.ledger.total_bytes == total

    played(scene)


def test_room_of_another_size_is_no_reason_to_go_on() -> None:
    """Woken by a small array's slab, it waits on."""

    async def scene(core: Core, loop: Still) -> None:
        first, *_ = sent(core, LITTLE_BYTES + ARRAY_BYTES)
        waiting = asyncio.create_task(core.comes_free(3 * ARRAY_BYTES))
        await turns()
        come_back(core, first)
        await turns()
        assert not waiting.done()
        loop.now += 10.0
        assert not await waiting

    played(scene)


def test_it_gives_up_when_nothing_comes() -> None:
    async def scene(core: Core, loop: Still) -> None:
        sent(core, LITTLE_BYTES)
        waiting = asyncio.create_task(core.comes_free(ARRAY_BYTES))
        await turns()
        assert not waiting.done()
        loop.now += 10.0
        assert not await waiting

    played(scene)


@pytest.mark.parametrize("total", [0, LITTLE_BYTES - ARRAY_BYTES])
def test_with_little_on_its_way_nothing_is_waited_for(total: int) -> None:
    async def scene(core: Core, loop: Still) -> None:
        sent(core, total - ARRAY_BYTES)
        assert core.producer.pool.ledger.announced_bytes() < LITTLE_BYTES
        waiting = asyncio.create_task(core.comes_free(ARRAY_BYTES))
        await turns(2)
        assert waiting.done()
        assert not waiting.result()

    played(scene)


def test_what_is_there_already_is_not_waited_for() -> None:
    async def scene(core: Core, loop: Still) -> None:
        first, *_ = sent(core, LITTLE_BYTES)
        come_back(core, first)
        waiting = asyncio.create_task(core.comes_free(ARRAY_BYTES))
        await turns(2)
        assert waiting.done()
        assert waiting.result()

    played(scene)

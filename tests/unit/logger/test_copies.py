"""Copies into shared memory: small ones a piece a turn of the loop, large ones by a thread, and every byte arrives."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import asynclog as al
from asynclog.logger.copying import MOST_COPIED_HERE_BYTES, PIECE_BYTES, pieces
from tests.unit.logger.recording import recorded

MEBIBYTE = 1 << 20


class Heart:
    """Counts the turns of the loop."""

    def __init__(self) -> None:
        self.turns = 0
        self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.turns += 1

    async def stop(self) -> None:
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)


async def with_warm_memory(log: al.MultiLogger, given: np.ndarray) -> None:
    """Until what an array of this size needs is there and free, so that nothing has to be made for the next one."""
    log.log_tensor("x", given)
    await log.write(0)
    await log.flush()
    async with asyncio.timeout(20):
        while log._core.producer.pool.lacks(given.nbytes):
            await asyncio.sleep(0.001)


LARGEST = np.arange(MOST_COPIED_HERE_BYTES // 8, dtype=np.int64)


@pytest.mark.parametrize(
    "given", [LARGEST, LARGEST.reshape(4, -1, 2), LARGEST.reshape(64, -1)[:, ::2]], ids=["1-d", "3-d", "gaps"]
)
async def test_the_loop_turns_between_two_pieces(tmp_path: Path, given: np.ndarray) -> None:
    """A turn less than there are pieces, however the array lies."""
    whole = -(-given.nbytes // PIECE_BYTES)

    async def body(log: al.MultiLogger) -> None:
        await with_warm_memory(log, given)
        heart = Heart()
        await asyncio.sleep(0)
        before = heart.turns
        log.log_tensor("x", given)
        await log.write(1)
        assert heart.turns - before >= whole - 1
        await heart.stop()

    run = await recorded(tmp_path / "run", body)
    for event in run.events():
        np.testing.assert_array_equal(event.value.data, given)


async def test_many_small_arrays_take_turns_as_one_large_one_does(tmp_path: Path) -> None:
    """Each fits into a piece; together they don't."""
    given = np.ones(PIECE_BYTES // 2 + 1, np.uint8)

    async def body(log: al.MultiLogger) -> None:
        heart = Heart()
        await with_warm_memory(log, given)
        before = heart.turns
        for at in range(6):
            log.log_tensor(f"x{at}", given)
        await log.write(1)
        assert heart.turns - before >= 5
        await heart.stop()

    assert len(await recorded(tmp_path / "run", body)) == 7


async def test_the_loop_runs_on_while_a_thread_copies_a_large_array(tmp_path: Path) -> None:
    """The thread is kept busy with something else, so that the copy can't end before the loop has turned a thousand times."""
    given = np.full(MOST_COPIED_HERE_BYTES + 1, 7, np.uint8)
    gate = threading.Event()

    async def body(log: al.MultiLogger) -> None:
        await with_warm_memory(log, given)
        log._core.copier().submit(gate.wait)
        log.log_tensor("x", given)
        writing = asyncio.create_task(log.write(1))
        for _ in range(1000):
            await asyncio.sleep(0)
        ended = writing.done()
        gate.set()
        await writing
        assert not ended

    run = await recorded(tmp_path / "run", body)
    assert [(event.step, bool((event.value.data == 7).all())) for event in run.events()] == [(0, True), (1, True)]


GAPS: list[Callable[[np.ndarray], np.ndarray]] = [
    lambda a: a, lambda a: a[:, ::2], lambda a: a.T, lambda a: a[..., :-1], lambda a: a[::-1], lambda a: a[:, None],
]  # fmt: skip


@given(
    dtype=st.sampled_from(["u1", "<i2", "<f4", "<f8", "<c16"]),
    shape=st.tuples(st.integers(0, 3), st.integers(1, 600), st.integers(1, 1500)),
    gaps=st.sampled_from(GAPS),
)
def test_pieces_cover_an_array_exactly(dtype: str, shape: tuple[int, ...], gaps: Callable[[np.ndarray], np.ndarray]) -> None:
    """Every byte once, none of them larger than a piece, whatever gaps the source has."""
    whole = np.empty(shape, dtype)
    whole.reshape(-1).view("u1")[:] = np.resize(np.arange(251, dtype="u1"), whole.nbytes)
    source = gaps(whole)
    target, times = np.zeros(source.shape, dtype), np.zeros(source.shape, dtype)
    for to, part in pieces(target, source):
        assert to.nbytes == part.nbytes <= PIECE_BYTES
        np.copyto(to, part)
    for to, _ in pieces(times, source):
        to += np.ones((), dtype)
    assert target.tobytes() == source.tobytes()
    assert (times == 1).all()


def test_pieces_are_as_large_as_they_may_be() -> None:
    """A switch to another task a row would cost more than the copy."""
    source = np.zeros((1000, MEBIBYTE // 100), "u1")
    for lying in (source, np.zeros((2000, MEBIBYTE // 100), "u1")[::2]):
        assert len(list(pieces(np.empty(source.shape, "u1"), lying))) <= 11


LARGE = np.arange(5 * MEBIBYTE, dtype=np.float32)


@pytest.mark.parametrize(
    "given",
    [LARGE, LARGE.astype(">f4"), LARGE[::2], LARGE.reshape(5, -1).T, LARGE[: MOST_COPIED_HERE_BYTES // 4 + 1], LARGE > 7],
    ids=["contiguous", "big-endian", "gaps", "transposed", "just large", "just small"],
)
async def test_every_byte_of_large_arrays_arrives_whoever_copied_it(tmp_path: Path, given: np.ndarray) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_tensor("it", given)
        log.log_tensor("other", given[::-1])
        await log.write(0)

    it, other = (event.value.data for event in (await recorded(tmp_path / "run", body)).events(kind="tensor"))
    assert np.array_equal(it, given)
    assert np.array_equal(other, given[::-1])


async def test_the_loop_turns_while_many_tasks_write_at_one_moment(tmp_path: Path) -> None:
    """Each holds the loop for a little; all of them together would for as long as all take."""
    # A list takes long to look at, and no memory that would have to be waited for.
    given = list(range(20_000))
    writers = 40

    async def body(log: al.MultiLogger) -> None:
        log.log_tensor("x", given)
        await log.write(-1)
        heart = Heart()
        await asyncio.sleep(0)
        ended: list[int] = []

        async def task(number: int) -> None:
            async with log.at(number) as entry:
                entry.log_tensor("x", given)
            ended.append(heart.turns)

        await asyncio.gather(*map(task, range(writers)))
        await heart.stop()
        assert len(set(ended)) > 2

    run = await recorded(tmp_path / "run", body)
    assert sorted(event.step for event in run.events()) == [-1, *range(writers)]

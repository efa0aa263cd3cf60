"""Both ends of a process that is served, in one process: calls and what they raise, memory and who keeps it, and peers that
say what they shouldn't."""

import asyncio
import gc
import logging
import os
import resource
import socket
import struct
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from asynclog.engine.host import Host, told
from asynclog.engine.served import ProcessGone, RemoteError, Served
from asynclog.errors import SinkRejected, SinkUnavailable
from asynclog.shm.lease import Lease
from asynclog.shm.lending import Lending
from asynclog.shm.memory import Mapping, create_anonymous, create_shared
from asynclog.shm.slab import Ref
from asynclog.sink import RunInfo
from asynclog.values import Tensor
from asynclog.wire.batch import Batch
from asynclog.wire.frame import Frame
from tests.frames import event
from tests.unit.engine.parts import ToldSink
from tests.unit.wire.test_parcel import BATCHES, ROWS, assert_same, batch_of

# What runs here belongs in threads of a recorder and a worker.
pytestmark = pytest.mark.blocking
DEADLINE_S = 10.0
SLAB = 1 << 20
RUN = RunInfo("id", "run", Path("/runs/digits"), "rank-1", 3, 1, {"lr": 0.1}, True)


class Memory:
    """Slabs of a training process, and what of them was given back."""

    def __init__(self, create: Callable[[int], Mapping] = create_shared) -> None:
        self.create = create
        self.slabs: dict[int, Mapping] = {}
        self.returned: list[int] = []

    def batch(self, *slabs: int, nbytes: int = SLAB // 4, at: int = 64) -> Batch:
        """A tensor in each of these slabs, which is filled with the slab's number."""
        frames = []
        for seq, slab in enumerate(slabs):
            mapping = self.slabs.setdefault(slab, self.create(SLAB)) if slab not in self.slabs else self.slabs[slab]
            mapping.view[at : at + nbytes] = bytes([slab]) * nbytes
            lease = Lease(mapping, Ref(slab, 1, at, nbytes), lambda ref: self.returned.append(ref.slab))
            made = event("weights", Tensor(np.zeros(nbytes, np.uint8)), seq=seq)
            payload = memoryview(lease.array())
            frames.append(Frame(made.kind, seq=seq, time=made.time, meta_bytes=made.meta_bytes, payload=payload))
        return batch_of(frames)

    @property
    def back(self) -> list[int]:
        gc.collect()
        return sorted(self.returned)


class Keeper:
    """A sink that keeps the arrays of what it is given, and does ``act`` before."""

    def __init__(self, act: Callable[[], Any] = lambda: None) -> None:
        self.act = act
        self.arrays: list[Any] = []
        self.batches: list[Batch] = []

    async def write(self, batch: Any, /) -> None:
        self.act()
        self.arrays += [one.value.data for one in batch]

    async def aclose(self) -> None: ...


class Ends:
    """Served and host, in tasks of one loop."""

    def __init__(self, sink: Any, limit: int = 8 * SLAB, **more: Any) -> None:
        here, there = socket.socketpair()
        self.said: list[tuple[int, str, str]] = []
        self.over = asyncio.Event()
        self.served = Served(here, Lending(limit), lambda *said: self.said.append(said))
        self.host = Host(there, lambda: sink, self.over.set, **more)
        self.serving = asyncio.create_task(self.host.serve())

    async def open(self) -> "Ends":
        await self.served.call("open", told(RUN))
        return self

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                gc.collect()
                await asyncio.sleep(0)

    async def close(self) -> None:
        self.served.close()
        async with asyncio.timeout(DEADLINE_S):
            await self.serving


@pytest.fixture
async def made() -> AsyncIterator[Callable[..., Ends]]:
    """Makes ends, and closes them."""
    found: list[Ends] = []

    def make(*arguments: Any, **options: Any) -> Ends:
        found.append(Ends(*arguments, **options))
        return found[-1]

    yield make
    while found:
        await found.pop().close()


Make = Callable[..., Ends]

# -- calls ----------------------------------------------------------------------------------------------------------------


async def test_a_sink_is_called_as_it_would_be_at_home(made: Make) -> None:
    sink = ToldSink()
    ends = made(sink)
    await ends.open()
    await ends.served.write(batch_of([ROWS]))
    await ends.served.call("flush")
    await ends.served.call("aclose")
    assert sink.calls == ["open", "write", "flush", "aclose"]
    assert sink.run == RUN
    assert repr(sink.values) == repr([one.value for one in batch_of([ROWS])])
    async with asyncio.timeout(DEADLINE_S):
        assert await ends.serving is True, "it was closed in order"


async def test_two_methods_make_a_sink(made: Make) -> None:
    sink = Keeper()
    ends = await made(sink).open()
    await ends.served.write(batch_of([event("w", Tensor(np.arange(3)))]))
    await ends.served.call("flush")
    await ends.served.call("aclose")
    assert sink.arrays[0].tolist() == [0, 1, 2]


async def test_batches_of_every_kind_arrive(made: Make) -> None:
    batches: list[Any] = []

    class Sink(Keeper):
        async def write(self, batch: Any, /) -> None:
            batches.append(batch)

    ends = await made(Sink()).open()
    for make in BATCHES.values():
        await ends.served.write(make())
    for arrived, make in zip(batches, BATCHES.values(), strict=True):
        assert_same(arrived, make())


async def test_a_run_without_a_directory_has_none_there(made: Make) -> None:
    sink = ToldSink()
    run = RunInfo("id", "run", None, "main", 0)
    await made(sink).served.call("open", told(run))
    assert sink.run == run


async def test_a_sink_is_made_once_whatever_it_says_of_itself(made: Make) -> None:
    """Its open may fail and be tried again; an empty one is one."""

    class Empty(ToldSink):
        def __len__(self) -> int:
            return 0

    makes: list[Empty] = []
    ends = made(None)
    ends.host._make = lambda: makes.append(Empty()) or makes[-1]  # type: ignore[func-returns-value]
    await ends.open()
    await ends.open()
    assert [one.calls for one in makes] == [["open", "open"]]


# -- what a sink raises ---------------------------------------------------------------------------------------------------


def raising(error: BaseException) -> Callable[[], Any]:
    def act() -> None:
        raise error

    return act


def cancelling() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("act", "kind", "name"),
    [
        (raising(SinkUnavailable("later")), SinkUnavailable, "SinkUnavailable"),
        (raising(ConnectionRefusedError("later")), SinkUnavailable, "ConnectionRefusedError"),
        (raising(TimeoutError("later")), SinkUnavailable, "TimeoutError"),
        (raising(SinkRejected("later")), SinkRejected, "SinkRejected"),
        (raising(ValueError("later")), RemoteError, "ValueError"),
        (raising(KeyboardInterrupt("later")), RemoteError, "KeyboardInterrupt"),
        (lambda: sys.exit("later"), RemoteError, "SystemExit"),
        (raising(asyncio.CancelledError("later")), RemoteError, "CancelledError"),
        (cancelling, RemoteError, "CancelledError"),
        (raising(type("Odd", (Exception,), {})("later \udc80 \x00")), RemoteError, "Odd"),
    ],
)
async def test_what_a_sink_raises_comes_home(made: Make, act: Callable[[], Any], kind: type[Exception], name: str) -> None:
    """By what it means to whoever retries, under its own name, with its traceback; and the sink is called again."""
    sink = Keeper(act)
    ends = await made(sink).open()
    with pytest.raises(kind) as caught:
        await ends.served.write(batch_of([ROWS]))
    assert type(caught.value).__name__.startswith(name)
    assert type(caught.value).__mro__[1] is kind
    text = str(caught.value.__cause__)
    assert "Traceback (most recent call last)" in text
    assert "self.act()" in text
    assert name in str(caught.value)
    sink.act = lambda: None
    await ends.served.write(batch_of([event("w", Tensor(np.arange(3)))]))
    assert len(sink.arrays) == 1


async def test_a_traceback_without_end_is_cut(made: Make) -> None:
    ends = await made(Keeper(raising(ValueError("x" * (4 << 20))))).open()
    with pytest.raises(RemoteError) as caught:
        await ends.served.write(batch_of([ROWS]))
    assert len(str(caught.value.__cause__)) < 100_000


async def test_a_sink_that_can_not_be_made_says_why(made: Make) -> None:
    ends = made(None)

    def make() -> Any:
        raise ImportError("no module named 'vendor'")

    ends.host._make = make
    with pytest.raises(RemoteError, match="no module named 'vendor'"):
        await ends.open()
    with pytest.raises(SinkRejected, match="write before open"):
        await ends.served.write(batch_of([ROWS]))


async def test_log_records_come_home(made: Make) -> None:
    """Also from another thread; a flood of them keeps no memory."""
    ends = await made(ToldSink()).open()
    ends.host.say(logging.WARNING, "vendor", "careful")
    thread = threading.Thread(target=lambda: [ends.host.say(logging.ERROR, "vendor", "x" * (1 << 20)) for _ in range(1500)])
    thread.start()
    await asyncio.to_thread(thread.join)
    await ends.served.call("flush")
    assert ends.said[0] == (logging.WARNING, "vendor", "careful")
    assert 1 < len(ends.said) <= 1501
    assert len(ends.said[1][2]) <= 64 << 10


# -- memory ---------------------------------------------------------------------------------------------------------------


async def test_a_large_array_is_looked_at_where_it_lies(made: Make) -> None:
    """Read-only; and given back when its last view is gone, wherever that happens."""
    memory, sink = Memory(), Keeper()
    ends = await made(sink).open()
    await ends.served.write(memory.batch(7))
    (array,) = sink.arrays
    assert array.tobytes() == bytes([7]) * (SLAB // 4)
    memory.slabs[7].view[64] = 99
    assert array[0] == 99, "a view, not a copy"
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    assert ends.served.lending.held_bytes == SLAB
    slices = [array[5:]]
    del array
    sink.arrays.clear()
    await ends.served.call("flush")
    assert (memory.back, ends.served.lending.held_bytes) == ([], SLAB)
    slices.clear()
    await ends.until(lambda: not len(ends.served.lending))
    assert memory.back == [7]


async def test_arrays_may_go_in_another_thread(made: Make) -> None:
    memory, sink = Memory(), Keeper()
    ends = await made(sink).open()
    for _ in range(20):
        await ends.served.write(memory.batch(1, 2, 3))
    assert len(ends.served.lending) == 60
    thread = threading.Thread(target=sink.arrays.clear)
    thread.start()
    await asyncio.to_thread(thread.join)
    await ends.until(lambda: not len(ends.served.lending))
    assert memory.back == sorted([1, 2, 3] * 20)


async def test_a_batch_that_is_tried_again_is_lent_again(made: Make) -> None:
    memory = Memory()
    sink = Keeper(raising(SinkUnavailable("later")))
    ends = await made(sink).open()
    batch = memory.batch(1)
    for _ in range(3):
        with pytest.raises(SinkUnavailable):
            await ends.served.write(batch)
    sink.act = lambda: None
    await ends.served.write(batch)
    del batch
    await ends.until(lambda: len(ends.served.lending) == 1)
    assert memory.back == []
    assert sink.arrays[0].tobytes() == bytes([1]) * (SLAB // 4)
    sink.arrays.clear()
    await ends.until(lambda: not len(ends.served.lending))
    assert memory.back == [1]


async def test_beyond_its_limit_a_process_gets_copies(made: Make) -> None:
    """What it keeps then costs nobody else."""
    memory, sink = Memory(), Keeper()
    ends = await made(sink, limit=2 * SLAB).open()
    await ends.served.write(memory.batch(1, 2, 3, 1, 4))
    assert ends.served.lending.held_bytes == 2 * SLAB
    for number, array in zip((1, 2, 3, 1, 4), sink.arrays, strict=True):
        assert array.tobytes() == bytes([number]) * (SLAB // 4)
    for mapping in memory.slabs.values():
        mapping.view[64] = 99
    assert [int(array[0]) for array in sink.arrays] == [99, 99, 3, 99, 4]
    assert memory.back == [3, 4]
    sink.arrays.clear()
    await ends.until(lambda: not len(ends.served.lending))
    await ends.served.write(memory.batch(5))
    assert ends.served.lending.held_bytes == SLAB


async def test_memory_that_can_not_be_passed_on_is_copied(made: Make) -> None:
    """Anonymous memory of an engine in a thread."""
    memory, sink = Memory(create_anonymous), Keeper()
    ends = await made(sink).open()
    await ends.served.write(memory.batch(1))
    assert sink.arrays[0].tobytes() == bytes([1]) * (SLAB // 4)
    assert (len(ends.served.lending), memory.back) == (0, [1])


async def test_a_slab_is_passed_on_once_and_forgotten_when_it_is_gone(made: Make) -> None:
    memory, sink = Memory(), Keeper()
    ends = await made(sink).open()
    for _ in range(3):
        await ends.served.write(memory.batch(1, 2))
    assert sorted(ends.host._slabs) == [1, 2]
    sink.arrays.clear()
    await ends.until(lambda: not len(ends.served.lending))
    memory.slabs.pop(1).close()
    await ends.until(lambda: sorted(ends.host._slabs) == [2])


async def test_what_a_dead_process_had_is_given_back(made: Make) -> None:
    memory, sink = Memory(), Keeper()
    ends = await made(sink).open()
    await ends.served.write(memory.batch(1, 2))
    ends.host._pipe._end("killed")
    await ends.until(lambda: ends.served.gone)
    assert memory.back == [1, 2]
    assert ends.served.lending.held_bytes == 0
    with pytest.raises(ProcessGone):
        await ends.served.write(memory.batch(3))
    assert memory.back == [1, 2, 3]


async def test_an_array_outlives_its_connection(made: Make) -> None:
    memory, sink = Memory(), Keeper()
    ends = await made(sink).open()
    await ends.served.write(memory.batch(1))
    await ends.close()
    assert sink.arrays[0].tobytes() == bytes([1]) * (SLAB // 4)
    assert memory.back == [1]
    sink.arrays.clear()
    gc.collect()


async def test_a_want_of_descriptors_is_waited_for(made: Make) -> None:
    """The batch is tried again, as after any OSError, and nothing it needs was forgotten."""
    memory, sink = Memory(), Keeper()
    ends = await made(sink).open()
    batch = memory.batch(1)
    rows = batch_of([ROWS])
    both = Batch([*rows.parts, *batch.parts], writer="main", epoch=0, seq=0, frames=[*rows.records, *batch.records])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) - 1, hard))
    try:
        free = []
        with pytest.raises(OSError, match="Too many open files"):  # noqa: PT012 - until none is left
            while True:
                free.append(os.dup(0))
        with pytest.raises(OSError, match="Too many open files"):
            await ends.served.write(both)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in free:
            os.close(one)
    sink.act = lambda: sink.batches.append(None)  # type: ignore[arg-type]
    with pytest.raises(RemoteError, match="AttributeError"):
        # The sink wants tensors only, and has been given the rows as well: they were understood.
        await ends.served.write(both)
    await ends.served.write(batch)
    assert sink.arrays[-1].tobytes() == bytes([1]) * (SLAB // 4)


# -- peers that say what they shouldn't -----------------------------------------------------------------------------------


class Peer:
    """A process that says whatever it likes, and never listens."""

    def __init__(self, limit: int = 8 * SLAB) -> None:
        here, self.sock = socket.socketpair()
        self.sock.setblocking(False)
        self.said: list[tuple[int, str, str]] = []
        self.served = Served(here, Lending(limit), lambda *said: self.said.append(said))

    def says(self, *fields: Any) -> None:
        body = msgpack.packb(fields, use_bin_type=True)
        self.sock.send(struct.pack("<IQ", len(body), 0) + body)

    async def cut_off(self) -> str:
        async with asyncio.timeout(DEADLINE_S):
            while not self.served.gone:
                await asyncio.sleep(0)
        return self.served._pipe.ended or ""

    async def heard(self) -> None:
        """Until the engine has heard what was said so far."""
        self.says("said", 1, "x", "this far")
        async with asyncio.timeout(DEADLINE_S):
            while not any(text == "this far" for _, _, text in self.said):
                await asyncio.sleep(0)

    def close(self) -> None:
        self.sock.close()
        self.served.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """Whatever is raised in the loop's callbacks fails its test."""
    found = Peer()
    yield found
    found.close()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(["no such thing"], id="an unknown word"),
        pytest.param([7], id="a number"),
        pytest.param([None, None], id="nothing"),
        pytest.param([["returned", 1]], id="a list in a list"),
        pytest.param(["returned"], id="an answer to nothing"),
        pytest.param(["returned", "1"], id="a ticket that is text"),
        pytest.param(["returned", None, "failed", "x", "y"], id="a ticket that is nothing"),
        pytest.param(["release"], id="a release of nothing"),
        pytest.param(["release", 7], id="a release of a number"),
        pytest.param(["said", "loud", "name", "text"], id="a level that is text"),
        pytest.param(["said", 30, b"name", "text"], id="a name of bytes"),
        pytest.param(["call", 1, "open", None], id="a call"),
        pytest.param(["slab", 1, 4096], id="a slab"),
    ],
)
async def test_a_peer_that_says_what_no_process_says_is_cut_off(peer: Peer, fields: list[Any]) -> None:
    """Whoever waits for it is told."""
    calling = asyncio.create_task(peer.served.call("flush"))
    await asyncio.sleep(0)
    peer.says(*fields)
    assert "no such process says" in await peer.cut_off()
    with pytest.raises(ProcessGone):
        await calling
    assert peer.served.lending.held_bytes == 0


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(struct.pack("<IQ", 2 << 20, 0), id="a huge message"),
        pytest.param(struct.pack("<IQ", 5, 1), id="raw bytes"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another protocol"),
        pytest.param(os.urandom(4096), id="noise"),
        pytest.param(struct.pack("<IQ", 5, 0) + b"\x94\xa4no", id="a message that stops in the middle"),
    ],
)
async def test_a_peer_that_sends_no_messages_is_cut_off(peer: Peer, data: bytes) -> None:
    calling = asyncio.create_task(peer.served.call("flush"))
    await asyncio.sleep(0)
    peer.sock.send(data)
    peer.sock.close()
    await peer.cut_off()
    with pytest.raises(ProcessGone):
        await calling


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([[9, 1, 1]], id="of a slab that it never had"),
        pytest.param([[1, 2, 1]], id="of another generation"),
        pytest.param([[1, 1, 5]], id="more than it has"),
        pytest.param([[1, 1, 0], [1, 1, -1]], id="none, and less"),
        pytest.param([["1", 1, 1], [1], [], 7, None, {"a": 1}], id="that name no piece"),
        pytest.param([[2**64 - 1, -(2**63), 2**64 - 1]], id="of numbers beyond all bounds"),
    ],
)
async def test_a_release_of_what_it_has_not_changes_nothing(peer: Peer, pieces: list[Any]) -> None:
    """It is told of, and what it has stays lent."""
    memory = Memory()
    writing = asyncio.create_task(peer.served.write(memory.batch(1)))
    await asyncio.sleep(0)
    assert len(peer.served.lending) == 1
    peer.says("release", pieces)
    await peer.heard()
    assert (len(peer.served.lending), memory.back) == (1, [])
    assert len(peer.said) == 1 + len(pieces)
    peer.says("release", [[1, 1, 1]])
    peer.says("release", [[1, 1, 1]])
    peer.said.clear()
    await peer.heard()
    assert len(peer.served.lending) == 0
    assert not peer.served.gone
    peer.close()
    with pytest.raises(ProcessGone):
        await writing


@pytest.mark.parametrize(
    "outcome",
    [[1], ["failed"], ["failed", "x"], ["failed", 1, "text"], [None] * 3, ["a", "b", "c", "d"], [["failed", "x", "y"]]],
)
async def test_an_answer_that_is_none_counts_as_a_death(peer: Peer, outcome: list[Any]) -> None:
    calling = asyncio.create_task(peer.served.call("flush"))
    await asyncio.sleep(0)
    peer.says("returned", 1, *outcome)
    with pytest.raises(ProcessGone, match="no such process answers"):
        await calling


@pytest.mark.parametrize("outcome", [["", "", ""], ["failed", "x" * 100_000, "y"], ["no verdict", "a b\n", "\n\n"]])
async def test_an_odd_answer_is_an_error_like_any(peer: Peer, outcome: list[str]) -> None:
    calling = asyncio.create_task(peer.served.call("flush"))
    await asyncio.sleep(0)
    peer.says("returned", 1, *outcome)
    with pytest.raises(RemoteError):
        await calling
    assert not peer.served.gone


async def test_answers_to_what_nobody_asked_are_ignored(peer: Peer) -> None:
    for ticket in (0, 1, 2, -1, 2**63):
        peer.says("returned", ticket)
    await peer.heard()
    calling = asyncio.create_task(peer.served.call("flush"))
    await asyncio.sleep(0)
    peer.says("returned", 2)
    await peer.heard()
    assert not calling.done()
    peer.says("returned", 1)
    peer.says("returned", 1)
    await calling


async def test_it_says_hello_once(peer: Peer) -> None:
    peer.says("hello", "attach", "now", 0, 0, {})
    assert await peer.served.hello == ["attach", "now", 0, 0, {}]
    peer.says("hello", "attach", "now", 0, 0, {})
    await peer.cut_off()


async def test_silence_is_waited_for_and_ends_with_the_process(peer: Peer) -> None:
    """A stopped process holds its own call, and nothing else; what is sent to it meanwhile waits."""
    memory = Memory()
    writing = asyncio.create_task(peer.served.write(memory.batch(*range(1, 9), nbytes=SLAB // 2)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not writing.done()
    assert not peer.served.hello.done()
    peer.sock.close()
    await asyncio.wait([writing])
    assert isinstance(writing.exception(), ProcessGone)
    del writing
    assert memory.back == list(range(1, 9))
    with pytest.raises(ProcessGone):
        await peer.served.hello


# -- what a host is told that it shouldn't be -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields", [["no such thing"], ["slab", 1, 4096], ["slab", "x"], ["call"], ["gone"], ["refused", 7], [None]]
)
async def test_a_host_ends_when_it_is_told_what_it_can_not_understand(fields: list[Any]) -> None:
    here, there = socket.socketpair()
    over = asyncio.Event()
    host = Host(there, Keeper, over.set)
    serving = asyncio.create_task(host.serve())
    body = msgpack.packb(fields)
    here.setblocking(False)
    here.send(struct.pack("<IQ", len(body), 0) + body)
    async with asyncio.timeout(DEADLINE_S):
        await over.wait()
        assert await serving is False
    here.close()


async def test_a_batch_that_is_none_is_an_error_of_that_batch(made: Make) -> None:
    sink = Keeper()
    ends = await made(sink).open()
    unknown = [13, 0, 0, 0, 0, 0, b"", 10, [99, 1, 0, 10]]
    for content in (None, 7, [], ["main", 0, 0, 1, [], [unknown], [0]]):
        with pytest.raises(RemoteError, match="DamagedFrame"):
            await ends.served.call("write", content)
    memory = Memory()
    await ends.served.write(memory.batch(1))
    far = [5, 0, 0, 0, 0, 0, b"", 10, [1, 1, SLAB - 5, 10]]
    with pytest.raises(RemoteError, match="lies outside of its slab"):
        await ends.served.call("write", ["main", 0, 0, 1, [], [far], [0]])
    assert len(sink.arrays) == 1


async def test_a_host_that_is_refused_says_why(made: Make) -> None:
    ends = made(Keeper(), hello=["attach", "now"])
    assert await ends.served.hello == ["attach", "now"]
    await ends.served.tell(["refused", "not today"])
    await ends.close()
    assert (ends.host.refused, ends.serving.result()) == ("not today", False)

"""What was rendered into shared memory is what is read, bit for bit; and whatever is done with loans, memory comes back."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import asynclog as al
from asynclog.shm.slab import Role
from asynclog.testing.strategies import WORDS
from tests.property.test_values import ANY, COMPLEX, REALS, RUNS, SIDE, THREE, arrays, same

# A kind, its parameters, and an array of any bits.
Rendered = tuple[str, dict[str, Any], np.ndarray]
FOUR = st.just(4)
RENDERED: st.SearchStrategy[Rendered] = st.one_of(
    st.tuples(
        st.just("tensor"),
        st.just({}),
        st.lists(st.integers(0, 3), max_size=4).flatmap(lambda shape: arrays([*ANY, *COMPLEX], *map(st.just, shape))),
    ),
    st.tuples(st.just("image"), st.fixed_dictionaries({"caption": st.none() | WORDS}), arrays(ANY, SIDE, SIDE)),
    st.tuples(st.just("image"), st.just({"layout": "HWC"}), arrays(ANY, SIDE, SIDE, st.sampled_from((1, 3, 4)))),
    st.tuples(
        st.just("image"),
        st.fixed_dictionaries({"masks": st.fixed_dictionaries({"of": arrays([np.dtype("i2")], st.just(2), THREE)})}),
        arrays(ANY, st.just(2), THREE),
    ),
    st.tuples(st.just("images"), st.fixed_dictionaries({"sep": st.integers(0, 3)}), arrays(ANY, SIDE, THREE, SIDE, SIDE)),
    st.tuples(
        st.sampled_from(("audio", "spectrogram")),
        st.fixed_dictionaries({"sample_rate": st.integers(1, 2**32 - 1)}),
        arrays(REALS, SIDE) | arrays(REALS, st.just(2), st.just(5)),
    ),
    st.tuples(st.just("video"), st.fixed_dictionaries({"fps": st.floats(1.0, 240.0)}), arrays(ANY, SIDE, THREE, SIDE, SIDE)),
    st.tuples(
        st.just("point_cloud"), st.fixed_dictionaries({"colors": arrays(REALS, FOUR, THREE)}), arrays(REALS, FOUR, THREE)
    ),
    st.tuples(
        st.just("mesh"),
        st.fixed_dictionaries({"faces": arrays([np.dtype("i4")], SIDE, THREE)}),
        arrays(REALS, FOUR, THREE),
    ),
)


def native(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("="), copy=False)


async def render(log: al.MultiLogger, one: Rendered, *, waits: bool) -> None:
    kind, params, data = one
    wanted = native(data)
    handle = log.loan("x", wanted.shape, wanted.dtype, kind=kind, **params)
    if waits:
        async with handle as array:
            array.reshape(-1).view("u1")[:] = np.frombuffer(wanted.tobytes(), "u1")
    else:
        with handle as array:
            array.reshape(-1).view("u1")[:] = np.frombuffer(wanted.tobytes(), "u1")


@settings(max_examples=RUNS)
@given(st.lists(st.tuples(RENDERED, st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_what_was_rendered_comes_back_bit_for_bit(given_values: list[tuple[Rendered, bool, bool]]) -> None:
    """As the same array does that was logged the other way; one a write, or several."""

    async def record(path: Path) -> None:
        async with al.MultiLogger(path, recorder="thread", strict=True) as log:
            for step, (one, waits, writes) in enumerate(given_values):
                kind, params, data = one
                await render(log, one, waits=waits)
                getattr(log, f"log_{kind}")("y", native(data), **params)
                if writes:
                    await log.write(step)
            await log.write(len(given_values))

    with TemporaryDirectory() as directory:
        asyncio.run(record(Path(directory) / "run"))
        run = al.read(Path(directory) / "run")
        lent, copied = list(run.events(key="x")), list(run.events(key="y"))
        assert len(lent) == len(copied) == len(given_values)
        for (one, _, _), mine, other in zip(given_values, lent, copied, strict=True):
            assert (mine.kind, mine.step) == (other.kind, other.step)
            assert same(mine.value, other.value)
            assert next(iter(mine.value.arrays().values())).tobytes() == native(one[2]).tobytes()


LARGE = 3 << 20
ACTIONS = st.lists(
    st.sampled_from(("small", "large", "raise", "write", "nowait", "bad state", "entry", "lost entry", "cancel", "copy")),
    max_size=25,
)


class Story:
    """Does what is drawn with one logger of little memory. recorded: what must be there. perhaps: what was dropped after a
    refused write, which may have recorded a part of it."""

    def __init__(self, log: al.MultiLogger) -> None:
        self.log = log
        self.count = 0
        self.pending: list[int] = []
        self.recorded: list[int] = []
        self.perhaps: list[int] = []
        self._refused = False
        self.handles = {"small": log.loan("x", 8, "u1"), "large": log.loan("x", LARGE, "u1")}

    async def do(self, action: str) -> None:
        self.count += 1
        if action in self.handles:
            self._render(self.log, self.handles[action])
        elif action == "copy":
            self.log.log_tensor("x", np.full(LARGE, self.count, "u1"))
            self.pending.append(self.count)
        elif action == "raise":
            self._raise()
        elif action == "write":
            await self.log.write(self.count)
            self._written()
        elif action == "nowait":
            self._try_to_write(self.count)
        elif action == "bad state":
            self._try_to_write("no step")
        elif action in ("entry", "lost entry"):
            await self._entry(lost=action == "lost entry")
        else:
            await self._cancel()

    def _render(self, logger: Any, handle: Any) -> bool:
        try:
            with handle as array:
                array[:] = self.count
        except al.WouldBlock:
            return False
        if logger is self.log:
            self.pending.append(self.count)
        return True

    def _raise(self) -> None:
        try:
            with self.handles["large"] as array:
                array[:] = 255
                raise RuntimeError
        except (RuntimeError, al.WouldBlock):
            pass

    def _try_to_write(self, state: Any) -> None:
        try:
            self.log.write_nowait(state)
        except al.WouldBlock:
            self._refused = True
            return
        except al.InvalidValue:
            self._dropped()
            return
        self._written()

    async def _entry(self, *, lost: bool) -> None:
        entry = self.log.at(self.count)
        if self._render(entry, entry.loan("x", LARGE, "u1")) and not lost:
            await entry.write(self.count)
            self.recorded.append(self.count)

    async def _cancel(self) -> None:
        self.log.log_string("slow", asyncio.Event().wait)
        writing = asyncio.create_task(self.log.write(self.count))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
        self._dropped()

    def _written(self) -> None:
        self.recorded += self.pending
        self.pending, self._refused = [], False

    def _dropped(self) -> None:
        self.perhaps += self.pending if self._refused else []
        self.pending, self._refused = [], False


@settings(max_examples=RUNS)
@given(ACTIONS)
def test_whatever_is_done_with_loans_memory_comes_back(actions: list[str]) -> None:
    """And what was written is there, once; nothing else is."""

    async def record(path: Path) -> Story:
        async with al.MultiLogger(path, recorder="thread", slabs=16 << 20) as log:
            story = Story(log)
            for action in actions:
                await asyncio.wait_for(story.do(action), 30)
            await log.write(1000)
            story._written()
            await log.flush()
            slabs = log.statistics()["slabs"]
            assert (slabs["loans"], slabs["loaned_bytes"]) == (0, 0)
            pool = log._core.producer.pool
            held = [one for one in pool.ledger.slabs.values() if one.role is Role.ARRAYS and one.claims]
            assert [one.number for one in held] in ([], [pool._arena])
            return story

    with TemporaryDirectory() as directory:
        story = asyncio.run(record(Path(directory) / "run"))
        run = al.read(Path(directory) / "run")
        whole = [event.value.data for event in run.events(key="x")]
        assert all((one == one[0]).all() for one in whole)
        found = [int(one[0]) for one in whole]
        assert len(set(found)) == len(found)
        assert set(story.recorded) <= set(found) <= {*story.recorded, *story.perhaps}

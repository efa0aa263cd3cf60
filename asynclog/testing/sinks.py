"""The exam that every sink takes, ours or yours.

    class TestParquet(SinkTests):
        def make_sink(self, tmp_path): return Parquet(tmp_path / "metrics.parquet")
        def read_back(self, sink, tmp_path): return [Delivered("scalar", phase, "", name, step, value) for … in …]

Without ``read_back`` a sink is only asked not to fail; with it, nothing may be missing.
"""

import asyncio
import copy
import inspect
import math
import pickle
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from asynclog.flow.hooks import hooks_of
from asynclog.sink import PLACES, RunInfo, Sink
from asynclog.state import State
from asynclog.testing.batches import FIRST_TIME_NS, Entry, batch_of, lend
from asynclog.testing.delivered import Comparison, Delivered, frozen
from asynclog.testing.examples import ODD_NAMES, ODD_NUMBERS, every_kind
from asynclog.testing.turns import Turns
from asynclog.values import EVERY_KIND, HOOKS, Hook

_HOUR_NS: Final = 3_600_000_000_000
_TRIES: Final = 3


class SinkTests:
    """Subclass as ``Test…`` and give ``make_sink``; ``read_back`` too where the destination can be read."""

    kinds: ClassVar[Sequence[str]] = EVERY_KIND
    """The kinds that the destination shows; others are given to the sink all the same."""
    overwrites: ClassVar[bool] = False
    """True if the destination keeps one value per series and step: the last one is then expected."""
    may_block: ClassVar[bool] = False
    """True for a sink that is never placed on the caller's loop, and blocks its own."""
    longest_turn_s: ClassVar[float] = 0.25
    """How long ``write`` may hold the loop at a time: seconds of work or of sleep, not of waiting for a busy machine."""
    patience_s: ClassVar[float] = 30.0
    """How long one question may take."""

    def make_sink(self, tmp_path: Path) -> Sink:
        """A sink that was never opened. Called again with the same path, one with the same destination."""
        raise NotImplementedError

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        """All that the destination shows, in its order per series, or None if it can't be read."""
        return None

    def run_info(self, tmp_path: Path, *, epoch: int = 0) -> RunInfo:
        """The run that the sink is opened for; from epoch 1 on, a resumed one."""
        return RunInfo("conformance", "conformance", tmp_path / "run", "writer", epoch, resumed=epoch > 0)

    def matches(self, logged: Any, shown: Any) -> bool:
        """Whether a scalar or string survived. Override for a destination of less precision."""
        if isinstance(logged, str):
            return bool(logged == shown)
        return repr(float(logged)) == repr(float(shown))

    # The exam.

    def test_has_what_a_sink_has(self, tmp_path: Path) -> None:
        """``write`` and ``aclose`` are async, so are ``open`` and ``flush`` if there are any; the place is known."""
        sink = self.make_sink(tmp_path)
        assert isinstance(sink, Sink), f"{sink!r} lacks write or aclose"
        for name in ("open", "write", "flush", "aclose"):
            method = getattr(sink, name, None)
            if method is not None:
                assert inspect.iscoroutinefunction(method), f"{name} must be an async def"
        inspect.signature(sink.write).bind(object())
        place = getattr(sink, "default_place", "thread")
        assert place in PLACES, f"default_place {place!r} is none of {', '.join(PLACES)}"

    def test_travels_to_its_process(self, tmp_path: Path) -> None:
        """A sink of the recorder or a worker is pickled before it is opened, and works on the other side."""
        sink = self.make_sink(tmp_path)
        if getattr(sink, "default_place", "thread") not in ("recorder", "process"):
            pytest.skip("stays in the training process")
        arrived = pickle.loads(pickle.dumps(sink))  # noqa: S301 (our own bytes)
        entries: list[Entry] = [(State(1), every_kind())]
        self._deliver(arrived, tmp_path, [entries])
        self._check(arrived, tmp_path, entries)

    def test_takes_every_kind_in_any_order(self, tmp_path: Path) -> None:
        """All kinds, in several orders, in writes of one and of many, over phases and epochs."""
        pairs = list(every_kind().items())
        together: list[Entry] = [(State(1), pairs), (State(2, "valid", 3, level="epoch"), pairs[::-1])]
        alone: list[Entry] = [(State(step, "test", 1, 0.5), [pair]) for step, pair in enumerate(pairs[5:] + pairs[:5])]
        axes: list[Entry] = [(State(9, axes={"samples": 64.0}), pairs)]
        sink = self.make_sink(tmp_path)
        self._deliver(sink, tmp_path, [together, [], alone, axes])
        self._check(sink, tmp_path, together + alone + axes)

    def test_takes_the_hooks_that_it_asks_for(self, tmp_path: Path) -> None:
        """In their places among values; whoever asks for all of them gets a name of anybody's, too."""
        sink = self.make_sink(tmp_path)
        wanted = hooks_of(sink)
        names = [one for one in (*HOOKS, "a name of anybody's") if one in wanted]
        if not names:
            pytest.skip("asks for none")
        entries: list[Entry] = [
            (State(step, level="epoch"), {"loss": 0.5, name: Hook(name)}) for step, name in enumerate(names)
        ]
        self._deliver(sink, tmp_path, [entries])

    def test_takes_any_name(self, tmp_path: Path) -> None:
        """No namespace; "/", "..", NUL, emoji, line ends, 10 kB; names that look alike once they are joined."""
        entries: list[Entry] = [
            (State(step), {name: float(number) for number, name in enumerate(names)})
            for step, names in enumerate((ODD_NAMES, ODD_NAMES[::-1], ODD_NAMES[:3]))
        ]
        entries += [(State(3), dict.fromkeys(ODD_NAMES, "text"))]
        sink = self.make_sink(tmp_path)
        self._deliver(sink, tmp_path, [entries[:1], entries[1:]])
        self._check(sink, tmp_path, entries)

    def test_takes_any_number(self, tmp_path: Path) -> None:
        """NaN, the infinities, the smallest and largest floats, whole numbers: none stops it, none becomes another."""
        entries: list[Entry] = [(State(step), {"number": number}) for step, number in enumerate(ODD_NUMBERS)]
        sink = self.make_sink(tmp_path)
        self._deliver(sink, tmp_path, [entries])
        self._check(sink, tmp_path, entries)

    def test_keeps_steps_as_they_come(self, tmp_path: Path) -> None:
        """Late, repeated, decreasing and negative steps are kept, in the order of the writes."""
        steps = (5, 5, 3, 10, 0, -1, 10, 2**40)
        entries: list[Entry] = [(State(step), {"loss": float(at), "note": f"{at}"}) for at, step in enumerate(steps)]
        sink = self.make_sink(tmp_path)
        self._deliver(sink, tmp_path, [entries[:3], entries[3:]])
        self._check(sink, tmp_path, entries)

    def test_keeps_all_of_one_name(self, tmp_path: Path) -> None:
        """Several images logged under one name before a write are all delivered."""
        entries: list[Entry] = [(State(4), [("recon", every_kind(seed)["image"]) for seed in range(3)])]
        sink = self.make_sink(tmp_path)
        self._deliver(sink, tmp_path, [entries])
        self._check(sink, tmp_path, entries)

    def test_leaves_the_batch_as_it_is(self, tmp_path: Path) -> None:
        """Others look at the same batch."""
        batch = batch_of([(State(step), every_kind(step)) for step in range(3)])
        before = [frozen(event) for event in copy.deepcopy(list(batch))]
        held = list(batch.writes())
        self._run(self._delivery(self.make_sink(tmp_path), tmp_path, [batch]))
        assert [frozen(event) for event in batch] == before, "write changed the batch"
        assert [frozen(event) for one in held for event in one.events] == before, "write changed the batch's values"

    def test_keeps_nothing_of_the_batch(self, tmp_path: Path) -> None:
        """The batch's arrays are views of memory that holds something else as soon as ``write`` has returned."""
        entries: list[Entry] = [(State(step), every_kind(step)) for step in range(3)]
        sink = self.make_sink(tmp_path)
        released: list[bool] = []

        async def exercise() -> None:
            await self._open(sink, tmp_path)
            lent = lend(entries)
            assert lent.batch is not None
            await sink.write(lent.batch)
            lent.scribble()
            released.append(lent.is_released())
            await self._flush(sink)
            await sink.aclose()

        self._run(exercise())
        assert released == [True], "a view of the batch's memory outlives write: copy what is to be kept"
        self._check(sink, tmp_path, entries)

    def test_shows_everything_once_flushed(self, tmp_path: Path) -> None:
        """After ``flush`` all that was written can be read, while the sink is still open."""
        entries: list[Entry] = [(State(step), {"loss": step / 7, "note": f"{step}"}) for step in range(50)]
        sink = self.make_sink(tmp_path)

        async def exercise() -> None:
            await self._open(sink, tmp_path)
            await sink.write(batch_of(entries[:20]))
            await sink.write(batch_of(entries[20:], seq=100, first_time_ns=FIRST_TIME_NS + _HOUR_NS))
            await self._flush(sink)
            await asyncio.to_thread(self._check, sink, tmp_path, entries)
            await sink.aclose()

        self._run(exercise())

    def test_closes_twice(self, tmp_path: Path) -> None:
        """The second ``aclose`` does nothing, with and without a write before it; what was written stays."""
        entries: list[Entry] = [(State(0), {"loss": 0.5})]

        async def exercise(sink: Sink, batches: list[Any]) -> None:
            await self._delivery(sink, tmp_path, batches)
            await sink.aclose()

        self._run(exercise(self.make_sink(tmp_path), []))
        sink = self.make_sink(tmp_path)
        self._run(exercise(sink, [batch_of(entries)]))
        self._check(sink, tmp_path, entries)

    def test_goes_on_where_a_run_goes_on(self, tmp_path: Path) -> None:
        """A resumed run keeps what earlier epochs delivered, and the batch in flight may come again."""
        if getattr(self.make_sink(tmp_path), "ephemeral", False):
            pytest.skip("keeps nothing over a restart")
        first: list[Entry] = [(State(step), {"loss": step / 3, "note": f"{step}"}) for step in range(5)]
        second: list[Entry] = [(State(step), {"loss": -1.0, "new": step, "note": "again"}) for step in range(3, 8)]
        in_flight = batch_of(first[3:], seq=1, first_time_ns=FIRST_TIME_NS + _HOUR_NS)
        self._run(self._delivery(self.make_sink(tmp_path), tmp_path, [batch_of(first[:3]), in_flight]))
        sink = self.make_sink(tmp_path)
        later = batch_of(second, epoch=1, first_time_ns=FIRST_TIME_NS + 2 * _HOUR_NS)
        self._run(self._delivery(sink, tmp_path, [in_flight, later], epoch=1))
        self._check(sink, tmp_path, first + second, repeats=True)

    def test_gives_the_loop_its_turns(self, tmp_path: Path) -> None:
        """The largest batch there is neither calls what blocks nor holds the loop for long; by blockbuster if installed."""
        if self.may_block:
            pytest.skip("blocks its own loop")
        entries: list[Entry] = [(State(step), {f"key{key}": step / 9 for key in range(10)}) for step in range(1600)]
        batch = batch_of([*entries, (State(1600), every_kind())])

        async def exercise(sink: Any, path: Path, turns: Turns) -> None:
            await self._open(sink, path)
            async with turns.watched():
                await sink.write(batch)
                await self._flush(sink)
                await sink.aclose()

        held: list[float] = []
        # A sink that holds the loop does so every time; a machine that stands still does so once.
        while len(held) < _TRIES and min(held, default=math.inf) >= self.longest_turn_s:
            path = tmp_path / str(len(held))
            path.mkdir()
            turns = Turns()
            with _blocking_is_an_error():
                self._run(exercise(self.make_sink(path), path, turns))
            held.append(turns.longest_s)
        assert min(held) < self.longest_turn_s, f"held the loop for {min(held):.2f} s"

    def test_survives_a_cancelled_write(self, tmp_path: Path) -> None:
        """A cancelled write is tried again with the same batch: all of it arrives, perhaps more than once."""
        entries: list[Entry] = [(State(step), {"loss": step / 7, "note": f"{step}"}) for step in range(40)]
        sink = self.make_sink(tmp_path)

        async def exercise() -> None:
            await self._open(sink, tmp_path)
            for turns in range(4):
                part = entries[turns * 10 : turns * 10 + 10]
                batch = batch_of(part, seq=turns, first_time_ns=FIRST_TIME_NS + turns * _HOUR_NS)
                await _cancelled(lambda batch=batch: sink.write(batch), turns)  # type: ignore[misc]
                await sink.write(batch)
            await self._flush(sink)
            await sink.aclose()

        self._run(exercise())
        self._check(sink, tmp_path, entries, repeats=True)

    def test_survives_a_cancelled_close(self, tmp_path: Path) -> None:
        """``aclose`` cancelled at its deadline loses nothing that was accepted, and can be called again."""
        entries: list[Entry] = [(State(step), {"loss": step / 7, "note": f"{step}"}) for step in range(20)]
        for turns in range(4):
            place = tmp_path / f"{turns}"
            place.mkdir()
            sink = self.make_sink(place)

            async def exercise(sink: Sink = sink, place: Path = place, turns: int = turns) -> None:
                await self._open(sink, place)
                await sink.write(batch_of(entries))
                await _cancelled(sink.aclose, turns)
                await sink.aclose()

            self._run(exercise())
            self._check(sink, place, entries)

    # What the exam is made of.

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        async def in_time() -> None:
            async with asyncio.timeout(self.patience_s):
                await work

        asyncio.run(in_time())

    async def _open(self, sink: Any, tmp_path: Path, epoch: int = 0) -> None:
        if hasattr(sink, "open"):
            await sink.open(self.run_info(tmp_path, epoch=epoch))

    async def _flush(self, sink: Any) -> None:
        if hasattr(sink, "flush"):
            await sink.flush()

    async def _delivery(self, sink: Sink, tmp_path: Path, batches: Iterable[Any], *, epoch: int = 0) -> None:
        await self._open(sink, tmp_path, epoch)
        for batch in batches:
            await sink.write(batch)
        await self._flush(sink)
        await sink.aclose()

    def _deliver(self, sink: Sink, tmp_path: Path, groups: Iterable[list[Entry]]) -> None:
        batches = [
            batch_of(entries, seq=1000 * at, first_time_ns=FIRST_TIME_NS + at * _HOUR_NS) for at, entries in enumerate(groups)
        ]
        self._run(self._delivery(sink, tmp_path, batches))

    def _check(self, sink: Sink, tmp_path: Path, entries: Iterable[Entry], *, repeats: bool = False) -> None:
        found = self.read_back(sink, tmp_path)
        if found is None:
            return
        logged = [
            Delivered(event.kind, event.phase, event.namespace, event.key, event.step, event.value)
            for event in batch_of(entries)
            if event.kind in self.kinds
        ]
        Comparison(self.matches, overwrites=self.overwrites, repeats=repeats).check(logged, found)


async def _cancelled(start: Callable[[], Coroutine[Any, Any, None]], turns: int) -> None:
    """Start it, cancel it after some turns of the loop, and wait for it to end."""
    task = asyncio.ensure_future(start())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextmanager
def _blocking_is_an_error() -> Iterator[None]:
    try:
        import blockbuster
    except ImportError:
        yield
        return
    with blockbuster.blockbuster_ctx() as watch:
        for function in watch.functions.values():
            # Coverage has a lock of its own around code that it sees for the first time.
            function.can_block_in("coverage/collector.py", "lock_data")
        yield

"""The identity of every sink's counters, however a stream is written, cut into frames, read in pieces and restarted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from asynclog.engine.cursor import Cursor
from asynclog.engine.feed import Delivery
from asynclog.engine.journal_feed import JournalFeed
from asynclog.flow.limit import Limiter, RateLimit
from asynclog.flow.route import Route
from asynclog.flow.select import Counters, Selector
from asynclog.sink import Batch, Event
from asynclog.values import Hook
from asynclog.wire.frame import Frame
from asynclog.wire.layout import Kind
from asynclog.wire.schema import Schema, Series, series_frame
from asynclog.wire.stream import StreamDecoder
from tests.frames import decoded, encoded, event, footer, rows, segment, sparse, sparse_record

ALL = tuple(
    Series(phase, namespace, key, code, reduction)
    for phase in ("train", "valid")
    for namespace in ("", "gan")
    for key, code, reduction in (("loss", "d", "last"), ("sum", "d", "sum"), ("n", "q", "count"), ("top", "d", "max"))
)
TRAIN, VALID = (tuple(one for one in ALL if one.phase == phase) for phase in ("train", "valid"))
SCHEMAS = [
    Schema(1, TRAIN[:4]),
    Schema(2, TRAIN[2:6], due=True),
    Schema(3, VALID[1:3], due=True, elapsed=True, axes=("a",)),
    Schema(4, VALID[:1]),
]
NUMBERED = [series_frame(list(range(len(ALL))), list(ALL), 0, 0)]
DEFINITIONS = [one.frame(0, 0) for one in SCHEMAS] + NUMBERED


class Plain:
    async def write(self, batch: Batch, /) -> None: ...

    async def aclose(self) -> None: ...


class Hearing(Plain):
    hooks = frozenset({"epoch_end"})


def subsets(*items: str) -> st.SearchStrategy[set[str] | None]:
    return st.none() | st.sets(st.sampled_from(items))


ROUTES = st.builds(
    Route,
    st.just(Plain()) | st.just(Hearing()),
    kinds=st.none() | st.none() | subsets("scalar", "string", "hook"),
    namespaces=st.none() | st.none() | subsets("", "gan"),
    phases=st.none() | st.none() | subsets("train", "valid"),
)
MASKS = st.integers(0, 3)
NUMBERS = st.integers(-100, 100)


@dataclass(frozen=True)
class Write:
    """One entry of a stream, at a time of its own. schema: None for a text, -1 for an event that is a number, -2 for SPARSE,
    -3 for a hook."""

    schema: int | None
    due: int
    numbers: tuple[int, ...]
    series: tuple[int, ...] = ()


WRITES = st.builds(
    Write,
    st.none() | st.sampled_from((-1, -2, -3)) | st.integers(0, len(SCHEMAS) - 1),
    MASKS,
    st.tuples(*[NUMBERS] * 4),
    st.lists(st.integers(0, len(ALL) - 1), min_size=1, max_size=4, unique=True).map(tuple),
)


def row_frame(schema: Schema, writes: Sequence[tuple[int, Write]], seq: int) -> Frame:
    """(time, write) of one schema as one frame; a number that counts is positive."""
    prefix = [
        [*([one.due] if schema.due else []), *([0.5] if schema.elapsed else []), *(float(at) for at in range(len(schema.axes)))]
        for _, one in writes
    ]
    values = [one.numbers[: len(schema.series)] for _, one in writes]
    return rows(schema, values, seq=seq, times=[time for time, _ in writes], prefixes=prefix, step=writes[0][0])


def frame_of(time: int, one: Write, seq: int) -> Frame:
    if one.schema is None:
        return event("note", "text", seq=seq, time=time, step=time, due=one.due, phase=("train", "valid")[one.numbers[0] % 2])
    if one.schema == -1:
        return event("loose", float(one.numbers[0]), seq=seq, time=time, step=time, due=one.due)
    if one.schema == -3:
        name = ("epoch_end", "batch_end")[one.numbers[0] % 2]
        return event(name, Hook(name), seq=seq, time=time, step=time, due=one.due)
    if one.schema == -2:
        record = sparse_record(time, time, one.series, [float(at) for at in one.series], due=one.due)
        return sparse([record], seq=seq)
    return row_frame(SCHEMAS[one.schema], [(time, one)], seq)


def framed(writes: Sequence[Write], cuts: Sequence[bool]) -> list[Frame]:
    """Writes as frames: those of one schema that follow each other share a frame, except where it is cut."""
    frames: list[Frame] = []
    gathered: list[tuple[int, Write]] = []
    for time, one in enumerate(writes, 1):
        cut = cuts[(time - 1) % len(cuts)] if cuts else False
        if gathered and (cut or one.schema != gathered[0][1].schema):
            frames.append(row_frame(SCHEMAS[gathered[0][1].schema or 0], gathered, len(frames)))
            gathered = []
        if one.schema is None or one.schema < 0:
            frames.append(frame_of(time, one, len(frames)))
        else:
            gathered.append((time, one))
    if gathered:
        frames.append(row_frame(SCHEMAS[gathered[0][1].schema or 0], gathered, len(frames)))
    return frames


def identity(one: Event) -> tuple[Any, ...]:
    value = one.value.name if one.kind == "hook" else one.value
    return (one.time_ns, one.kind, one.phase, one.namespace, one.key, one.step, value)


class Books(RuleBasedStateMachine):
    """A route over a stream that is written step by step."""

    @initialize(route=ROUTES, bit=st.sampled_from((0, 1, None)), limit=st.none() | st.just(RateLimit(3e-9)), always=MASKS)
    def begin(self, route: Route, bit: int | None, limit: RateLimit | None, always: int) -> None:
        limiter = Limiter(limit) if bit is None and limit is not None else None
        self.selector, self.always = Selector(route, bit, limiter), always
        self.decoder = StreamDecoder(always=always)
        decoded(DEFINITIONS, self.decoder)
        self.counters = Counters()
        self.time = self.seq = 0

    @rule(one=WRITES, more=st.lists(st.tuples(MASKS, st.tuples(*[NUMBERS] * 4)), max_size=4))
    def write(self, one: Write, more: list[tuple[int, tuple[int, ...]]]) -> None:
        self.time += 1
        if one.schema is None or one.schema < 0:
            frame = frame_of(self.time, one, self.seq)
        else:
            further = [replace(one, due=due, numbers=numbers) for due, numbers in more]
            timed = list(enumerate([one, *further], self.time))
            self.time += len(further)
            frame = row_frame(SCHEMAS[one.schema], timed, self.seq)
        self.seq += 1
        (record,) = decoded([frame], self.decoder)
        selection = self.selector.take(record, self.always)
        assert sum(len(list(part.events())) for part in selection.parts) == selection.events
        self.counters.add(Counters(offered=record.events, delivered=selection.events))
        self.counters.add(selection.settled)
        for part in selection.parts:
            route, events = self.selector.route, list(part.events())
            assert all(route.wants(one.kind, one.phase, one.namespace, "batch") for one in events)
            assert all(one.value.name in route.hooks for one in events if one.kind == "hook")

    @invariant()
    def what_is_not_settled_waits(self) -> None:
        if hasattr(self, "counters"):
            assert self.counters.pending == self.selector.waiting >= 0

    def teardown(self) -> None:
        if hasattr(self, "counters"):
            last = self.selector.end()
            self.counters.add(last.settled)
            self.counters.add(Counters(delivered=last.events))
            assert self.counters.pending == 0


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=40, stateful_step_count=25)


def outcome(frames: Sequence[Frame], route: Route, bit: int | None, always: int) -> tuple[list[tuple[Any, ...]], Counters, int]:
    selector, total = Selector(route, bit), Counters()
    told: list[tuple[Any, ...]] = []
    for record in decoded([*DEFINITIONS, *frames], StreamDecoder(always=always)):
        selection = selector.take(record, always)
        told += [identity(one) for part in selection.parts for one in part.events()]
        total.add(selection.settled)
        total.add(Counters(offered=record.events, delivered=selection.events))
    return told, total, selector.waiting


MANY = st.lists(WRITES, max_size=25)
CUTS = st.lists(st.booleans(), max_size=25)


@given(MANY, CUTS, ROUTES, st.sampled_from((0, 1, None)), MASKS)
def test_a_route_gets_the_same_wherever_the_stream_is_cut_into_frames(
    writes: list[Write], cuts: list[bool], route: Route, bit: int | None, always: int
) -> None:
    assert outcome(framed(writes, cuts), route, bit, always) == outcome(framed(writes, []), route, bit, always)


ADDS_UP = ("sum", "count")


@given(st.lists(WRITES.filter(lambda one: one.schema != -2), max_size=25))
def test_what_adds_up_comes_out_in_full(writes: list[Write]) -> None:
    """The sums that were logged are those that were delivered, once the phase was due again."""
    logged = sum(
        number
        for one in writes
        if one.schema is not None and one.schema >= 0
        for column, number in zip(SCHEMAS[one.schema].series, one.numbers, strict=False)
        if column.phase == "train" and column.reduction in ADDS_UP
    )
    last = event("end", 0.0, seq=10_000, time=10_000, due=1)
    told, _, _ = outcome([*framed(writes, []), last], Route(Plain()), 0, 0)
    assert sum(value for _, _, phase, _, key, _, value in told if phase == "train" and key in ("sum", "n")) == logged


class Sink:
    """Collects what a runner would deliver and settle from a feed, and can be restarted anywhere."""

    def __init__(self, stream: Path, route: Route) -> None:
        self.stream, self.route = stream, route
        self.cursor: Cursor | None = None
        self.told: list[tuple[Any, ...]] = []
        self.counters = Counters()
        self.ended = False
        self.feed = self.opened()

    def opened(self) -> JournalFeed:
        return JournalFeed(self.route, self.stream, "main", 0, self.cursor)

    def restart(self) -> None:
        self.feed.close()
        self.feed = self.opened()

    def deliver(self, *, crash: bool) -> None:
        """All there is; with a crash before each commit, so that everything is tried twice."""
        while not self.ended and (delivery := self.feed.next()) is not None:
            if crash:
                self.restart()
                again = self.feed.next()
                assert again is not None
                assert contents(again) == contents(delivery)
                delivery = again
            self.feed.commit(delivery)
            self.cursor = Cursor(delivery.epoch, delivery.seq, delivery.replay_from)
            self.told += contents(delivery)
            self.counters.add(Counters(offered=delivery.offered, delivered=delivery.delivered))
            self.counters.add(delivery.settled)
            self.ended = delivery.ended


def contents(delivery: Delivery) -> list[tuple[Any, ...]]:
    # Each part in its own order: a batch sorts its parts by time, which depends on how many there are.
    return [] if delivery.batch is None else [identity(one) for part in delivery.batch.parts for one in part.events()]


@given(MANY, CUTS, ROUTES, st.lists(st.sampled_from(("", "restart", "crash", "rotate")), min_size=1, max_size=25), MASKS)
@settings(max_examples=40)
def test_a_route_gets_the_same_from_a_journal_however_often_it_is_restarted(
    writes: list[Write], cuts: list[bool], route: Route, troubles: list[str], always: int
) -> None:
    """Read while it grows, over segments, with restarts that replay what waits to be folded, without delivering it twice."""
    frames = framed(writes, cuts)
    facts = {"routes": [route.name, "other"], "always": always}
    expected = outcome(frames, route, 0, always)
    with TemporaryDirectory() as directory:
        stream = Path(directory)
        number = 0

        def append(*further: Frame) -> None:
            with (stream / f"0000-{number:06d}.alog").open("ab") as file:
                file.write(b"".join(encoded(one, number.to_bytes(8, "little")) for one in further))

        append(segment(**facts), *DEFINITIONS)
        sink = Sink(stream, route)
        for at, frame in enumerate(frames):
            trouble = troubles[at % len(troubles)]
            if trouble == "rotate":
                append(footer(frame.seq, "open"))
                number += 1
                append(segment(frame.seq, segment=number, **facts), *DEFINITIONS)
            append(frame)
            if trouble:
                sink.deliver(crash=trouble == "crash")
            if trouble == "restart":
                sink.restart()
        sink.deliver(crash=False)
        told, counters, waiting = expected
        assert sink.told == told
        assert sink.counters == counters
        assert sink.counters.pending == waiting
        append(footer(len(frames)))
        sink.deliver(crash=True)
        assert sink.ended
        assert sink.counters.pending == 0
        sink.feed.close()


def test_the_machine_writes_every_kind_of_frame() -> None:
    kinds = {frame_of(1, Write(one, 1, (1, 2, 3, 4), (0,)), 0).kind for one in (None, -1, -2, -3, 0)}
    assert kinds == {Kind.EVENT, Kind.SPARSE, Kind.ROWS}

"""Whatever a route makes of a stream, the process that its sink lives in is handed the same."""

from collections.abc import Sequence
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynclog.errors import DamagedFrame
from asynclog.flow.limit import Limiter, RateLimit
from asynclog.flow.route import Route
from asynclog.flow.select import Selector
from asynclog.testing.strategies import numbers, states, values
from asynclog.wire.batch import Batch
from asynclog.wire.codec import compressed
from asynclog.wire.frame import Frame
from asynclog.wire.parcel import Packing, Unpacking
from asynclog.wire.stream import Record, StreamDecoder
from tests.frames import decoded, event, rows
from tests.property.test_select import CUTS, DEFINITIONS, MANY, MASKS, ROUTES, SCHEMAS, Write, framed
from tests.unit.wire.test_parcel import Road, assert_same

SIZES = st.lists(st.integers(1, 5), max_size=10)


def batches_of(frames: Sequence[Frame], selector: Selector, sizes: Sequence[int], always: int, **facts: Any) -> list[Batch]:
    """As a feed cuts them; the last holds what waited to be folded."""
    decoder = StreamDecoder(always=always)
    decoded(DEFINITIONS, decoder)
    found: list[Batch] = []
    taken: list[Record] = []
    left = list(sizes)

    def deliver(further: Sequence[Any] = ()) -> None:
        parts = [part for one in taken for part in selector.take(one, always).parts]
        found.append(
            Batch([*parts, *further], frames=[one.frame for one in taken], seq=taken[0].frame.seq if taken else 0, **facts)
        )
        taken.clear()

    for record in decoded(frames, decoder):
        taken.append(record)
        if len(taken) >= (left[0] if left else 1 << 20):
            left.pop(0)
            deliver()
    deliver()
    taken.clear()
    deliver(selector.end().parts)
    return found


def packed_frames(frames: Sequence[Frame], which: Sequence[bool]) -> list[Frame]:
    return [compressed(one) if which and which[at % len(which)] else one for at, one in enumerate(frames)]


@given(MANY, CUTS, ROUTES, st.sampled_from((0, 1, None)), MASKS, SIZES, st.lists(st.booleans(), max_size=4))
@settings(max_examples=25)
def test_what_a_route_makes_of_a_stream_arrives(
    writes: list[Write], cuts: list[bool], route: Route, bit: int | None, always: int, sizes: list[int], pack: list[bool]
) -> None:
    """Whole rows, chosen rows and numbers, folds; of two streams over one connection."""
    road = Road()
    for writer, epoch in (("main", 0), ("other", 0), ("main", 1)):
        limiter = Limiter(RateLimit(3e-9)) if bit is None else None
        frames = packed_frames(framed(writes, cuts), pack)
        for batch in batches_of(frames, Selector(route, bit, limiter), sizes, always, writer=writer, epoch=epoch):
            assert_same(road.travelled(batch), batch)


TEXT = st.text(st.characters(codec=None), max_size=12)  # with halves of surrogate pairs
NAMES = st.tuples(TEXT, TEXT.filter(bool))


@given(st.lists(st.tuples(states(), NAMES, values() | numbers() | TEXT), max_size=6), st.lists(st.booleans(), max_size=4))
def test_values_of_every_kind_arrive(logged: list[tuple[Any, tuple[str, str], Any]], pack: list[bool]) -> None:
    frames = [
        event(
            key, value, namespace=namespace, seq=seq, time=seq, step=state.step, phase=state.phase, level=state.level,
            elapsed_s=state.elapsed_s, axes=dict(state.axes),
        )
        for seq, (state, (namespace, key), value) in enumerate(logged)
    ]  # fmt: skip
    records = decoded(packed_frames(frames, pack))
    batch = Batch([one.part for one in records], frames=[one.frame for one in records], writer="main", epoch=0, seq=0)
    assert_same(Road().travelled(batch), batch)


@given(st.lists(st.tuples(*[numbers()] * 2), min_size=1, max_size=5), st.floats(), st.floats())
def test_numbers_arrive_bit_for_bit(given_numbers: list[tuple[float, float]], elapsed: float, axis: float) -> None:
    frame = rows(
        SCHEMAS[2],
        [(float(one), hash(other)) for one, other in given_numbers],
        prefixes=[(1, elapsed, axis)] * len(given_numbers),
    )
    (record,) = decoded([*DEFINITIONS, frame])
    batch = Batch([record.part], frames=[frame], writer="main", epoch=0, seq=0)
    assert_same(Road().travelled(batch), batch)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary(max_size=9) | TEXT,
    lambda inner: st.lists(inner, max_size=10) | st.dictionaries(TEXT | st.integers(0, 3), inner, max_size=3),
    max_leaves=12,
)


@given(ANYTHING | st.tuples(TEXT, *[st.integers(0, 3)] * 3, *[st.lists(ANYTHING, max_size=3)] * 3).map(list))
def test_anything_else_is_damage(content: Any) -> None:
    """At once or when it is looked into; unless it says nothing at all."""

    def look(place: Any) -> memoryview:
        return memoryview(b"beside")[place[0] :]

    try:
        list(Unpacking().unpack(content, look).writes())
    except DamagedFrame:
        pass


@given(MANY, st.data())
def test_one_thing_changed_is_damage_or_another_batch(writes: list[Write], data: st.DataObject) -> None:
    """Never another error, however deep it lies."""
    road = Road()
    (batch, *_) = batches_of(framed(writes, []), Selector(Route(Sink()), 0), [], 1, writer="main", epoch=0)
    content = road.packed(batch)
    at: Any = content
    while True:
        where = data.draw(st.integers(0, len(at) - 1))
        if not isinstance(at[where], list) or not at[where]:
            break
        at = at[where]
    at[where] = data.draw(ANYTHING)
    sent = msgpack.unpackb(msgpack.packb(content, unicode_errors="replace"), strict_map_key=False)
    try:
        arrived = Unpacking().unpack(sent, road.look)
        list(arrived.writes())
    except DamagedFrame:
        pass


class Sink:
    async def write(self, batch: Any, /) -> None: ...

    async def aclose(self) -> None: ...


def test_the_streams_hold_what_no_frame_holds_as_it_is() -> None:
    """Else the first test would say little."""
    writes = [Write(1, due, (1, 2, 3, 4)) for due in (0, 1, 0)] + [Write(-2, 1, (1,) * 4, (0, 1))]
    batches = batches_of(framed(writes, []), Selector(Route(Sink(), namespaces={"gan"}), 0), [1], 1, writer="main", epoch=0)
    spelled = [part for batch in batches for part in Packing().pack(batch, len)[6] if not isinstance(part, int)]
    assert [one[0] for one in spelled].count("numbers") >= 2
    with pytest.raises(DamagedFrame):
        Unpacking().unpack([], len)  # type: ignore[arg-type]

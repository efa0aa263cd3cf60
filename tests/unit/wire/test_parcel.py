"""A parcel: what a batch was at one end, it is at the other; payloads of some size go beside it; anything else is damage."""

from collections.abc import Callable, Sequence
from typing import Any

import msgpack
import numpy as np
import pytest

from asynclog.errors import DamagedFrame
from asynclog.sink import Event
from asynclog.values import Config, Image, Tensor
from asynclog.wire.batch import Batch, Events, Rows
from asynclog.wire.codec import compressed
from asynclog.wire.frame import Frame
from asynclog.wire.layout import Kind
from asynclog.wire.parcel import INLINE_BYTES, Packing, Unpacking
from asynclog.wire.schema import Schema
from asynclog.wire.stream import StreamDecoder
from tests.frames import ACCURACY, LOSS, SEEN, decoded, event, rows, sparse, sparse_record

SCHEMA = Schema(1, (LOSS, SEEN), due=True, elapsed=True, axes=("samples",))
PLAIN = Schema(2, (ACCURACY,))
LARGE = np.arange(3 * INLINE_BYTES, dtype=np.uint8)


class Road:
    """Between two ends: what is packed goes through msgpack, and large payloads wait beside it."""

    def __init__(self) -> None:
        self.packing, self.unpacking = Packing(), Unpacking()
        self.beside: list[memoryview] = []

    def place(self, payload: memoryview) -> list[int]:
        self.beside.append(payload)
        return [len(self.beside) - 1, payload.nbytes]

    def look(self, place: Any) -> memoryview:
        at, nbytes = place
        found = self.beside[at]
        assert found.nbytes == nbytes
        return found

    def packed(self, batch: Batch) -> Any:
        content = msgpack.packb(self.packing.pack(batch, self.place), use_bin_type=True, unicode_errors="backslashreplace")
        self.packing.sent()
        return msgpack.unpackb(content, raw=False, strict_map_key=False, max_ext_len=0)

    def travelled(self, batch: Batch) -> Batch:
        return self.unpacking.unpack(self.packed(batch), self.look)


def batch_of(frames: Sequence[Frame], **named: Any) -> Batch:
    """As a feed makes it of everything a stream holds."""
    decoder = StreamDecoder()
    decoder.feed(SCHEMA.frame(0, 0))
    decoder.feed(PLAIN.frame(0, 0))
    records = decoded(frames, decoder)
    facts: dict[str, Any] = {"writer": "main", "epoch": 0, "seq": records[0].frame.seq} | named
    return Batch([one.part for one in records], frames=[one.frame for one in records], **facts)


def same_value(one: Any, other: Any) -> bool:
    """Bit for bit; NaN is NaN, and a whole number is no float."""
    if isinstance(one, float) and isinstance(other, float):
        return np.float64(one).tobytes() == np.float64(other).tobytes()
    if hasattr(one, "parts"):
        (params, arrays), (others, other_arrays) = one.parts(), other.parts()
        return bool(
            type(one) is type(other)
            and params == others
            and arrays.keys() == other_arrays.keys()
            and all(a.dtype == other_arrays[n].dtype and a.shape == other_arrays[n].shape for n, a in arrays.items())
            and all(a.tobytes() == other_arrays[name].tobytes() for name, a in arrays.items())
        )
    return bool(type(one) is type(other) and one == other)


def assert_same_event(one: Event, other: Event) -> None:
    assert same_value(one.value, other.value), (one, other)
    # NaN, which a row's axis may hold, equals nothing.
    assert one._replace(value=None, elapsed_s=None, axes={}) == other._replace(value=None, elapsed_s=None, axes={})
    assert same_value(one.elapsed_s, other.elapsed_s)
    assert one.axes.keys() == other.axes.keys()
    assert all(same_value(value, other.axes[name]) for name, value in one.axes.items())


def assert_same(arrived: Batch, batch: Batch) -> None:
    """In everything that a sink may ask it."""
    assert (arrived.writer, arrived.epoch, arrived.seq) == (batch.writer, batch.epoch, batch.seq)
    assert len(arrived) == len(batch)
    for one, other in zip(arrived, batch, strict=True):
        assert_same_event(one, other)
    for write, expected in zip(arrived.writes(), batch.writes(), strict=True):
        # As text: a state with NaN in it equals nothing.
        assert (write.time_ns, repr(write.state)) == (expected.time_ns, repr(expected.state))
        for one, other in zip(write.events, expected.events, strict=True):
            assert_same_event(one, other)
    assert arrived.columns.keys() == batch.columns.keys()
    for name, column in batch.columns.items():
        for found, wanted in zip(arrived.columns[name], column, strict=True):
            assert found.dtype == wanted.dtype
            assert found.tobytes() == wanted.tobytes()
    assert arrived.frames == batch.frames


ROWS = rows(SCHEMA, [(0.5, 1), (float("nan"), -(2**63))], prefixes=[(1, 0.5, 2.0), (0, float("inf"), 4.0)], seq=0, epoch=3)
BLOBS = [Frame(Kind.BLOB, seq=7 + at, time=0, payload=LARGE[at * 8192 : (at + 1) * 8192].tobytes()) for at in range(3)]

BATCHES: dict[str, Callable[[], Batch]] = {
    "rows": lambda: batch_of([ROWS]),
    "rows of several schemas": lambda: batch_of([ROWS, rows(PLAIN, [(1.0,)] * 9, seq=1, times=range(5, 14))]),
    "rows that overlap": lambda: batch_of([rows(PLAIN, [(1.0,)] * 9, seq=0), rows(PLAIN, [(2.0,)], seq=1, times=[4])]),
    "rows of a level": lambda: batch_of([rows(PLAIN, [(1.0,)], level="epoch")]),
    "rows compressed": lambda: batch_of([compressed(rows(PLAIN, [(1.0,)] * 500))]),
    "many rows": lambda: batch_of([rows(PLAIN, [(float(at),) for at in range(2000)])]),
    "sparse numbers": lambda: batch_of([sparse([sparse_record(1, 3, [1, 2], [0.5, 0.25], elapsed=0.5)], seq=1)]),
    "text": lambda: batch_of([event("note", "some text", elapsed_s=float("-inf"), axes={"samples": 3.0})]),
    "text with half a surrogate pair": lambda: batch_of([event("no\udc80te", "te\udc80xt", namespace="a\ud800")]),
    "long text": lambda: batch_of([event("note", "x" * 20_000)]),
    "settings": lambda: batch_of([event("setup", Config({"lr": 0.1, "layers": [1, 2]}), level="fit")]),
    "numbers of their own": lambda: batch_of([event("x", 2**63 - 1, phase="valid"), event("x", -0.0, seq=1, time=2)]),
    "small arrays": lambda: batch_of([event("picture", Image(np.arange(300, dtype=np.uint8).reshape(3, 10, 10), "c"))]),
    "large arrays": lambda: batch_of([event("weights", Tensor(LARGE.view(np.float16).reshape(3, -1)))]),
    "large arrays compressed": lambda: batch_of([compressed(event("weights", Tensor(np.zeros(1 << 20))))]),
    "arrays in parts": lambda: batch_of(
        [*BLOBS, Frame(Kind.EVENT, seq=10, time=1, meta_bytes=event("w", Tensor(LARGE), parts=[7, 8, 9]).meta_bytes)]
    ),
    "folded numbers": lambda: Batch(
        [Events([Event("scalar", "train", "a/b", "loss", 3, 1, 99, {"samples": 0.5}, 1.5, "epoch", 0.25)])],
        writer="main", epoch=0, seq=5, frames=[ROWS],
    ),
    "rows that no frame holds": lambda: Batch(
        [Rows(SCHEMA, ROWS.payload[:SCHEMA.stride], 3, "epoch"), Rows(PLAIN, b"")], writer="main", epoch=0, seq=5
    ),
    "a value that no frame holds": lambda: Batch(
        [
            Events(
                [
                    Event("scalar", "train", "", "n", 3, 1, 99, {}, -(2**63)),
                    Event("image", "test", "x", "p", 3, 1, 99, {"a": 1.0}, Image(LARGE.reshape(3, -1, 1024)), "fit", 0.5),
                    Event("string", "train", "", "note", 3, 1, 99, {}, "words"),
                    Event("config", "train", "", "c", 3, 1, 100, {}, {"lr": 1}),
                    Event("scalar", "train", "", "n", 4, 1, 101, {}, float("nan")),
                ]
            )
        ],
        writer="main", epoch=0, seq=5,
    ),
    "another writer and epoch": lambda: batch_of([ROWS], writer="rank-1", epoch=7),
    "nothing": lambda: Batch([], writer="main", epoch=0, seq=3),
}  # fmt: skip


@pytest.mark.parametrize("what", BATCHES)
def test_a_batch_arrives_as_it_was(what: str) -> None:
    batch = BATCHES[what]()
    assert_same(Road().travelled(batch), batch)


def test_a_connection_carries_any_batches_one_after_the_other() -> None:
    road = Road()
    for _ in range(2):
        for make in BATCHES.values():
            batch = make()
            assert_same(road.travelled(batch), batch)


def test_batches_are_looked_into_in_any_order() -> None:
    """Whatever came after: a sink may keep what it was given."""
    road = Road()
    pairs = [(road.travelled(batch), batch) for batch in (make() for make in BATCHES.values())]
    for arrived, batch in reversed(pairs):
        assert_same(arrived, batch)


def test_a_schema_is_told_once_a_stream() -> None:
    road = Road()
    told = [len(road.packed(BATCHES[what]())[4]) for what in ("rows", "rows", "another writer and epoch", "rows")]
    assert told == [1, 0, 1, 0]


def test_a_schema_that_was_not_sent_is_told_again() -> None:
    """A batch that could not be packed or posted: its schemas would be missed for ever."""
    packing = Packing()
    full = [ROWS, event("weights", Tensor(LARGE), seq=1)]

    def no_place(payload: memoryview) -> list[int]:
        raise OSError("no descriptor is left")

    with pytest.raises(OSError, match="no descriptor"):
        packing.pack(batch_of(full), no_place)
    assert len(packing.pack(batch_of([ROWS]), no_place)[4]) == 1
    packing.sent()
    assert packing.pack(batch_of([ROWS]), no_place)[4] == []


def test_only_large_payloads_go_beside_the_message() -> None:
    """Each once, and as they are: nobody copies them."""
    road = Road()
    road.packed(BATCHES["small arrays"]())
    assert road.beside == []
    batch = BATCHES["large arrays"]()
    arrived = road.travelled(batch)
    (beside,) = road.beside
    assert beside.obj is memoryview(batch.records[0].payload).obj
    assert np.shares_memory(next(iter(arrived)).value.data, np.frombuffer(beside, np.uint8))


def test_a_sink_that_moves_frames_decodes_none() -> None:
    """Nothing is looked into before somebody asks for it: not even what can't be decoded."""
    batch = batch_of([ROWS])
    content = Road().packed(batch)
    content[5][0][8] = b"no rows"
    arrived = Unpacking().unpack(content, Road().look)
    assert len(arrived) == len(batch)
    assert len(arrived.frames) == 1
    with pytest.raises(DamagedFrame):
        list(arrived)


def _with(at: Any, what: Any) -> Callable[[Any], Any]:
    def change(content: Any) -> Any:
        content[at] = what
        return content

    return change


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: None, id="nothing"),
        pytest.param(lambda _: 7, id="a number"),
        pytest.param(lambda _: "text", id="text"),
        pytest.param(lambda content: content[:-1], id="short"),
        pytest.param(lambda content: [*content, 1], id="long"),
        pytest.param(lambda content: dict(enumerate(content)), id="a map"),
        pytest.param(_with(0, ["main"]), id="a writer that is a list"),
        pytest.param(_with(3, "many"), id="a length that is text"),
        pytest.param(_with(3, -1), id="a length below none"),
        pytest.param(_with(4, 7), id="definitions that are a number"),
        pytest.param(_with(4, [[1, 2]]), id="definitions that are no frames"),
        pytest.param(_with(4, [[int(Kind.SCHEMA), 0, 0, 1, 1, 0, b"", 3, b"xyz"]]), id="definitions that define nothing"),
        pytest.param(_with(4, []), id="without definitions"),
        pytest.param(_with(5, None), id="frames that are none"),
        pytest.param(_with(5, [3]), id="frames that are numbers"),
        pytest.param(_with(6, [99]), id="a part that isn't there"),
        pytest.param(_with(6, [-1, -2]), id="a part before the first"),
        pytest.param(_with(6, [None]), id="a part that is nothing"),
        pytest.param(_with(6, [["numbers", [[1, 2]]]]), id="numbers of two fields"),
        pytest.param(_with(6, [["numbers", 3]]), id="numbers that are one"),
        pytest.param(_with(6, [["numbers", [[None] * 10]]]), id="numbers of nothing"),
        pytest.param(_with(6, [["letters", []]]), id="parts of another kind"),
        pytest.param(_with(6, [[int(Kind.EVENT), 0, 0, 0, 0, 0, b"\xc1", 0, b""]]), id="an event without meta"),
        pytest.param(_with(6, [[int(Kind.ROWS), 0, 0, 9, 0, 0, b"", 0, b""]]), id="rows of an unknown schema"),
        pytest.param(_with(6, [["x", 0, 0, 9, 0, 0, b"", 0, b""]]), id="a kind that is text"),
        pytest.param(_with(6, [[int(Kind.EVENT), 0, 0, 0, 0, 0, b"", 0, ["no", "place"]]]), id="a place that isn't there"),
    ],
)
def test_whatever_else_comes_is_damage(spoil: Callable[[Any], Any]) -> None:
    """When it comes, or when it is looked into; and the next batch is none the worse."""
    road = Road()

    def look(place: Any) -> memoryview:
        at, _ = place
        return road.beside[at]

    content = spoil(road.packed(batch_of([ROWS, event("weights", Tensor(LARGE), seq=1)])))
    unpacking = Unpacking()
    with pytest.raises(DamagedFrame):  # noqa: PT012 - at one of the two
        arrived = unpacking.unpack(content, look)
        list(arrived.writes())
    batch = batch_of([ROWS])
    assert_same(unpacking.unpack(Road().packed(batch), look), batch)

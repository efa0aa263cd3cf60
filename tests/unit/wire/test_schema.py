"""What columns mean: definitions there and back, rows' layout, sparse records."""

from dataclasses import astuple

import msgpack
import numpy as np
import pytest

from asynclog.errors import DamagedFrame
from asynclog.wire.frame import Frame, pack_meta
from asynclog.wire.layout import Kind
from asynclog.wire.schema import (
    REDUCTIONS,
    Schema,
    SchemaBook,
    Series,
    pack_series,
    series_frame,
    sparse_records,
    unpack_series,
)
from tests.frames import ACCURACY, LOSS, SEEN, START_NS, rows, sparse, sparse_record

LAYOUTS = [
    (Schema(1, (LOSS,)), "@qdq", 24, 1),
    (Schema(2, (LOSS, SEEN), due=True), "@qQdqq", 40, 2),
    (Schema(3, (LOSS,), elapsed=True), "@qddq", 32, 2),
    (Schema(4, (SEEN,), due=True, elapsed=True, axes=("a", "b")), "@qQdddqq", 56, 5),
    (Schema(5, ()), "@qq", 16, 1),
]


@pytest.mark.parametrize(("schema", "layout", "stride", "first"), LAYOUTS)
def test_a_row_holds_only_what_its_schema_names(schema: Schema, layout: str, stride: int, first: int) -> None:
    assert (schema.struct.format, schema.struct.size, schema.stride) == (layout, stride, stride)
    assert schema.first_column == first
    assert schema.integers.tolist() == [one.code == "q" for one in schema.series]
    assert schema.phase == "train"


@pytest.mark.parametrize("schema", [one[0] for one in LAYOUTS])
def test_a_definition_is_learned_from_its_frame(schema: Schema) -> None:
    book = SchemaBook()
    book.learn(schema.frame(9, START_NS))
    assert astuple(book.schemas[schema.number]) == astuple(schema)
    assert book.schema_of(rows(schema, [])) is book.schemas[schema.number]


def test_series_keep_their_names_types_and_reductions() -> None:
    """Consecutive series of one namespace share a group; names are any text."""
    series = (
        Series("train", "", "loss"),
        Series("train", "", "n/☃", "q", "sum"),
        Series("valid", "gen", "loss", "d", "mean"),
        Series("train", "", "again", "d", "count"),
    )
    packed = pack_series(series)
    assert unpack_series(packed) == (series, None)
    assert len(msgpack.unpackb(packed)["groups"]) == 3
    assert {Series("t", "", "k", "d", one) for one in REDUCTIONS} == set(
        unpack_series(pack_series([Series("t", "", "k", "d", one) for one in REDUCTIONS]))[0]
    )


def test_a_hundred_thousand_keys_fit_a_definition() -> None:
    series = tuple(Series("train", "grad", f"layer{at}/weight") for at in range(100_000))
    assert unpack_series(pack_series(series))[0] == series


def test_a_later_definition_of_a_number_replaces_the_earlier() -> None:
    book = SchemaBook()
    book.learn(Schema(1, (LOSS,)).frame(0, 0))
    book.learn(Schema(1, (LOSS, ACCURACY)).frame(0, 0))
    assert book.schemas[1].series == (LOSS, ACCURACY)


def test_numbered_series_are_learned_for_sparse_records() -> None:
    book = SchemaBook()
    book.learn(series_frame([7, 3], [LOSS, SEEN], 0, 0))
    assert book.series == {7: LOSS, 3: SEEN}
    assert book.schemas == {}


def group(**changes: object) -> bytes:
    fields = {"phase": "train", "namespace": "", "keys": ["a"], "codes": "d", "reductions": b"\0"} | changes
    return msgpack.packb({"groups": [list(fields.values())]})  # type: ignore[no-any-return]


WRONG_SERIES = {
    "not msgpack": b"\xc1",
    "nothing": b"",
    "a list": b"\x90",
    "no groups": msgpack.packb({}),
    "groups that are a number": msgpack.packb({"groups": 5}),
    "a group of three": msgpack.packb({"groups": [["train", "", []]]}),
    "an unknown type": group(codes="x"),
    "an unknown reduction": group(reductions=b"\x63"),
    "reductions that are text": group(reductions="x"),
    "more keys than types": group(keys=["a", "b"]),
    "numbers that are text": msgpack.packb({"groups": [], "ids": "abcd"}),
    "half a number": msgpack.packb({"groups": [], "ids": b"abc"}),
    "more numbers than series": msgpack.packb({"groups": [], "ids": bytes(4)}),
    "an ext object": msgpack.packb({"groups": [], "x": msgpack.ExtType(5, b"x")}),
    "a promise of four billion groups": b"\x81\xa6groups\xdd\xff\xff\xff\xff",
}


@pytest.mark.parametrize("payload", WRONG_SERIES.values(), ids=WRONG_SERIES)
def test_a_malformed_definition_is_damage(payload: bytes) -> None:
    with pytest.raises(DamagedFrame):
        SchemaBook().learn(Frame(Kind.SCHEMA, seq=0, time=0, schema=1, payload=payload))


def test_axes_that_are_no_list_are_damage() -> None:
    frame = Frame(Kind.SCHEMA, seq=0, time=0, schema=1, payload=pack_series([LOSS]), meta_bytes=pack_meta({"axes": 5}))
    with pytest.raises(DamagedFrame, match="not a list"):
        SchemaBook().learn(frame)


def test_rows_of_an_undefined_schema_are_damage() -> None:
    with pytest.raises(DamagedFrame, match="schema 1, which this segment does not define"):
        SchemaBook().schema_of(rows(Schema(1, (LOSS,)), [(1.0,)]))


def test_rows_are_a_matrix_of_views() -> None:
    schema = Schema(1, (LOSS, SEEN))
    payload = rows(schema, [(0.5, 2**60), (-0.0, -1)], step=4).payload
    fields = schema.fields(payload)
    assert fields.shape == (2, 4)
    assert fields[:, 1].tolist() == [0.5, -0.0]
    assert fields.view(np.int64)[:, [0, 2]].tolist() == [[4, 2**60], [5, -1]]
    assert not fields.flags.owndata
    with pytest.raises(DamagedFrame, match="no rows of 32"):
        schema.fields(payload[:-8])


@pytest.mark.parametrize("due", [None, 0, 2**64 - 1])
@pytest.mark.parametrize("elapsed", [None, 1.5])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_sparse_record_comes_back_as_it_was(due: int | None, elapsed: float | None, count: int) -> None:
    one = sparse_record(-3, 17, range(count), [0.5] * count, due=due, elapsed=elapsed)
    other = sparse_record(4, 18, [9], [float("inf")])
    back, behind = sparse_records(one + other)
    assert (back.step, back.time, back.due, back.elapsed) == (-3, START_NS + 17, due, elapsed)
    assert (back.numbers.tolist(), back.values.tolist()) == (list(range(count)), [0.5] * count)
    assert (behind.step, behind.numbers.tolist(), behind.values.tolist()) == (4, [9], [float("inf")])
    assert len(one) % 8 == 0


def test_sparse_records_that_are_cut_anywhere_are_damage() -> None:
    record = sparse_record(1, 2, [1, 2, 3], [1.0, 2.0, 3.0], due=1, elapsed=0.5)
    assert sparse_records(b"") == []
    for length in range(1, len(record)):
        with pytest.raises(DamagedFrame):
            sparse_records(sparse([record[:length]]).payload)


def test_a_sparse_record_that_claims_four_billion_numbers_is_damage() -> None:
    record = bytearray(sparse_record(1, 2, [1], [1.0]))
    record[8:12] = b"\xff" * 4
    with pytest.raises(DamagedFrame, match="longer than its frame"):
        sparse_records(record)

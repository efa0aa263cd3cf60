"""From frames to records: what is new, what is missing, what came late, what belongs together."""

from typing import Any

import numpy as np
import pytest

from asynclog.errors import DamagedFrame
from asynclog.values import Tensor
from asynclog.wire.codec import compressed
from asynclog.wire.frame import Frame, pack_meta
from asynclog.wire.layout import Kind
from asynclog.wire.schema import Schema, pack_series, series_frame
from asynclog.wire.stream import StreamDecoder
from tests.frames import (
    ACCURACY,
    LOSS,
    SEEN,
    START_NS,
    decoded,
    event,
    footer,
    heartbeat,
    rows,
    segment,
    sparse,
    sparse_record,
)

SCHEMA = Schema(1, (LOSS, SEEN))
DEFINITION = SCHEMA.frame(0, 0)

ARRIVALS = {
    "dense": ([0, 1, 2], [0, 1, 2], 0, 0),
    "from the middle": ([5, 6], [5, 6], 5, 0),
    "a repeat": ([0, 1, 1, 0, 2], [0, 1, 2], 0, 2),
    "missing": ([0, 3], [0, 3], 2, 0),
    "late, rescued from a condemned segment": ([0, 3, 1, 2], [0, 3, 1, 2], 0, 0),
    "late twice": ([0, 2, 1, 1], [0, 2, 1], 0, 1),
}


@pytest.mark.parametrize(("seqs", "taken", "missing", "repeats"), ARRIVALS.values(), ids=ARRIVALS)
def test_each_seq_is_taken_once_and_what_never_came_is_counted(
    seqs: list[int], taken: list[int], missing: int, repeats: int
) -> None:
    decoder = StreamDecoder()
    found = decoded([event("k", float(seq), seq=seq) for seq in seqs], decoder)
    assert [one.frame.seq for one in found] == taken
    assert (decoder.missing, decoder.repeats, decoder.last_seq) == (missing, repeats, max(seqs))
    assert decoder.events == len(taken)


def test_a_filtered_stream_misses_nothing() -> None:
    decoder = StreamDecoder()
    decoded([segment(kinds=["image"]), event("k", 1.0, seq=7)], decoder)
    assert decoder.filtered
    assert decoder.missing == 0


def test_a_forged_seq_does_not_spoil_what_follows() -> None:
    decoder = StreamDecoder()
    with pytest.raises(DamagedFrame, match="after -1"):
        decoder.feed(event("k", 1.0, seq=2**63))
    assert len(decoded([event("k", 1.0, seq=0)], decoder)) == 1


def test_a_segment_says_which_routes_there_are_and_reopens_a_closed_stream() -> None:
    decoder = StreamDecoder()
    decoded([segment(routes=["a", "b"], always=2), footer(0, "open")], decoder)
    assert (decoder.routes, decoder.always) == (("a", "b"), 2)
    assert decoder.footer is not None
    decoder.feed(segment(segment=1))
    assert decoder.footer is None
    assert not decoder.filtered


def test_notes_are_kept_and_consume_no_seq() -> None:
    decoder = StreamDecoder()
    gap = Frame(Kind.GAP, seq=4, time=START_NS, meta_bytes=pack_meta({"reason": "full", "from_seq": 0, "to_seq": 3}))
    assert decoded([segment(), gap, heartbeat(4, START_NS + 9), footer(4)], decoder) == []
    assert (decoder.gaps, decoder.heartbeat_ns, decoder.last_seq) == ([gap], START_NS + 9, -1)


@pytest.mark.parametrize("squeeze", [False, True])
def test_rows_become_a_record_with_their_schema_epoch_and_level(squeeze: bool) -> None:
    frame = rows(SCHEMA, [(0.5, 2**60)] * 50, epoch=3, level="epoch")
    (record,) = decoded([DEFINITION, compressed(frame) if squeeze else frame])
    first = next(iter(record.part.events()))
    assert (first.value, first.epoch, first.level) == (0.5, 3, "epoch")
    assert (record.events, record.due) == (100, None)


def test_sparse_records_become_events_each_with_its_mask() -> None:
    decoder = StreamDecoder()
    named = series_frame([3, 4], [LOSS, ACCURACY], 0, 0)
    payload = [
        sparse_record(1, 1, [3, 4], [0.5, 0.25], due=5, elapsed=1.5),
        sparse_record(2, 2, [4], [0.75]),
        sparse_record(3, 3, [9], [1.0], due=2**64 - 1),
    ]
    frame = sparse(payload, epoch=2, level="epoch")
    (record,) = decoded([segment(always=6), named, frame], decoder)
    told = [(one.step, one.key, one.value, one.elapsed_s) for one in record.part.events()]
    assert told == [
        (1, "loss", 0.5, 1.5), (1, "accuracy", 0.25, 1.5), (2, "accuracy", 0.75, None), (3, "unnamed series 9", 1.0, None),
    ]  # fmt: skip
    assert record.due == (5, 5, 6, 2**64 - 1)
    assert {(one.epoch, one.level) for one in record.part.events()} == {(2, "epoch")}
    assert record.events == decoder.events == 4


def parted(data: bytes, *, seq: int = 0, parts: int = 3) -> list[Frame]:
    whole = event("k", Tensor(np.frombuffer(data, np.uint8)), seq=seq + parts, parts=list(range(seq, seq + parts)))
    share = -(-len(data) // parts)
    blobs = [Frame(Kind.BLOB, seq=seq + at, time=START_NS, payload=data[at * share : (at + 1) * share]) for at in range(parts)]
    return [*blobs, Frame(Kind.EVENT, seq=seq + parts, time=START_NS, meta_bytes=whole.meta_bytes)]


def test_parts_are_joined_by_the_event_that_lists_them() -> None:
    data = bytes(range(200))
    frames = parted(data)
    frames[1] = compressed(Frame(Kind.BLOB, seq=1, time=0, payload=frames[1].payload))
    (record,) = decoded(frames)
    (got,) = record.part.events()
    assert got.value.data.tobytes() == data
    assert record.events == 1


def test_a_missing_part_costs_its_event_alone() -> None:
    decoder = StreamDecoder()
    first, _, third, whole = parted(bytes(90))
    decoded([first, third], decoder)
    with pytest.raises(DamagedFrame, match="a part is missing"):
        decoder.feed(whole)
    assert decoder.missing == 1
    assert len(decoded([event("k", 1.0, seq=4)], decoder)) == 1


def test_rows_before_their_definition_are_damage_and_their_seq_is_counted() -> None:
    decoder = StreamDecoder()
    with pytest.raises(DamagedFrame, match="does not define"):
        decoder.feed(rows(SCHEMA, [(1.0, 1)]))
    assert (decoder.last_seq, decoder.missing, decoder.events) == (0, 0, 0)


def note(kind: Kind, **meta: Any) -> Frame:
    return Frame(kind, seq=0, time=START_NS, schema=1, meta_bytes=pack_meta(meta), payload=pack_series([LOSS]))


MALFORMED = {
    "rows that are cut": Frame(Kind.ROWS, seq=0, time=0, schema=1, payload=bytes(33)),
    "rows of a nameless epoch": rows(SCHEMA, [(1.0, 1)], epoch="x"),
    "rows of an endless epoch": rows(SCHEMA, [(1.0, 1)], epoch=float("inf")),
    "sparse records that are cut": sparse([sparse_record(1, 1, [1], [1.0])[:-8]]),
    "a mask that is text": event("k", 1.0, due="x"),  # type: ignore[arg-type]
    "a mask that is a list": event("k", 1.0, due=[1]),  # type: ignore[arg-type]
    "parts that are a number": event("k", 1.0, parts=5),
    "parts that are text": event("k", 1.0, parts=["x"]),
    "a segment whose routes are a number": segment(routes=5),
    "a segment whose mask is text": segment(always="x"),
    "a segment without a map": Frame(Kind.SEGMENT, seq=0, time=0, meta_bytes=b"\x90"),
    "a schema whose axes are a number": note(Kind.SCHEMA, axes=5),
}


@pytest.mark.parametrize("frame", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_frame_is_damage_and_the_stream_goes_on(frame: Frame) -> None:
    decoder = StreamDecoder()
    decoder.feed(DEFINITION)
    with pytest.raises(DamagedFrame):
        decoder.feed(frame)
    assert len(decoded([rows(SCHEMA, [(1.0, 1)], seq=1)], decoder)) == 1


def test_frames_of_no_use_to_a_reader_are_passed_over() -> None:
    assert decoded([Frame(Kind.INDEX, seq=0, time=0, payload=bytes(24)), Frame(Kind.SLABREF, seq=0, time=0)]) == []

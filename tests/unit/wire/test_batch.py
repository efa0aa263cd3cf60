"""A batch as events, as columns, as writes and as bytes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from asynclog.sink import Event
from asynclog.testing import batch_of, strategies
from asynclog.wire.batch import Batch, Events, Rows
from asynclog.wire.frame import Header, decode
from asynclog.wire.schema import Schema
from tests.frames import ACCURACY, LOSS, SEEN, START_NS, rows

ONE, TWO = Schema(1, (LOSS, SEEN)), Schema(2, (LOSS,))


def made(schema: Schema, values: list[tuple[float, ...]], times: list[int], **facts: object) -> Rows:
    return Rows(schema, rows(schema, values, times=times).payload, **facts)  # type: ignore[arg-type]


def single(time: int, value: float | str, key: str = "loss", kind: str = "scalar", step: int = 0) -> Event:
    return Event(kind, "train", "", key, step, 0, START_NS + time, {}, value)


def batch(*parts: Rows | Events) -> Batch:
    return Batch(parts, writer="main", epoch=2, seq=9)


def told(found: Batch) -> list[tuple[int, str, object]]:
    return [(one.time_ns - START_NS, one.key, one.value) for one in found]


ORDERS = {
    "nothing": ([], []),
    "one part": ([made(TWO, [(1.0,), (2.0,)], [1, 2])], [1, 2]),
    "parts in order": ([made(TWO, [(1.0,)], [1]), Events([single(2, 2.0)]), made(TWO, [(3.0,)], [3])], [1, 2, 3]),
    "an empty part between": ([made(TWO, [(1.0,)], [2]), made(ONE, [], []), Events([]), Events([single(3, 0.0)])], [2, 3]),
    "overlapping rows": ([made(TWO, [(1.0,), (2.0,)], [1, 3]), made(TWO, [(3.0,), (4.0,)], [2, 4])], [1, 2, 3, 4]),
    "an event before rows that began earlier": ([Events([single(2, 1.0)]), made(TWO, [(2.0,)], [1])], [1, 2]),
    "events out of order": ([Events([single(5, 1.0), single(4, 2.0)])], [4, 5]),
}


@pytest.mark.parametrize(("parts", "times"), ORDERS.values(), ids=ORDERS)
def test_events_come_in_the_order_they_were_written(parts: list[Rows | Events], times: list[int]) -> None:
    found = batch(*parts)
    assert [time for time, _, _ in told(found)] == times
    assert [one.time_ns - START_NS for one in found.writes()] == times
    assert len(found) == len(times)


def test_a_row_counts_as_many_events_as_it_has_numbers() -> None:
    found = batch(made(ONE, [(0.5, 7), (0.25, 8)], [1, 2]))
    assert len(found) == 4
    assert told(found) == [(1, "loss", 0.5), (1, "seen", 7), (2, "loss", 0.25), (2, "seen", 8)]
    assert repr(found) == "<Batch of 4 events, main/2/9>"


def test_a_rows_events_carry_its_state() -> None:
    schema = Schema(3, (LOSS, ACCURACY), due=True, elapsed=True, axes=("samples", "version"))
    part = Rows(schema, rows(schema, [(1.0, 2.0)], step=4, prefixes=[(5, 1.5, 32.0, 2.0)]).payload, 7, "epoch")
    for one in part.events():
        assert (one.step, one.epoch, one.level, one.elapsed_s) == (4, 7, "epoch", 1.5)
        assert one.axes == {"samples": 32.0, "version": 2.0}
        assert one.state.axes == one.axes
    plain = next(made(TWO, [(1.0,)], [1]).events())
    assert (plain.elapsed_s, dict(plain.axes), plain.level, plain.time) == (None, {}, "batch", (START_NS + 1) / 1e9)


def test_a_write_gathers_what_shares_its_time_from_all_parts() -> None:
    """Rows of two schemas and a text of one write; also where order must be restored first."""
    parts = [
        made(ONE, [(0.5, 7), (0.25, 8)], [1, 3]),
        made(TWO, [(9.0,)], [1]),
        Events([single(1, "hi", "note", "string"), single(3, "ho", "note", "string")]),
    ]
    first, second = batch(*parts).writes()
    assert [(one.key, one.value) for one in first.events] == [("loss", 0.5), ("seen", 7), ("loss", 9.0), ("note", "hi")]
    assert [(one.key, one.value) for one in second.events] == [("loss", 0.25), ("seen", 8), ("note", "ho")]
    assert (first.time_ns, first.state.step) == (START_NS + 1, 0)


def test_rows_without_columns_are_no_writes() -> None:
    found = batch(made(Schema(5, ()), [(), ()], [1, 2]))
    assert (list(found), list(found.writes()), len(found)) == ([], [], 0)


def test_columns_join_the_parts_of_a_series_in_the_order_of_time() -> None:
    parts = [
        made(ONE, [(0.5, 2**60), (0.25, 1)], [1, 4]),
        made(TWO, [(9.0,)], [2]),
        Events([single(3, 8.0, step=5), single(3, 2, "whole"), single(3, "hi", "note", "string")]),
    ]
    found = batch(*parts).columns
    assert set(found) == {("train", "", "loss"), ("train", "data", "seen"), ("train", "", "whole")}
    loss = found["train", "", "loss"]
    assert loss.value.tolist() == [0.5, 9.0, 8.0, 0.25]
    assert (loss.time_ns - START_NS).tolist() == [1, 2, 3, 4]
    assert loss.step.tolist() == [0, 0, 5, 1]
    assert found["train", "data", "seen"].value.tolist() == [2**60, 1]
    assert found["train", "", "whole"].value.dtype == np.int64


@given(entries=strategies.entries())
def test_extents_say_what_writes_would(entries: Any) -> None:
    """Of each phase and epoch, without an object a write."""
    found = batch_of(entries)
    expected: dict[tuple[str, int], list[Any]] = {}
    for write in found.writes():
        expected.setdefault((write.state.phase, write.state.epoch), []).append((write.state.step, write.time_ns))
    assert [tuple(one) for one in found.extents] == [
        (*which, len(some), some[0][0], some[-1][0], max(step for step, _ in some), some[0][1], some[-1][1])
        for which, some in expected.items()
    ]


def test_extents_of_rows_that_overlap_in_time_are_in_its_order() -> None:
    found = batch(made(TWO, [(1.0,), (2.0,)], [1, 5]), made(TWO, [(3.0,)], [3])).extents
    assert [(one.writes, one.first_ns - START_NS, one.last_ns - START_NS) for one in found] == [(3, 1, 5)]


def test_rows_without_columns_extend_nothing() -> None:
    assert batch(made(Schema(3, ()), [()], [1])).extents == []


def test_columns_of_one_part_are_views() -> None:
    column = batch(made(TWO, [(1.0,), (2.0,)], [1, 2])).columns["train", "", "loss"]
    assert not column.value.flags.owndata
    assert column.time_ns.dtype == column.step.dtype == np.int64


def test_columns_already_in_order_are_joined_as_they_are() -> None:
    found = batch(made(TWO, [(1.0,)], [1]), made(TWO, [(2.0,)], [2])).columns["train", "", "loss"]
    assert found.value.tolist() == [1.0, 2.0]


def test_frames_are_the_encoded_bytes() -> None:
    frame = rows(TWO, [(1.0,)])
    found = Batch([Rows(TWO, frame.payload)], writer="w", epoch=0, seq=0, frames=[frame], nonce=b"12345678")
    (data,) = found.frames
    assert bytes(decode(Header(data), data).payload) == frame.payload
    assert data[8:16] == b"12345678"


def test_blocks_are_the_numbers_with_all_that_is_said_of_their_states() -> None:
    """Rows of one schema as one block of views; numbers that stand alone by what they share; nothing else."""
    schema = Schema(3, (LOSS, SEEN), due=True, elapsed=True, axes=("samples",))
    part = Rows(schema, rows(schema, [(1.0, 2), (3.0, 4)], step=4, prefixes=[(5, 1.5, 32.0)] * 2).payload, 7, "epoch")
    alone = [single(5, 0.5), single(6, 2), single(7, "text", kind="string"), single(8, 0.25)]
    first, *others = batch(part, Events(alone)).blocks()
    assert (first.phase, first.epoch, first.level, first.step.tolist()) == ("train", 7, "epoch", [4, 5])
    assert first.elapsed_s is not None
    assert (first.elapsed_s.tolist(), first.axes["samples"].tolist()) == ([1.5, 1.5], [32.0, 32.0])
    assert [(*name, one.dtype.kind, one.tolist()) for name, one in zip(first.series, first.values, strict=True)] == [
        (LOSS.namespace, LOSS.key, "f", [1.0, 3.0]),
        (SEEN.namespace, SEEN.key, "i", [2, 4]),
    ]
    assert first.values[0].base is not None
    assert [(one.values[0].tolist(), one.elapsed_s, one.time_ns.tolist()) for one in others] == [
        ([0.5, 0.25], None, [START_NS + 5, START_NS + 8]),
        ([2], None, [START_NS + 6]),
    ]


def test_others_are_what_is_no_number_in_the_order_it_was_written() -> None:
    late, early = single(9, "b", kind="string"), single(3, "a", kind="string")
    found = batch(made(TWO, [(1.0,)], [1]), Events([late, single(9, 1.0)]), Events([early]))
    assert [one.value for one in found.others()] == ["a", "b"]
    assert [one.value for one in batch(Events([early, late])).others()] == ["a", "b"]

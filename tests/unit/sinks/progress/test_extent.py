from typing import Any

from hypothesis import given

from asynclog.sinks.progress.extent import extents
from asynclog.testing import batch_of, strategies
from asynclog.wire.batch import Batch, Rows
from asynclog.wire.schema import Schema
from tests.frames import LOSS, START_NS, rows


def of(*parts: Rows) -> Batch:
    return Batch(parts, writer="main", epoch=0, seq=0)


@given(entries=strategies.entries())
def test_extents_say_what_writes_would(entries: Any) -> None:
    """Of each phase and epoch."""
    found = batch_of(entries)
    expected: dict[tuple[str, int], list[Any]] = {}
    for write in found.writes():
        expected.setdefault((write.state.phase, write.state.epoch), []).append((write.state.step, write.time_ns))
    assert [tuple(one) for one in extents(found)] == [
        (*which, len(some), some[0][0], some[-1][0], max(step for step, _ in some), some[0][1], some[-1][1])
        for which, some in expected.items()
    ]


def test_rows_that_overlap_in_time_are_one_extent() -> None:
    schema = Schema(1, (LOSS,))
    parts = [
        Rows(schema, rows(schema, values, times=times).payload)
        for values, times in (([(1.0,), (2.0,)], [1, 5]), ([(3.0,)], [3]))
    ]
    assert [(one.writes, one.first_ns - START_NS, one.last_ns - START_NS) for one in extents(of(*parts))] == [(3, 1, 5)]


def test_rows_without_columns_extend_nothing() -> None:
    schema = Schema(3, ())
    assert extents(of(Rows(schema, rows(schema, [()], times=[1]).payload))) == []

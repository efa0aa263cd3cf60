"""What one route gets of a stream, as tables of (records, deliveries, counters)."""

from typing import Any

import pytest

from asynclog.flow.limit import Limiter, RateLimit
from asynclog.flow.route import Route
from asynclog.flow.select import Counters, Selection, Selector
from asynclog.sink import Batch
from asynclog.wire.batch import Rows
from asynclog.wire.frame import Frame
from asynclog.wire.schema import Schema, Series, series_frame
from asynclog.wire.stream import StreamDecoder
from tests.frames import ACCURACY, LOSS, SEEN, START_NS, decoded, event, rows, segment, sparse, sparse_record


class Plain:
    async def write(self, batch: Batch, /) -> None: ...

    async def aclose(self) -> None: ...


ROUTE = Route(Plain())
Told = tuple[int, str, object]
SUM, MEAN, COUNT = (Series("train", "", one, "d", one) for one in ("sum", "mean", "count"))
VALID = Series("valid", "", "loss")


def run(frames: list[Frame], selector: Selector, always: int = 0) -> tuple[list[list[Told]], Counters]:
    """What each record delivers, (time, key, value), and what was settled in all."""
    delivered, total = [], Counters()
    for record in decoded(frames, StreamDecoder(always=always)):
        selection = selector.take(record, always)
        found = [(one.time_ns - START_NS, one.key, one.value) for part in selection.parts for one in part.events()]
        assert len(found) == selection.events
        delivered.append(found)
        total.add(selection.settled)
    return delivered, total


def defined(schema: Schema, *further: Frame) -> list[Frame]:
    return [schema.frame(0, 0), *further]


BY_ROW = Schema(1, (LOSS, SUM), due=True)
PLAIN = Schema(1, (LOSS, SEEN))
FOLDED = Schema(1, (MEAN, COUNT), due=True)
EMPTY = Schema(1, ())


def masked(masks: list[int], values: list[tuple[float, ...]], schema: Schema = BY_ROW, seq: int = 0, first: int = 1) -> Frame:
    return rows(
        schema, values, seq=seq, prefixes=[(one,) for one in masks], times=list(range(first, first + len(masks))), step=first
    )


# frames, always, deliveries, settled, waiting
CASES: dict[str, tuple[list[Frame], int, list[list[Told]], Counters, int]] = {
    "rows of a write, all numbers due by the standing mask": (
        defined(PLAIN, rows(PLAIN, [(0.5, 1), (0.25, 2)])), 1,
        [[(1, "loss", 0.5), (1, "seen", 1), (2, "loss", 0.25), (2, "seen", 2)]], Counters(), 0,
    ),
    "not due: the last waits, the others are superseded": (
        defined(PLAIN, rows(PLAIN, [(0.5, 1), (0.25, 2)])), 0, [[]], Counters(not_due=2), 2,
    ),
    "due again: what waited was superseded too": (
        defined(BY_ROW, masked([0, 0, 1, 0], [(1.0, 1.0), (2.0, 2.0), (3.0, 4.0), (9.0, 9.0)])), 0,
        [[(3, "loss", 3.0), (3, "sum", 7.0)]], Counters(not_due=2, folded=2), 2,
    ),
    "another route's bit is not ours": (
        defined(BY_ROW, masked([2, 3], [(1.0, 1.0), (2.0, 2.0)])), 2, [[(2, "loss", 2.0), (2, "sum", 3.0)]],
        Counters(not_due=1, folded=1), 0,
    ),
    "all rows due: they pass as they are": (
        defined(BY_ROW, masked([1, 1], [(1.0, 1.0), (2.0, 2.0)])), 0,
        [[(1, "loss", 1.0), (1, "sum", 1.0), (2, "loss", 2.0), (2, "sum", 2.0)]], Counters(), 0,
    ),
    "a fold goes over frames": (
        defined(BY_ROW, masked([0], [(1.0, 1.0)]), masked([1], [(2.0, 2.0)], seq=1, first=2)), 0,
        [[], [(2, "loss", 2.0), (2, "sum", 3.0)]], Counters(not_due=1, folded=1), 0,
    ),
    "a fold whose series does not recur comes at its own time": (
        [
            Schema(1, (SUM,)).frame(0, 0), rows(Schema(1, (SUM,)), [(1.0,), (2.0,)]),
            Schema(2, (LOSS,), due=True).frame(1, 0), masked([1], [(5.0,)], Schema(2, (LOSS,), due=True), 1, 3),
        ], 0, [[], [(3, "loss", 5.0), (2, "sum", 3.0)]], Counters(folded=1), 0,
    ),
    "phases fold apart": (
        [
            Schema(1, (VALID,)).frame(0, 0), rows(Schema(1, (VALID,)), [(1.0,)]),
            Schema(2, (LOSS,), due=True).frame(1, 0), masked([1], [(5.0,)], Schema(2, (LOSS,), due=True), 1, 3),
        ], 0, [[], [(3, "loss", 5.0)]], Counters(), 1,
    ),
    "a mean is over the writes; counts add up": (
        defined(FOLDED, masked([0, 0, 1], [(1.0, 2.0), (2.0, 3.0), (6.0, 4.0)], FOLDED)), 0,
        [[(3, "mean", 3.0), (3, "count", 9.0)]], Counters(folded=4), 0,
    ),
    "rows without columns": (defined(EMPTY, rows(EMPTY, [(), ()])), 0, [[]], Counters(), 0),
    "events by their own mask": (
        [event("a", "due", due=1), event("b", "not", seq=1, due=2)], 3, [[(1, "a", "due")], []], Counters(not_due=1), 0,
    ),
    "a number that came as an event folds": (
        [event("x", 1.0, due=0), event("x", 2.0, seq=1, due=0, time=2), event("x", 3.0, seq=2, due=1, time=3)], 0,
        [[], [], [(3, "x", 3.0)]], Counters(not_due=2), 0,
    ),
    "sparse numbers by their record's mask, else by the standing one": (
        [
            series_frame([1, 2], [LOSS, ACCURACY], 0, 0),
            sparse([sparse_record(0, 1, [1, 2], [1.0, 2.0], due=0), sparse_record(1, 2, [1], [3.0], due=1)]),
            sparse([sparse_record(2, 3, [2], [4.0])], seq=1),
        ], 1, [[(2, "loss", 3.0), (1, "accuracy", 2.0)], [(3, "accuracy", 4.0)]], Counters(not_due=1), 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("frames", "always", "deliveries", "settled", "waiting"), CASES.values(), ids=CASES)
def test_a_route_with_a_bit(
    frames: list[Frame], always: int, deliveries: list[list[Told]], settled: Counters, waiting: int
) -> None:
    selector = Selector(ROUTE, 0)
    assert run(frames, selector, always) == (deliveries, settled)
    assert selector.waiting == waiting
    last = selector.end()
    assert last.settled.not_due + last.events == waiting
    assert selector.waiting == 0
    assert selector.end() == Selection([], 0, Counters())


def test_at_the_end_what_was_reduced_is_delivered_and_what_was_merely_newest_is_not() -> None:
    """Each at its own step and time, in order of time."""
    schema = Schema(1, (LOSS, SUM, MEAN), due=True)
    selector = Selector(ROUTE, 0)
    run(defined(schema, masked([1, 0, 0], [(9.0, 9.0, 9.0), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)], schema)), selector)
    last = selector.end()
    (part,) = last.parts
    told = [(one.step, one.time_ns - START_NS, one.key, one.value) for one in part.events()]
    assert told == [(3, 3, "sum", 7.0), (3, 3, "mean", 4.5)]
    assert (last.events, last.settled) == (2, Counters(not_due=1))


def test_a_folded_delivery_keeps_the_state_of_the_write_it_is_part_of() -> None:
    schema = Schema(1, (SUM,), due=True, elapsed=True, axes=("samples",))
    frame = rows(schema, [(1.0,), (2.0,)], prefixes=[(0, 0.5, 10.0), (1, 1.5, 20.0)], step=4, epoch=3, level="epoch")
    selector = Selector(ROUTE, 0)
    (record,) = decoded([schema.frame(0, 0), frame])
    (part,) = selector.take(record, 0).parts
    (got,) = part.events()
    assert (got.step, got.epoch, got.level, got.elapsed_s, got.axes, got.value) == (5, 3, "epoch", 1.5, {"samples": 20.0}, 3.0)


FILTERED: list[tuple[dict[str, Any], list[Told], Counters]] = [
    ({"kinds": "image"}, [], Counters(filtered=4)),
    ({"phases": "valid"}, [], Counters(filtered=4)),
    ({"namespaces": "data"}, [(1, "seen", 1), (2, "seen", 2)], Counters(filtered=2)),
    (
        {"namespaces": ["", "data"]},
        [(1, "loss", 0.5), (1, "seen", 1), (2, "loss", 0.25), (2, "seen", 2)],
        Counters(),
    ),
]


@pytest.mark.parametrize(("policy", "delivered", "settled"), FILTERED)
def test_what_a_route_filters_is_counted(policy: dict[str, Any], delivered: list[Told], settled: Counters) -> None:
    frames = defined(PLAIN, rows(PLAIN, [(0.5, 1), (0.25, 2)]))
    assert run(frames, Selector(Route(Plain(), **policy), 0), always=1) == ([delivered], settled)


def test_filters_apply_to_events_before_their_mask_does() -> None:
    selector = Selector(Route(Plain(), kinds="string"), 0)
    frames = [event("a", 1.0, due=1), event("b", "t", seq=1, due=1), event("c", "t", seq=2, due=0)]
    assert run(frames, selector) == ([[], [(1, "b", "t")], []], Counters(filtered=1, not_due=1))


def test_rows_that_pass_untouched_stay_a_matrix() -> None:
    (record,) = decoded(defined(PLAIN, rows(PLAIN, [(0.5, 1)])))
    (part,) = Selector(ROUTE, 0).take(record, 1).parts
    assert isinstance(part, Rows)
    assert part is record.part


SECOND = 1_000_000_000


def late(limit: RateLimit | None) -> Selector:
    """A route that the stream does not know."""
    return Selector(ROUTE, None, None if limit is None else Limiter(limit))


def test_a_route_unknown_to_the_stream_gets_everything_without_a_limit() -> None:
    frames = defined(BY_ROW, masked([0], [(1.0, 2.0)]), event("a", "t", seq=1, due=0))
    assert run(frames, late(None)) == ([[(1, "loss", 1.0), (1, "sum", 2.0)], [(1, "a", "t")]], Counters())


def test_a_route_unknown_to_the_stream_applies_its_limit_to_the_recorded_times() -> None:
    times = [0, SECOND // 2, SECOND, 3 * SECOND]
    schema = Schema(1, (LOSS,))
    frames = [segment(), schema.frame(0, 0), rows(schema, [(1.0,), (2.0,), (3.0,), (4.0,)], times=times)]
    told, settled = run(frames, late(RateLimit(1.0)))
    assert [time for time, _, _ in told[0]] == [0, SECOND, 3 * SECOND]
    assert settled == Counters(not_due=1)


def test_all_records_of_one_write_share_one_decision() -> None:
    """The second row's write carries an event, which is due although its phase was just served."""
    schema = Schema(1, (LOSS,))
    frames = [
        schema.frame(0, 0),
        rows(schema, [(1.0,), (2.0,)], times=[0, SECOND]),
        event("a", "t", seq=1, time=SECOND),
        event("b", "t", seq=2, time=SECOND + 1),
    ]
    told, settled = run(frames, late(RateLimit(1.0)))
    assert told == [[(0, "loss", 1.0), (SECOND, "loss", 2.0)], [(SECOND, "a", "t")], []]
    assert settled == Counters(not_due=1)


def test_a_write_is_decided_once_though_its_rows_lie_in_blocks_that_overlap() -> None:
    one, other = Schema(1, (LOSS,)), Schema(2, (ACCURACY,))
    times = [0, SECOND // 2, 2 * SECOND]
    values = [(1.0,), (2.0,), (3.0,)]
    frames = [one.frame(0, 0), other.frame(0, 0), rows(one, values, times=times), rows(other, values, seq=1, times=times)]
    told, _ = run(frames, late(RateLimit(1.0)))
    assert told == [
        [(0, "loss", 1.0), (2 * SECOND, "loss", 3.0)],
        [(0, "accuracy", 1.0), (2 * SECOND, "accuracy", 3.0)],
    ]


def test_a_long_stream_does_not_fill_memory_with_decisions() -> None:
    selector = late(RateLimit(steps=2))
    schema = Schema(1, (LOSS,))
    frames = [schema.frame(0, 0), rows(schema, [(1.0,)] * 70_000)]
    told, settled = run(frames, selector)
    assert len(told[0]) == 35_000
    assert (settled, selector.waiting) == (Counters(not_due=34_999), 1)
    assert len(selector._own) < 1 << 16


def test_counters_add_up_and_tell_what_is_pending() -> None:
    counters = Counters(offered=20, delivered=1, rejected=2, dropped=3)
    counters.add(Counters(not_due=4, filtered=1, folded=2))
    assert counters.pending == 7
    assert counters.as_dict() == {
        "offered": 20, "delivered": 1, "rejected": 2, "dropped": 3, "not_due": 4, "filtered": 1, "folded": 2, "pending": 7,
    }  # fmt: skip

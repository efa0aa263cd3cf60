"""A stream that is delivered in pieces, while it grows and over interruptions, gives what one delivery of the whole gives."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from asynclog.engine.backlog import BacklogFeed
from asynclog.engine.cursor import Cursor
from asynclog.engine.feed import Delivery
from asynclog.flow.limit import RateLimit
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.wire.schema import Schema, Series
from tests.runfiles import StreamWriter, make_run
from tests.unit.engine.parts import ToldSink

LOSS = Series("train", "", "loss", "d", "last")
MEAN = Series("train", "", "mean", "d", "mean")
VALID = Series("valid", "", "loss", "d", "max")

ACTIONS = st.one_of(
    st.tuples(st.just("rows"), st.integers(1, 2), st.integers(1, 40)),
    st.tuples(st.just("says"), st.just(0), st.just(0)),
    st.tuples(st.just("rotate"), st.just(0), st.just(0)),
    st.tuples(st.just("life"), st.sampled_from((0, 1)), st.just(0)),
    st.tuples(st.just("sync"), st.integers(1, 6), st.just(0)),
)
LIMITS = st.sampled_from((RateLimit(steps=7), RateLimit(0.01), RateLimit(steps=3, valid=0.005), None))
FILTERS = st.sampled_from(({}, {"kinds": {"scalar"}}, {"phases": {"valid"}}))


class Stream:
    """What a writer does to its stream."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.epoch = self.step = 0
        self._begin()

    def _begin(self) -> None:
        self.writer = StreamWriter(self.run, epoch=self.epoch)
        self.schemas: dict[int, Schema] = {
            1: self.writer.schema(LOSS, MEAN, number=1),
            2: self.writer.schema(VALID, number=2),
        }

    def do(self, what: str, which: int, count: int) -> None:
        if what == "rows":
            schema = self.schemas[which]
            rows = [(float(self.step + at),) * len(schema.series) for at in range(count)]
            self.writer.rows(schema, rows, first_step=self.step)
            self.step += count
        elif what == "says":
            self.writer.event("note", f"step {self.step}", step=self.step)
        elif what == "rotate":
            self.writer.rotate()
        elif what == "life":
            if which:
                self.writer.footer("killed")
            self.epoch += 1
            self._begin()


class Serving:
    """A route in the hands of one sync after the other."""

    def __init__(self, run: Path, **policy: Any) -> None:
        self._run, self._policy = run, policy
        self.cursor = Cursor(0)
        self.counters = Counters()
        self.got: list[tuple[Any, ...]] = []

    def sync(self, epoch: int, most: int, *, grows: bool) -> bool:
        """At most so many deliveries; True if it ended by itself."""
        route = Route(ToldSink(), name="sync", **self._policy)
        stream = self._run / "streams" / "main"
        feed = BacklogFeed(route, stream, "main", epoch, self.cursor, grows=lambda: grows, follow=False)
        for delivery in self._deliveries(feed, most):
            self.got += [] if delivery.batch is None else [tuple(event[:9]) for event in delivery.batch]
            settled = Counters(offered=delivery.offered, delivered=delivery.delivered)
            settled.add(delivery.settled)
            self.counters.add(settled)
            feed.commit(delivery)
            self.cursor = feed.cursor
            if delivery.ended:
                return True
        return False

    @staticmethod
    def _deliveries(feed: BacklogFeed, most: int) -> Iterator[Delivery]:
        for _ in range(most):
            delivery = feed.next()
            assert delivery is not None, "it waits, though nobody follows"
            yield delivery


def _place(event: tuple[Any, ...]) -> tuple[Any, ...]:
    return (event[5:7], event[:4], event[4])


@given(actions=st.lists(ACTIONS, min_size=5, max_size=30), limit=LIMITS, filters=FILTERS)
def test_pieces_add_up_to_the_whole(
    actions: list[tuple[str, int, int]], limit: RateLimit | None, filters: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stream = Stream(make_run(Path(folder) / "run"))
        pieces = Serving(stream.run, limit=limit, **filters)
        for what, which, count in actions:
            if what == "sync":
                # A lock that is free says that nothing more will come: asked of a life that goes on, it never is.
                pieces.sync(stream.epoch, which, grows=True)
                assert pieces.counters.pending >= 0
            else:
                stream.do(what, which, count)
        stream.writer.footer()
        whole = Serving(stream.run, limit=limit, **filters)
        assert whole.sync(stream.epoch, 1 << 20, grows=False)
        while not pieces.sync(stream.epoch, 3, grows=False):
            pass
        # What a reduction had gathered comes last, and within a batch events are in order of time.
        assert sorted(pieces.got, key=_place) == sorted(whole.got, key=_place)
        assert pieces.counters == whole.counters
        assert pieces.counters.pending == 0
        assert limit is not None or filters or len(whole.got) == whole.counters.offered

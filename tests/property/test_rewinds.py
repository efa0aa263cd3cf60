"""Whatever is written, however often its process dies and training goes back: what is read, followed and delivered is what the
training that counts has recorded."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import asynclog as al
from asynclog.engine.backlog import BacklogFeed
from asynclog.engine.cursor import Cursor
from asynclog.engine.rewinds import rewinds, since
from asynclog.flow.limit import RateLimit
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.readers.follow import Follower
from asynclog.sink import Event
from asynclog.state import PHASES
from asynclog.wire.rewind import Steps, steps_told
from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, make_run
from tests.unit.engine.parts import ToldSink

LOSS = Series("train", "", "loss", "d", "last")
MEAN = Series("train", "", "mean", "d", "mean")
VALID = Series("valid", "", "loss", "d", "last")
STEPS = st.integers(-2, 60)
REWINDS = st.one_of(
    st.none(), STEPS, st.dictionaries(st.sampled_from(PHASES), STEPS, min_size=1), st.sampled_from(("50", 1.5, True, {"x": 1}))
)
ACTIONS = st.one_of(
    st.tuples(st.just("rows"), st.sampled_from((1, 2)), STEPS, st.integers(1, 20)),
    st.tuples(st.just("sparse"), st.sampled_from((0, 1)), STEPS, st.just(0)),
    st.tuples(st.just("says"), st.sampled_from(("train", "valid")), STEPS, st.just(0)),
    st.tuples(st.just("sets"), st.just(0), STEPS, st.just(0)),
    st.tuples(st.just("rotate"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("life"), REWINDS, st.booleans(), st.booleans()),
    st.tuples(st.just("sync"), st.integers(1, 4), st.just(0), st.just(0)),
)


class Training:
    """What is done to a run, and what of it counts: (phase, key, step, value), in order of time."""

    def __init__(self, run: Path, *, zstd: bool) -> None:
        self.run, self.zstd = run, zstd
        self.epoch, self.number = -1, 0
        self.holding: list[tuple[Any, ...]] = []
        self.begin(None)

    def begin(self, rewound_to: Any) -> None:
        self.epoch += 1
        self.holding = held(self.holding, steps_told({"rewound_to": rewound_to}))
        self.writer = StreamWriter(self.run, epoch=self.epoch, zstd=self.zstd, rewound_to=rewound_to)
        self.schemas = {1: self.writer.schema(LOSS, MEAN, number=1), 2: self.writer.schema(VALID, number=2)}
        self.writer.name_series([7, 9], [LOSS, VALID])

    def do(self, what: str, which: Any, step: int, count: int) -> None:
        writer = self.writer
        self.number += 1
        value = float(self.number)
        if what == "rows":
            schema = self.schemas[which]
            writer.rows(schema, [(value,) * len(schema.series)] * count, first_step=step)
            for at in range(count):
                self.holding += [(one.phase, one.key, step + at, value) for one in schema.series]
        elif what == "sparse":
            series = (LOSS, VALID)[which]
            writer.sparse(step, [(7, 9)[which]], [value])
            self.holding.append((series.phase, series.key, step, value))
        elif what == "says":
            writer.event("note", f"{self.number}", step=step, phase=which)
            self.holding.append((which, "note", step, f"{self.number}"))
        elif what == "sets":
            writer.event("set", {"at": self.number}, step=step)
            self.holding.append(("train", "set", step, {"at": self.number}))
        elif what == "rotate":
            writer.rotate()
            writer.name_series([7, 9], [LOSS, VALID])
        elif what == "life":
            if step:
                writer.footer("killed")
            self.begin(which)


def held(told: list[tuple[Any, ...]], steps: Steps) -> list[tuple[Any, ...]]:
    return [one for one in told if one[1] == "set" or one[2] <= steps.get(one[0], one[2])]


class Destination:
    """Where sync after sync delivers to, and which forgets what it is told was superseded."""

    def __init__(self, run: Path, limit: RateLimit | None) -> None:
        self._run, self._limit = run, limit
        self.cursor, self.counters = Cursor(0), Counters()
        self.holding: list[tuple[Any, ...]] = []

    def sync(self, epoch: int, most: int, *, grows: bool) -> bool:
        stream = self._run / "streams" / "main"
        route = Route(ToldSink(), name="sync", limit=self._limit)
        self.holding = held(self.holding, since(self.cursor.epoch, rewinds(stream)) or {})
        feed = BacklogFeed(route, stream, "main", epoch, self.cursor, grows=lambda: grows, follow=False)
        for _ in range(most):
            delivery = feed.next()
            assert delivery is not None
            self.holding += [] if delivery.batch is None else told(delivery.batch)
            self.counters.add(Counters(offered=delivery.offered, delivered=delivery.delivered))
            self.counters.add(delivery.settled)
            feed.commit(delivery)
            self.cursor = feed.cursor
            if delivery.ended:
                feed.close()
                return True
        feed.close()
        return False


def followed(run: Path) -> list[Event]:
    follower, events = Follower(run), []
    while not follower.ended:
        events += follower.look()
    return events


def told(events: Any) -> list[tuple[Any, ...]]:
    return [(one.phase, one.key, one.step, one.value) for one in events]


def place(one: tuple[Any, ...]) -> str:
    return repr(one)


def series(run: al.Run) -> Iterator[tuple[Any, ...]]:
    for one in run.all_series():
        for step, value in zip(one.step.tolist(), one.value.tolist(), strict=True):
            yield one.phase, one.key, step, value


@given(actions=st.lists(ACTIONS, min_size=3, max_size=30), zstd=st.booleans())
def test_what_is_read_and_delivered_is_the_training_that_counts(actions: list[tuple[Any, ...]], zstd: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        training = Training(make_run(Path(folder) / "run"), zstd=zstd)
        destination = Destination(training.run, None)
        for what, which, step, count in actions:
            if what == "sync":
                destination.sync(training.epoch, which, grows=True)
            else:
                training.do(what, which, step, count)
        training.writer.footer()
        expected = sorted(training.holding, key=place)

        run = al.read(training.run)
        assert sorted(told(run.events()), key=place) == expected
        assert sorted(series(run), key=place) == [one for one in expected if isinstance(one[3], float)]
        assert sorted((one for batch in run.batches() for one in told(batch)), key=place) == expected
        assert len(run) == len(expected)
        assert sum(one.events for one in run.keys()) == len(expected)  # noqa: SIM118 (a Run is no mapping)
        assert sorted(told(followed(training.run)), key=place) == expected
        everything = al.read(training.run, superseded=True)
        assert len(everything) == len(run) + run.superseded

        while not destination.sync(training.epoch, 3, grows=False):
            pass
        assert sorted(destination.holding, key=place) == expected
        assert destination.counters.pending == 0
        assert destination.counters.offered == len(everything)


@given(actions=st.lists(ACTIONS, min_size=3, max_size=30), steps=st.integers(2, 7))
def test_of_a_limited_route_everything_is_accounted_for_however_often_training_goes_back(
    actions: list[tuple[Any, ...]], steps: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        training = Training(make_run(Path(folder) / "run"), zstd=False)
        destination = Destination(training.run, RateLimit(steps=steps))
        for what, which, step, count in actions:
            if what == "sync":
                destination.sync(training.epoch, which, grows=True)
                assert destination.counters.pending >= 0
            else:
                training.do(what, which, step, count)
        training.writer.footer()
        while not destination.sync(training.epoch, 3, grows=False):
            pass
        assert destination.counters.pending == 0
        assert destination.counters.offered == len(al.read(training.run, superseded=True))
        plain = [one for one in training.holding if one[1] != "mean"]
        assert all(one in plain for one in destination.holding if one[1] != "mean")

"""Making runners: where a route's batches come from, and from where on."""

import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from asynclog.engine.cursor import Cursor, CursorFile
from asynclog.engine.feed import Feed
from asynclog.engine.hands import Hands
from asynclog.engine.journal_feed import JournalFeed
from asynclog.engine.live_feed import LiveFeed
from asynclog.engine.memory_feed import MemoryFeed
from asynclog.engine.remote import RemoteSink
from asynclog.engine.rewinds import rewinds, since
from asynclog.engine.right_of_way import RightOfWay
from asynclog.engine.runner import SinkRunner, Trouble
from asynclog.engine.settings import EngineSettings
from asynclog.engine.travel import Packed, packed
from asynclog.engine.workers import Workers
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.shm.lending import Allowance, Lending
from asynclog.sink import RunInfo


@dataclass(frozen=True)
class Surroundings:
    """What an engine has for all of its runners. on_hold(route, held); on_said(route, level, logger's name, text): a log record
    from a worker."""

    settings: EngineSettings
    on_trouble: Trouble
    total_events: Callable[[], int]
    hands: Hands
    on_hold: Callable[[str, bool], None]
    on_said: Callable[[str, int, str, str], None]
    right_of_way: RightOfWay
    workers: Workers
    allowance: Allowance


def engine_runner(route: Route, around: Surroundings) -> SinkRunner:
    """A runner of an engine's. One whose sink lives here reads the engine's journal or is fed from its memory; one whose sink
    lives in a worker is fed from memory, and by the journal when it is behind. Not started yet. Raises BlockingIOError if
    somebody else serves this route and doesn't let go of it."""
    settings = around.settings
    run = settings.run
    file = _own_cursor(run.directory, route, run.writer) if run.directory is not None and not route.ephemeral else None
    cursor = None if file is None else file.load()
    counters = Counters()
    feed: Feed
    if (route.overflow or "journal") == "journal" and settings.stream is not None:
        feed = _journal_feed(route, around, settings.stream, cursor)
        counters = cursor.counters if cursor is not None else counters
    else:
        policy = route.overflow if route.overflow not in (None, "journal") else "drop_oldest"
        on_hold = partial(around.on_hold, route.name)
        # What waits for a worker lies in the slabs themselves, what waits here was copied.
        limit = min(settings.queue_bytes, settings.lent_bytes) if route.place == "process" else settings.queue_bytes
        feed = MemoryFeed(route, run.writer, run.epoch, settings.bit(route), policy, limit, on_hold)
    return SinkRunner(
        _in_worker(route, around) if route.place == "process" else route,
        feed,
        _told(settings, route, cursor),
        cursor_file=file,
        counters=counters,
        on_trouble=around.on_trouble,
        total_events=around.total_events,
        # A worker that dies takes nobody along.
        hand=None if route.place == "process" else around.hands.of(route.name),
        # What comes from memory is dropped or holds the loop's writes when it isn't taken in time.
        right_of_way=around.right_of_way if isinstance(feed, JournalFeed) else None,
    )


def _journal_feed(route: Route, around: Surroundings, stream: Path, cursor: Cursor | None) -> JournalFeed:
    settings = around.settings
    run = settings.run
    if route.place != "process":
        return JournalFeed(route, stream, run.writer, run.epoch, cursor, run.rewound_to)
    bit = settings.bit(route)
    return LiveFeed(
        route,
        stream,
        run.writer,
        run.epoch,
        cursor,
        bit=bit,
        limit=settings.lent_bytes,
        together=around.allowance,
        rewound=run.rewound_to,
    )


def _told(settings: EngineSettings, route: Route, cursor: Cursor | None) -> RunInfo:
    """What a sink is told of the run."""
    run = settings.run
    if route.ephemeral:
        return run
    if cursor is None or not cursor.moved:
        return replace(run, resumed=False, rewound_to=None)
    known = {} if settings.stream is None else rewinds(settings.stream)
    own = {run.epoch: run.rewound_to} if run.rewound_to else {}
    return replace(run, resumed=True, rewound_to=since(cursor.epoch, known | own))


def _in_worker(route: Route, around: Surroundings) -> Route:
    """The route with what stands for its sink. The training process may be asking the sink itself, in a thread of which this
    is."""
    payload = route.sink.payload if isinstance(route.sink, Packed) else packed(route.name, route.sink).payload
    worker = around.workers.add(route.worker, route.name, payload)
    moved = copy(route)
    said = partial(around.on_said, route.name)
    moved.sink = RemoteSink(route.name, around.workers, worker, Lending(around.settings.lent_bytes, around.allowance), said)
    return moved


def _own_cursor(directory: Path, route: Route, writer: str) -> CursorFile:
    patience = time.monotonic() + route.deadline
    while True:
        try:
            return CursorFile(directory, route.name, writer)
        except BlockingIOError:
            # The recorder of a run that was killed may still be delivering to this very sink.
            if time.monotonic() > patience:
                raise
            time.sleep(0.05)


def journal_runner(route: Route, settings: EngineSettings, on_trouble: Trouble, total_events: Callable[[], int]) -> SinkRunner:
    """A runner in the training process: it reads the journal that the recorder writes. Not started yet."""
    run = settings.run
    assert settings.stream is not None
    assert run.directory is not None
    file = None if route.ephemeral else CursorFile(run.directory, route.name, run.writer)
    cursor = None if file is None else file.load()
    return SinkRunner(
        route,
        JournalFeed(route, settings.stream, run.writer, run.epoch, cursor, run.rewound_to),
        _told(settings, route, cursor),
        cursor_file=file,
        counters=Counters() if cursor is None else cursor.counters,
        on_trouble=on_trouble,
        total_events=total_events,
    )

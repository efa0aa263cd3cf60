"""Making runners: where a route's batches come from, and from where on."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from asynclog.engine.cursor import CursorFile
from asynclog.engine.feed import Feed
from asynclog.engine.hands import Hand
from asynclog.engine.journal_feed import JournalFeed
from asynclog.engine.memory_feed import MemoryFeed
from asynclog.engine.right_of_way import RightOfWay
from asynclog.engine.runner import SinkRunner, Trouble
from asynclog.engine.settings import EngineSettings
from asynclog.flow.route import Route
from asynclog.flow.select import Counters


def engine_runner(
    route: Route,
    settings: EngineSettings,
    on_trouble: Trouble,
    total_events: Callable[[], int],
    hand: Hand,
    on_hold: Callable[[bool], None],
    right_of_way: RightOfWay,
) -> SinkRunner:
    """A runner of an engine's, which reads its journal or is fed from its memory. Not started yet. Raises BlockingIOError if
    somebody else serves this route and doesn't let go of it."""
    run = settings.run
    file = _own_cursor(run.directory, route, run.writer) if run.directory is not None and not route.ephemeral else None
    cursor = None if file is None else file.load()
    counters = Counters()
    feed: Feed
    if (route.overflow or "journal") == "journal" and settings.stream is not None:
        feed = JournalFeed(route, settings.stream, run.writer, run.epoch, cursor)
        counters = cursor.counters if cursor is not None else counters
    else:
        policy = route.overflow if route.overflow not in (None, "journal") else "drop_oldest"
        feed = MemoryFeed(route, run.writer, run.epoch, settings.bit(route), policy, settings.queue_bytes, on_hold)
    return SinkRunner(
        route,
        feed,
        replace(run, resumed=cursor is not None and cursor.moved),
        cursor_file=file,
        counters=counters,
        on_trouble=on_trouble,
        total_events=total_events,
        hand=hand,
        # What comes from memory is dropped or holds the loop's writes when it isn't taken in time.
        right_of_way=right_of_way if isinstance(feed, JournalFeed) else None,
    )


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
        JournalFeed(route, settings.stream, run.writer, run.epoch, cursor),
        replace(run, resumed=cursor is not None and cursor.moved),
        cursor_file=file,
        counters=Counters() if cursor is None else cursor.counters,
        on_trouble=on_trouble,
        total_events=total_events,
    )

"""One stream of a run, delivered to one sink by a process that did not record it."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from asynclog.engine.backlog import BacklogFeed
from asynclog.engine.cursor import Cursor, CursorFile
from asynclog.engine.rewinds import rewinds, since
from asynclog.engine.rundir import segments
from asynclog.engine.runner import SinkRunner, Trouble
from asynclog.errors import RunInUse, RunUnwritable
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.readers.directory import StreamName, is_written
from asynclog.sink import RunInfo


@dataclass
class Stake:
    """One route's claim to one stream: the locked cursor, None for a sink that keeps nothing, and what it said before."""

    file: CursorFile | None
    cursor: Cursor | None

    @classmethod
    def claimed(cls, run: Path, route: Route, writer: str, *, again: bool = False) -> "Stake":
        """again: as if nothing had been delivered before.

        Raises RunInUse if a logger, or another process like this one, delivers the stream on the same route.
        """
        if route.ephemeral:
            return cls(None, None)
        try:
            file = CursorFile(run, route.name, writer)
        except BlockingIOError as error:
            raise RunInUse(
                f"route {route.name!r} of {run} is being delivered to by another process, its own recorder or another sync; "
                "wait for its end, or deliver under another name"
            ) from error
        except OSError as error:
            raise RunUnwritable(f"{run} can't keep how far {route.name!r} has come: {error.strerror or error}") from error
        if again:
            file.forget()
        return cls(file, file.load())

    @property
    def moved(self) -> bool:
        """Whether anything of it has been delivered before."""
        return self.cursor is not None and self.cursor.moved

    def give_up(self) -> None:
        """Let go of it without having delivered."""
        if self.file is not None:
            self.file.close()


@dataclass
class StreamDelivery:
    """A writer's stream up to ``stream.epoch``, its newest, to the sink of ``route``."""

    stream: StreamName
    route: Route
    info: RunInfo
    stake: Stake
    follow: bool
    on_trouble: Trouble
    left: bool = False
    """Whether nobody waits for its end any more."""
    feed: BacklogFeed = field(init=False)
    runner: SinkRunner = field(init=False)

    def __post_init__(self) -> None:
        run, cursor = self.info.directory, self.stake.cursor
        assert run is not None
        path = run / "streams" / self.stream.writer
        if cursor is None:
            # Whoever was never delivered to is owed everything, from the first epoch on.
            cursor = Cursor(min(epoch for epoch, _, _ in segments(path)))
        self.before = Counters()
        self.before.add(cursor.counters)
        self.feed = BacklogFeed(
            self.route,
            path,
            self.stream.writer,
            self.stream.epoch,
            cursor,
            grows=partial(is_written, run, self.stream.writer),
            follow=self.follow,
        )
        rewound = since(cursor.epoch, rewinds(path)) if self.stake.moved else None
        self.runner = SinkRunner(
            self.route,
            self.feed,
            replace(self.info, rewound_to=rewound),
            cursor_file=self.stake.file,
            counters=cursor.counters,
            on_trouble=self.on_trouble,
            total_events=lambda: self.feed.events + self.feed.remaining,
            # Asked for again, it goes on at the batch that the sink failed at: nothing is given up for those behind it.
            batches=1,
        )
        self.runner.progress.begin()

    @property
    def ended(self) -> bool:
        return self.runner.ended.is_set()

    @property
    def complete(self) -> bool:
        """Whether the stream had ended, and all of it was delivered."""
        return self.ended and self.runner.state == "ended" and not self.feed.halted

    def halt(self) -> None:
        """Ask it to end behind the batch that is being written; at once, if that batch only fails."""
        self.feed.halt()
        self.runner.notify()
        if self.runner.state in ("failing", "opening"):
            self.left = True
            self.runner.leave()

    def conclude(self) -> None:
        """The last word of its cursor, which is free from now on."""
        self.runner.conclude()
        self.feed.close()

    def counters(self) -> Counters:
        """What became of events since this delivery began; what the journal holds beyond is pending."""
        now = self.runner.progress.statistics()
        since = Counters(**{name: now[name] - was for name, was in self.before.as_dict().items() if name != "pending"})
        since.offered += self.before.pending
        return since

"""Whatever comes between, a route that is fed from memory gets what one gets that reads the journal."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from asynclog.flow.route import Route
from asynclog.wire.frame import Frame
from asynclog.wire.layout import Kind
from tests.property.test_select import CUTS, DEFINITIONS, MANY, MASKS, ROUTES, Write, framed, identity
from tests.unit.engine.live import Recorder, Taker, from_the_journal, route_named

STEPS = st.lists(
    st.sampled_from(
        ("put", "put", "put", "commit", "deliver", "deliver one", "shed", "rotate", "kill", "unsaved", "leave out")
    ),
    max_size=60,
)
LIMITS = st.sampled_from((0, 700, 2500, 1 << 30))


class Story:
    """A recorder that takes frames one after the other, and is killed now and then."""

    def __init__(self, directory: Path, frames: list[Frame], route: Route, always: int, limit: int) -> None:
        self.frames, self.route, self.limit = frames, route, limit
        self.recorder = Recorder(directory, [route], always=always, definitions=DEFINITIONS)
        self.taker = self.recorder.serves(route, limit=limit)
        self.told: list[tuple[Any, ...]] = []
        self.counters = self.taker.counters
        self.at = 0
        self.left_out: set[int] = set()

    def step(self, what: str) -> None:
        recorder, taker = self.recorder, self.taker
        if what == "put" and self.at < len(self.frames):
            recorder.put(self.frames[self.at])
            self.at += 1
        elif what == "leave out" and self.at < len(self.frames):
            self.left_out.add(self.at)
            recorder.leave_out(self.frames[self.at])
            self.at += 1
        elif what == "commit":
            recorder.commit()
        elif what == "deliver":
            taker.deliver()
        elif what == "deliver one":
            taker.deliver(1)
        elif what == "shed":
            taker.feed._fall_behind()
        elif what == "rotate":
            recorder.commit()
            recorder.journal._rotate()
        elif what == "kill":
            self.kill()
        elif what == "unsaved":
            # Killed between the fetch of a delivery and its acceptance: it is tried again.
            taker.feed.next()
            self.kill()

    def kill(self) -> None:
        """What wasn't acknowledged is announced to the successor; what was left out is left out again."""
        self.keep()
        cursor = self.taker.cursor
        self.recorder.killed()
        again = self.recorder.serves(self.route, cursor, limit=self.limit)
        again.counters = self.taker.counters
        self.taker = again
        for at in range(self.at):
            if at not in self.left_out:
                self.recorder.put(self.frames[at])
            elif self.frames[at].seq >= self.recorder.journal.next_seq:
                self.recorder.leave_out(self.frames[at])

    def keep(self) -> None:
        self.told += [identity(one) for one in self.taker.events]
        seqs = self.taker.seqs
        assert seqs == sorted(set(seqs)), "twice, or out of order"
        self.taker.events.clear()

    def end(self) -> None:
        while self.at < len(self.frames):
            self.step("put")
        self.recorder.commit()
        self.recorder.finish()
        self.taker.deliver()
        self.keep()
        assert self.taker.ended


@given(MANY, CUTS, ROUTES, MASKS, LIMITS, STEPS)
@settings(max_examples=60)
def test_a_route_gets_the_same_from_memory_as_from_the_journal(
    writes: list[Write], cuts: list[bool], route: Route, always: int, limit: int, steps: list[str]
) -> None:
    """Falling behind, pressure, rotations, gaps, and recorders killed before and after the disk has what was delivered."""
    with TemporaryDirectory() as directory:
        story = Story(Path(directory), framed(writes, cuts), route, always, limit)
        for one in steps:
            story.step(one)
        story.end()
        expected = from_the_journal(story.recorder, route)
        assert story.told == [identity(one) for one in expected.events]
        assert story.taker.counters == expected.counters
        assert story.taker.counters.pending == 0
        assert story.taker.feed.events == story.recorder.events
        story.recorder.killed()


@given(MANY, CUTS, st.lists(st.sampled_from(("put", "commit", "join", "join now", "deliver")), max_size=60), LIMITS)
@settings(max_examples=60)
def test_whoever_joins_gets_all_that_comes_and_nothing_twice(
    writes: list[Write], cuts: list[bool], steps: list[str], limit: int
) -> None:
    """From the beginning, or from the moment at which it joined; whenever that is."""
    # A hook is for those who ask for it, and these don't.
    frames = framed([one for one in writes if one.schema != -3], cuts)
    with TemporaryDirectory() as directory:
        recorder = Recorder(Path(directory), [route_named()], definitions=DEFINITIONS)
        joined: list[tuple[int, Taker]] = []
        at = 0
        for one in [*steps, *["put"] * len(frames)]:
            if one == "put" and at < len(frames):
                recorder.put(frames[at])
                at += 1
            elif one == "commit":
                recorder.commit()
            elif one.startswith("join") and len(joined) < 4:
                now = one == "join now"
                joined.append((at if now else 0, recorder.joined(route_named("late"), now=now, limit=limit)))
            elif one == "deliver":
                for _, taker in joined:
                    taker.deliver()
        recorder.commit()
        recorder.finish()
        for first, taker in joined:
            taker.deliver()
            assert taker.ended
            assert taker.seqs == [frame.seq for frame in frames[first:]]
            taker.feed.close()
        recorder.killed()


def test_the_story_is_told_of_folds_and_every_kind_of_frame() -> None:
    kinds = {frame.kind for frame in framed([Write(one, 1, (1, 2, 3, 4), (0,)) for one in (None, -1, -2, 0, 1)], [])}
    assert kinds == {Kind.EVENT, Kind.SPARSE, Kind.ROWS}

"""The whole ledger: a training process, its recorder, and the processes that this serves, any of which may die at any time.

What one may look into is never written again; once all have let go or died, all memory is free.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from asynclog.errors import NoRoom, StaleLease
from asynclog.shm.lease import Lease
from asynclog.shm.lending import Lending
from asynclog.shm.memory import Mapping, create_anonymous
from asynclog.shm.pool import Pool
from asynclog.shm.slab import ARENA_BYTES, Ref, Role

MIB = 1 << 20
QUOTA = 24 * MIB
LIMIT = QUOTA // 8
RECORDER = 1
WHICH = st.integers(0, 1 << 16)


@dataclass
class Process:
    """One that is served: what it may look into, as (slab, generation) and the piece."""

    lending: Lending = field(default_factory=lambda: Lending(LIMIT))
    looks: list[Ref] = field(default_factory=list)


class Everybody(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []
        self.views: list[tuple[Ref, Any]] = []
        self.returned: deque[Ref] = deque()
        self.sizes: dict[int, int] = {}

    @initialize(count=st.integers(1, 3))
    def begin(self, count: int) -> None:
        self.pool = Pool(QUOTA, self.on_new, lambda number: None, create_anonymous)
        self.pool.ledger.attach(RECORDER)
        self.processes = [Process() for _ in range(count)]

    def on_new(self, number: int, role: Role, mapping: Mapping) -> None:
        self.sizes[number] = mapping.size

    def looked_at(self) -> list[Ref]:
        return [ref for ref, _ in self.views] + [ref for one in self.processes for ref in one.looks]

    # -- the training process -------------------------------------------------------------------------------------------

    @rule(nbytes=st.sampled_from((1000, 300_000, MIB, MIB + 1, 2 * MIB, 5 * MIB)), announced=st.booleans())
    def write(self, nbytes: int, announced: bool) -> None:
        """A value's arrays; some of them are given up before anybody was told."""
        try:
            ref = self.pool.allocate(nbytes)
        except NoRoom:
            assert self.looked_at() or self.returned, "memory is short, and nobody has any"
            return
        for other in self.looked_at():
            apart = (
                ref.slab != other.slab or ref.offset >= other.offset + other.nbytes or other.offset >= ref.offset + ref.nbytes
            )
            assert apart, f"{ref} is written while {other} is looked at"
        if announced:
            self.pool.ledger.announce(ref.slab)
            lease = Lease(self.pool.mappings[ref.slab], ref, self.gives_back())
            self.views.append((ref, lease.array()))
        self.pool.abandon(ref)

    def gives_back(self) -> Callable[[Ref], None]:
        # Of this recorder: what a dead one would have said is never heard.
        return self.returned.append

    # -- the recorder ---------------------------------------------------------------------------------------------------

    @rule(which=WHICH)
    def let_go(self, which: int) -> None:
        if self.views:
            self.views.pop(which % len(self.views))

    @rule(which=WHICH, process=WHICH, times=st.integers(1, 2), keep=st.booleans())
    def lend(self, which: int, process: int, times: int, keep: bool) -> None:
        """To a process; again, if it is delivered again. keep: for another process."""
        if not self.views:
            return
        ref, view = self.views[which % len(self.views)]
        one = self.processes[process % len(self.processes)]
        for _ in range(times):
            if one.lending.fits(ref.slab, ref.generation, self.sizes[ref.slab]):
                one.lending.lend(ref.slab, ref.generation, self.sizes[ref.slab], view)
                one.looks.append(ref)
        del view
        if not keep:
            self.views.pop(which % len(self.views))
            self.tell()

    @rule()
    def tell(self) -> None:
        """The training process hears what was given back."""
        while self.returned:
            ref = self.returned.popleft()
            self.pool.ledger.release(RECORDER, ref.slab, ref.generation)

    @rule(attached=st.just(True))
    def recorder_dies(self, attached: bool) -> None:
        """Its workers die with it; what it had is the training process's again, and announced to nobody."""
        self.returned = deque()
        self.views.clear()
        self.processes = [Process() for _ in self.processes]
        self.pool.ledger.detach(RECORDER)
        self.pool.ledger.attach(RECORDER)

    # -- the processes --------------------------------------------------------------------------------------------------

    @rule(process=WHICH, which=WHICH, most=st.integers(1, 3))
    def release(self, process: int, which: int, most: int) -> None:
        one = self.processes[process % len(self.processes)]
        if not one.looks:
            return
        slab, generation = one.looks[which % len(one.looks)][:2]
        # Which of the pieces of a slab went is not said: all it lent must go before any is free.
        for count in range(most):
            pieces = [at for at, ref in enumerate(one.looks) if ref[:2] == (slab, generation)]
            if not pieces:
                most = count
                break
            one.looks.pop(pieces[0])
        one.lending.release(slab, generation, most)

    @rule(process=WHICH, slab=st.integers(0, 8), generation=st.integers(0, 4), more=st.integers(-2, 3))
    def release_what_it_has_not(self, process: int, slab: int, generation: int, more: int) -> None:
        one = self.processes[process % len(self.processes)]
        has = sum(ref[:2] == (slab, generation) for ref in one.looks)
        count = has + more if more > 0 else more
        before = repr(one.lending), len(self.returned), repr(self.pool.ledger.slabs)
        with pytest.raises(StaleLease):
            one.lending.release(slab, generation, count)
        assert (repr(one.lending), len(self.returned), repr(self.pool.ledger.slabs)) == before

    @rule(process=WHICH)
    def process_dies(self, process: int) -> None:
        at = process % len(self.processes)
        self.processes[at].lending.clear()
        assert self.processes[at].lending.held_bytes == 0
        self.processes[at] = Process()

    # -- always ---------------------------------------------------------------------------------------------------------

    @invariant()
    def held_bytes_add_up_and_stay_within_the_limit(self) -> None:
        for one in self.processes:
            slabs = {ref[:2] for ref in one.looks}
            assert one.lending.held_bytes == sum(self.sizes[slab] for slab, _ in slabs)
            assert len(one.lending) == len(one.looks)
            assert one.lending.held_bytes <= LIMIT or len(slabs) == 1

    @invariant()
    def what_is_looked_at_is_not_free(self) -> None:
        if not self.processes:
            return
        free = {one.number for one in self.pool.ledger.free_slabs()}
        for ref in self.looked_at():
            assert ref.slab not in free
            assert self.pool.ledger.slabs[ref.slab].generation == ref.generation

    def teardown(self) -> None:
        """All let go or die, in whatever order."""
        if not self.processes:
            return
        self.views.clear()
        for one in self.processes:
            one.lending.clear()
        self.tell()
        self.pool.lacks(ARENA_BYTES // 4)  # its own claim on what small arrays share
        busy = [one for one in self.pool.ledger.slabs.values() if not one.free]
        assert busy == [one for one in busy if one.number == self.pool._arena and one.claims == 1 and not one.announced]


TestEverybody = Everybody.TestCase
TestEverybody.settings = settings(max_examples=200, stateful_step_count=40)

"""One write, when it is not the hot path's: resolve what is lazy, take snapshots of arrays, commit all of it at once.

taken     numbers and values leave the pending ones; from here on they are either committed or counted
resolved  callables are called (and awaited) if some route is due; shapes and dtypes are checked
copied    arrays go into shared memory, large ones by a thread while the loop runs on
committed the row and the control records, under the lock, with no await between them: all or nothing; of a write with
          something that lies on a device, when that has come

Only values that are too many for shared memory at once are committed in portions; a write that fails in between has recorded
those that came before, and counts the others.
"""

import time
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Final

from asynclog.errors import NoRoom, WouldBlock
from asynclog.flow.route import UNLIMITED
from asynclog.logger.copying import Copying, Snapshot, uncancelled
from asynclog.logger.crossing import Crossing, as_logged
from asynclog.logger.due import Decision
from asynclog.logger.loan import Loan
from asynclog.logger.metas import packed_meta
from asynclog.logger.numbers import Numbers
from asynclog.logger.pending import NOTHING_TAKEN, Logged, Taken
from asynclog.logger.resolving import Resolving, at_once, waiting
from asynclog.shm.rows import Block
from asynclog.shm.slab import Ref
from asynclog.state import State
from asynclog.values import Artifact, Text

if TYPE_CHECKING:
    from asynclog.logger.core import Core

_DEVICES: Final = ("devices",)
"""The owner of blocks for rows with numbers from devices: they come later than the rows of those who write them."""
_ANNOUNCEMENT_BYTES: Final = 128
"""What a record of the control log has beside an event's meta, at the most."""


class Writing:
    """A write in progress. ``core`` is the logger's shared part."""

    def __init__(self, core: "Core", taken: Taken, state: State, owner: Hashable) -> None:
        self._core, self.taken, self._state = core, taken, state
        self._owner = owner
        self._began = time.monotonic_ns()
        self._numbers: Numbers = []
        self._copying = Copying(core)
        self._crossing: Crossing | None = None
        self._time_ns = 0
        self.recorded = 0
        """Numbers and values that are committed."""

    async def run(self) -> Block | None:
        """Waits where it must: for callables, for room, for copies."""
        if self.taken.values:
            await self._core.make_way()
        decision = self._decide()
        resolving = Resolving(self._core, self.taken, self._state, decision)
        await waiting(resolving.steps(), self._core.copier)
        self._numbers = resolving.numbers
        block = None
        try:
            left = self._portions(resolving.snapshots)
            while left:
                self._copying.snapshots = left[0]
                apart = _loans_apart(left[0])
                try:
                    await self._copying.make_room(waits=apart is None)
                except NoRoom:
                    # Nor does anybody wait with a loan in hand: it may be what the others wait for, or this very write.
                    left[:1] = apart or []
                    continue
                left.pop(0)
                await self._cross(decision)
                await self._copying.copy()
                if self._crossing is not None:
                    self._hand_over(self._crossing, decision)
                else:
                    block = await self._committed(decision) or block
        except BaseException:
            self._give_back()
            raise
        return block

    def run_nowait(self) -> Block | None:
        """Never waits. Raises WouldBlock; ``taken`` then holds what is to be tried again, with callables called already.

        Of more than shared memory holds, the first portions may be recorded by then.
        """
        core, copying = self._core, self._copying
        if core.producer.held:
            raise WouldBlock(f"routes {', '.join(sorted(core.producer.held))} are full")
        decision = self._decide()
        resolving = Resolving(core, self.taken, self._state, decision)
        at_once(resolving.steps())
        self._numbers = resolving.numbers
        left = self._portions(resolving.snapshots)
        block = None
        try:
            while left:
                copying.snapshots = left[0]
                copying.allocate_nowait()
                self._cross_nowait(decision)
                copying.fill()
                if self._crossing is not None:
                    self._hand_over(self._crossing, decision)
                else:
                    block = self.commit(decision) or block
                left.pop(0)
        except NoRoom as error:
            again = [one.logged for portion in left for one in portion]
            self.taken = Taken(as_logged(self._numbers), again, self.taken.folds if self._numbers else {})
            raise WouldBlock(f"shared memory is full: {error}") from error
        finally:
            self._give_back()
        return block

    # -- from devices -----------------------------------------------------------------------------------------------

    async def _cross(self, decision: Decision) -> None:
        """Have devices begin to copy what lies there, if anything does."""
        crossing = self._way(decision)
        if crossing is not None:
            if crossing.unregistered():
                await uncancelled(self._core.copier().submit(crossing.register), lambda _: None)
            self._begin(crossing)

    def _cross_nowait(self, decision: Decision) -> None:
        crossing = self._way(decision)
        if crossing is not None:
            crossing.register()
            self._begin(crossing)

    def _way(self, decision: Decision) -> Crossing | None:
        def commit(numbers: Numbers, snapshots: list[Snapshot], refs: Sequence[Ref | None]) -> None:
            self._put(decision, numbers, snapshots, refs, _DEVICES)

        return self._core.devices.crossing(self._numbers, self._copying, commit)

    def _begin(self, crossing: Crossing) -> None:
        with self._core.producer.lock:
            self._core.check_open()
            # Those of one block increase: what crosses is committed in the order in which it is begun.
            self._time_ns = self._time_ns or self._core.next_time()
            self._crossing = crossing
            self._core.devices.begin(crossing)

    def _hand_over(self, crossing: Crossing, decision: Decision) -> None:
        """The write is done, and what it took is pending until it has come."""
        core, copying = self._core, self._copying
        with core.producer.lock:
            core.check_open()
            crossing.ready = True
            self.recorded += crossing.count
            # Nothing of what is a device's is kept until it has come: whatever is needed of it is with the device.
            self._crossing, copying.snapshots, copying.refs, self._numbers = None, [], [], []
            self.taken = NOTHING_TAKEN
            core.board.spend(self._began)

    def _give_back(self) -> None:
        """Let go of memory that was not announced; where a device writes to it, when that is done."""
        if self._crossing is None:
            self._copying.give_back()
            return
        with self._core.producer.lock:
            self._core.devices.drop(self._crossing)
            self._crossing, self._copying.refs = None, []

    # -- to whoever records -----------------------------------------------------------------------------------------

    def _decide(self) -> Decision:
        core = self._core
        if self.taken.values and not self.taken.numbers and all(one.kind in UNLIMITED for one in self.taken.values):
            # No limit is asked, lest the values at the next state find it used up.
            return Decision(None, 0, False)
        with core.producer.lock:
            core.producer.blocks.note(self._state.phase, self._state.step)
            return core.board.decide(self._state, core.now())

    def _portions(self, snapshots: list[Snapshot]) -> list[list[Snapshot]]:
        """The values of a write, in portions that fit into shared memory beside others'. Nearly always one."""
        budget = self._core.quota // 4
        portions: list[list[Snapshot]] = [[]]
        filled = 0
        for snapshot in snapshots:
            if portions[-1] and filled + snapshot.nbytes > budget:
                portions.append([])
                filled = 0
            portions[-1].append(snapshot)
            filled += snapshot.nbytes
        lent = [one for one in snapshots if type(one.logged.value) is Loan]
        if lent and len(portions) > 1:
            # They go first: nobody waits for memory with so much of it in hand.
            copied = ([one for one in portion if type(one.logged.value) is not Loan] for portion in portions)
            return [lent, *filter(None, copied)]
        return portions

    async def _committed(self, decision: Decision) -> Block | None:
        while True:
            try:
                return self.commit(decision)
            except NoRoom:
                # Other writes come between: the row must be younger than theirs.
                self._time_ns = 0 if self._numbers else self._time_ns
                await self._core.room()

    def commit(self, decision: Decision) -> Block | None:
        """Row and events, at one time. Raises NoRoom, having changed nothing."""
        core, state, copying = self._core, self._state, self._copying
        with core.producer.lock:
            core.check_open()
            if not self._time_ns:
                self._time_ns = core.next_time()
            block = self._put(decision, self._numbers, copying.snapshots, copying.refs, self._owner)
            self.recorded += sum(len(one) for _, one in self._numbers) + len(copying.snapshots)
            copying.refs, self._numbers = [], []
            core.board.spend(self._began)
            if block is not None:
                block.due_until = core.board.due_until(decision, state.phase)
            return block

    def _put(
        self,
        decision: Decision,
        numbers: Numbers,
        snapshots: list[Snapshot],
        refs: Sequence[Ref | None],
        owner: Hashable,
    ) -> Block | None:
        core, state, time_ns = self._core, self._state, self._time_ns
        core.aside.newest_write = time_ns, state.step
        metas = [packed_meta(one, state) for one in snapshots]
        core.producer.control.reserve(sum(len(one) + _ANNOUNCEMENT_BYTES for one in metas))
        block = None
        if numbers:
            due = decision.due | core.board.always
            mask = None if due == core.board.always else due
            block = core.numbers.write(numbers, state.step, state._context, time_ns, mask, owner)
        complaints = core.take_complaints()
        if snapshots or complaints:
            # What was written before an event is told before it: the order in the journal is the order of the writes.
            core.producer.blocks.drain()
            for snapshot, meta, ref in zip(snapshots, metas, refs, strict=True):
                loan = snapshot.logged.value
                lies = loan.ref if type(loan) is Loan else ref
                core.producer.event(time_ns, meta, lies, counted=snapshot.logged.kind == "histogram")
                if type(loan) is Loan:
                    loan.announced()
                elif type(loan) is Artifact and core.desk is not None:
                    core.desk.announced(loan, core.producer.next_seq - 1)
            for text in complaints:
                logged = Logged("string", "asynclog", "invalid", text, {})
                told = Snapshot(logged, core.board.unlimited, Text(text).params(), [], [], [0])
                core.producer.event(time_ns, packed_meta(told, state), None)
            core.producer.counts.accepted += len(snapshots) + len(complaints)
            core.producer.ring()
        return block


def _loans_apart(portion: list[Snapshot]) -> list[list[Snapshot]] | None:
    """The loans of a portion, and what needs memory beside them; None if it isn't of both."""
    lent = [one for one in portion if type(one.logged.value) is Loan]
    others = [one for one in portion if type(one.logged.value) is not Loan]
    return [lent, others] if lent and any(one.nbytes for one in others) else None

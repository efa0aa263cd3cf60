"""How much of shared memory is on loan, and who may have more.

A loan is held for as long as its caller likes, and no consumer can bring it back. So loans get half of the memory at most:
the other half always comes round, and what fits into it waits for no loan. A loan that waits for other loans waits in vain if
nobody writes them: after PATIENCE_S without any that was written or given back it is told so.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from asynclog.errors import NoRoom, WouldBlock
from asynclog.link.producer import Producer
from asynclog.logger.copying import Copying, Snapshot
from asynclog.shm.slab import ARENA_BYTES, Ref, size_class

if TYPE_CHECKING:
    from asynclog.logger.core import Core

PATIENCE_S: Final = 5.0


class LoanAccount:
    """The account of a run's loans. came: called under the lock, when there is less on loan than before."""

    def __init__(self, producer: Producer, quota: int, came: Callable[[], None]) -> None:
        self._producer, self._came = producer, came
        self._of_slabs: dict[int, int] = {}
        self._settled = 0
        self.most_bytes = quota // 2
        self.held_bytes = 0
        """In slabs with something on loan: a small loan keeps all of its slab from coming round."""
        self.dropped: deque[Ref] = deque()
        """Given back by whoever was not sure to be allowed to take the lock."""

    @property
    def lock(self) -> AbstractContextManager[object]:
        """The producer's. A forked child has another one."""
        return self._producer.lock

    @property
    def count(self) -> int:
        return sum(self._of_slabs.values())

    # -- having -----------------------------------------------------------------------------------------------------

    def take(self, nbytes: int) -> Ref:
        """Memory, here and now. Raises NoRoom."""
        with self.lock:
            self.sweep()
            if not self._full(nbytes):
                ref = self._producer.pool.allocate(nbytes)
                if self._adopt(ref):
                    return ref
            raise NoRoom(self._held())

    def take_warm(self, nbytes: int) -> Ref | None:
        """The same; None if memory would have to be made first, or waited for."""
        with self.lock:
            self.sweep()
            if self._producer.held or self._full(nbytes) or self._producer.pool.lacks(nbytes):
                return None
            try:
                return self.take(nbytes)
            except NoRoom:
                return None

    async def wait(self, core: "Core", wanted: Snapshot) -> Ref:
        """Memory, when there is some. Raises WouldBlock if what is on loan stays there, LoggerClosed."""
        copying = Copying(core)
        copying.snapshots = [wanted]
        loop = asyncio.get_running_loop()
        since, settled = loop.time(), self._settled
        while True:
            with self.lock:
                self.sweep()
                full = self._full(wanted.nbytes)
            if not full:
                await copying.make_room()
                (ref,), copying.refs = copying.refs, []
                assert ref is not None
                with self.lock:
                    if self._adopt(ref):
                        return ref
            if settled != self._settled:
                since, settled = loop.time(), self._settled
            elif loop.time() - since > PATIENCE_S:
                raise WouldBlock(f"for {PATIENCE_S:g} s {self._held()}")
            await core.room()

    def _full(self, nbytes: int) -> bool:
        grows = size_class(nbytes) if nbytes > ARENA_BYTES // 4 else 0
        return bool(self.held_bytes) and self.held_bytes + grows > self.most_bytes

    def _adopt(self, ref: Ref) -> bool:
        """Count a piece as on loan; or give it back, if with its slab there would be too much."""
        size = 0 if ref.slab in self._of_slabs else self._producer.pool.ledger.slabs[ref.slab].size
        if self._of_slabs and self.held_bytes + size > self.most_bytes:
            self._producer.pool.abandon(ref)
            return False
        self._of_slabs[ref.slab] = self._of_slabs.get(ref.slab, 0) + 1
        self.held_bytes += size
        return True

    def _held(self) -> str:
        return (
            f"{self.count} loans that no write has taken hold {self.held_bytes} of the {self.most_bytes} bytes that loans may "
            "have; write(state) records them, MultiLogger(slabs=bytes) sets how much there is"
        )

    # -- letting go -------------------------------------------------------------------------------------------------

    def settle(self, ref: Ref) -> None:
        """A piece is on loan no more; its claim went to the consumers, or is about to be given back."""
        left = self._of_slabs[ref.slab] - 1
        if left:
            self._of_slabs[ref.slab] = left
        else:
            del self._of_slabs[ref.slab]
            self.held_bytes -= self._producer.pool.ledger.slabs[ref.slab].size
        self._settled += 1
        self._came()

    def give_back(self, ref: Ref) -> None:
        """A piece that no write will announce."""
        self.settle(ref)
        self._producer.pool.abandon(ref)

    def sweep(self) -> None:
        """Give back what was dropped without a word."""
        while self.dropped:
            self.give_back(self.dropped.popleft())

    def statistics(self) -> dict[str, int]:
        """loans: pieces on loan, rendered into or waiting for a write. loaned_bytes: in slabs that have such."""
        return {"loans": self.count, "loaned_bytes": self.held_bytes}

    def __repr__(self) -> str:
        return f"<LoanAccount: {self.count} loans, {self.held_bytes} of {self.most_bytes} bytes>"

"""What a logger has on its way from devices, in the order of the writes. The link's thread looks whether it has come.

Until it has, it is pending: ``write`` has returned, and it is not accepted. It shares the training process's fate.
"""

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from asynclog.errors import NoRoom
from asynclog.logger.capture import unreadable
from asynclog.logger.crossing import Commit, Crossing, is_far
from asynclog.logger.far import Class, Numbers, class_of
from asynclog.logger.standins import StandIns
from asynclog.shm.device import Device, device_of
from asynclog.shm.registry import Registry
from asynclog.shm.staging import Staging

if TYPE_CHECKING:
    from asynclog.logger.copying import Copying
    from asynclog.logger.core import Core

_log = logging.getLogger("asynclog")
_kept: Final[list[Any]] = []
"""What a device may still write to after its logger ended: never freed, lest it be another's."""


class Devices:
    """Of one logger. Its state is changed under the producer's lock."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self.pool = core.producer.pool
        self.registry = Registry(self.pool)
        self._queue: deque[Crossing] = deque()
        self._stagings: dict[Device, Staging] = {}
        self._over = False
        self.wake: Callable[[], None] = lambda: None

    @property
    def pending(self) -> int:
        """Numbers and values that have not come yet."""
        with self._core.producer.lock:
            return sum(one.count for one in self._queue if not one.dropped)

    # -- what goes this way -----------------------------------------------------------------------------------------

    def number(self, value: Any) -> Class | None:
        """With what a number crosses; None for one that doesn't by itself."""
        which = class_of(value)
        return None if which is None or id(which[0]) in self.registry.refused else which

    def stand_ins(self, kind: str, value: Any, params: dict[str, Any]) -> StandIns | None:
        """A value with stand-ins for its arrays on devices; None if they can't cross by themselves."""
        found = StandIns(kind, value, params)
        return found if found.whole and not self.registry.refused else None

    def staging(self, device: Device) -> Staging:
        if device not in self._stagings:
            self._stagings[device] = Staging(device, self.registry.registered)
        return self._stagings[device]

    def crossing(self, numbers: Numbers, copying: "Copying", commit: Commit) -> Crossing | None:
        """The way of one portion of a write; None if nothing of it lies on a device."""
        if not is_far(numbers, copying.snapshots):
            return None
        return Crossing(self, numbers, copying.snapshots, list(copying.refs), commit)

    def begin(self, crossing: Crossing) -> None:
        """From here on it is settled by ``poll`` alone."""
        self._queue.append(crossing)
        if len(self._queue) == 1:
            self.wake()
        crossing.begin()

    def drop(self, crossing: Crossing) -> None:
        """It is not to be recorded; its memory comes back when the devices are done with it."""
        crossing.dropped = True
        self.poll()

    # -- what has come ----------------------------------------------------------------------------------------------

    def poll(self) -> bool:
        """Settle what has come, in order; True if more is on its way. In the link's thread, and when somebody can't wait."""
        # Nearly always; it is asked at each turn of the thread. Whoever puts something there wakes it afterwards.
        if not self._queue:
            return False
        with self._core.producer.lock:
            while self._queue and not self._over:
                first = self._queue[0]
                if not (first.ready or first.dropped) or not first.over():
                    return True
                try:
                    self._settle(first)
                except NoRoom:
                    return True
                self._queue.popleft()
                _tell(first)
            return False

    def _settle(self, crossing: Crossing) -> None:
        core = self._core
        for error in crossing.settle():
            core.producer.counts.invalid += 1
            core.note(f"not recorded: {error}")
        if crossing.error is not None and not crossing.dropped:
            core.producer.counts.discarded += crossing.count
            core.note(f"{crossing.count} values of a write are lost, their device failed: {crossing.error!r}")
        if crossing.dropped or crossing.error is not None:
            core.came_free()

    def crossed(self) -> "Future[None] | None":
        """Done when everything that is on its way now was settled; None if nothing is."""
        with self._core.producer.lock:
            if not self._queue:
                return None
            done: Future[None] = Future()
            self._queue[-1].waiters.append(done)
            return done

    # -- the end ----------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """The logger ends: what has come is recorded, what hasn't is counted and said."""
        self.poll()
        # Those that aren't ready are their writes' to count.
        lost = sum(one.count for one in self._queue if one.ready and not one.dropped)
        for one in self._queue:
            one.dropped = True
            _tell(one)
        if lost:
            self._core.producer.counts.discarded += lost
            _log.warning("%d values were still on their way from a device when the logger ended; they are not recorded", lost)

    def close(self) -> None:
        """Before the slabs go. What a device may still write to stays."""
        with self._core.producer.lock:
            self.poll()
            self._over = True
            for one in self._queue:
                self.registry.busy |= one.slabs()
                _kept.extend((one, *(self.pool.mappings[slab] for slab in one.slabs())))
            for staging in self._stagings.values():
                staging.close()

    def after_fork(self) -> None:
        """In a forked child: devices, and what they copy, are the parent's."""
        self._over = True
        self.registry.disown()
        # Not even let go of: there a device's own memory can't be freed.
        _kept.extend(self._queue)

    def __repr__(self) -> str:
        return f"<Devices: {len(self._queue)} writes on their way, {self.pending} values>"


def kept(value: Any, namespace: str, key: str) -> Any:
    """A number as it is now, on its device. Raises InvalidValue."""
    device = device_of(value)
    assert device is not None
    try:
        return device.keep(value)
    except Exception as error:
        raise unreadable(error, "scalar", namespace, key) from error


def _tell(crossing: Crossing) -> None:
    for waiter in crossing.waiters:
        # Whoever waited may have left.
        if waiter.set_running_or_notify_cancel():
            waiter.set_result(None)
    crossing.waiters.clear()

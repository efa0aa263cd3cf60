"""One write, or one portion of it, of which something lies on a device: it is on its way until all has arrived, then it is
committed as a whole; or dropped, and then its memory is given back when nothing is written to it any more.

ready     what lies on the host is copied as well
dropped   the write was cancelled, or the logger ended first
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np

from asynclog.errors import InvalidValue
from asynclog.logger.copying import NONE_FAR, Snapshot
from asynclog.logger.far import Far, Landing, Numbers
from asynclog.logger.loan import Loan
from asynclog.shm.device import Copy, Device, Move, device_of
from asynclog.shm.slab import Ref

if TYPE_CHECKING:
    from asynclog.logger.devices import Devices

_log = logging.getLogger("asynclog")
Commit = Callable[[Numbers, list[Snapshot], Sequence[Ref | None]], None]


class Crossing:
    """commit(numbers, snapshots, refs): records them; raises NoRoom, having changed nothing. All but ``register`` is done
    under the producer's lock."""

    def __init__(
        self, devices: "Devices", numbers: Numbers, snapshots: list[Snapshot], refs: list[Ref | None], commit: Commit
    ) -> None:
        self._devices, self._commit = devices, commit
        self._snapshots, self.refs = snapshots, refs
        self._landing = Landing(numbers, devices.staging)
        self._copies: list[Copy] = []
        self.error: Exception | None = None
        self.ready = self.dropped = False
        self.count = sum(len(keys) for _, keys in numbers) + len(snapshots)
        self.waiters: list[Future[None]] = []

    def unregistered(self) -> set[tuple[Device, int]]:
        """Slabs that a device will write to for the first time."""
        wanted = {
            (device, ref.slab)
            for snapshot, ref in zip(self._snapshots, self.refs, strict=True)
            for device in map(device_of, snapshot.far.values())
            if ref is not None and device is not None
        }
        return {one for one in wanted if self._devices.registry.lacks(*one)}

    def register(self) -> None:
        """Takes a while for large slabs, and needs no lock."""
        for device, slab in self.unregistered():
            self._devices.registry.register(device, slab)

    def begin(self) -> None:
        """Ask the devices to copy."""
        moves = self._landing.moves()
        for snapshot, ref in zip(self._snapshots, self.refs, strict=True):
            if ref is not None:
                self._add_arrays(moves, snapshot, ref)
        # Neither here is anything kept of what is the device's.
        self._snapshots = [
            one._replace(logged=one.logged._replace(value=None), far=NONE_FAR) if one.far else one for one in self._snapshots
        ]
        for device, its in moves.items():
            self._copies.append(device.copy(its))

    def _add_arrays(self, moves: dict[Device, list[Move]], snapshot: Snapshot, ref: Ref) -> None:
        view = self._devices.pool.view(ref)
        for at, source in snapshot.far.items():
            spec = snapshot.specs[at]
            device = device_of(source)
            assert device is not None
            target = np.ndarray(spec.shape, np.dtype(spec.dtype), view, snapshot.offsets[at])
            moves.setdefault(device, []).append((source, target))

    def over(self) -> bool:
        """Whether nothing is written to its memory any more."""
        self._copies = [one for one in self._copies if not self._done(one)]
        return not self._copies

    def _done(self, copy: Copy) -> bool:
        try:
            return copy.done()
        except Exception as error:  # noqa: BLE001 - of whatever library; told when the write is settled
            self.error = self.error or error
            return True

    def settle(self) -> list[InvalidValue]:
        """Commit, or give back, what is over; returns what of it can't be recorded. Raises NoRoom, having changed nothing."""
        wrong: list[InvalidValue] = []
        if not self.dropped and self.error is None:
            numbers, wrong = self._landing.arrived()
            self._commit(numbers, self._snapshots, self.refs)
        else:
            for ref in self.refs:
                if ref is not None:
                    self._devices.pool.abandon(ref)
            for snapshot in self._snapshots:
                if type(snapshot.logged.value) is Loan:
                    snapshot.logged.value.give_back()
        self._landing.give_back()
        return wrong

    def slabs(self) -> set[int]:
        return {ref.slab for ref in self.refs if ref is not None}

    def __repr__(self) -> str:
        return f"<Crossing of {self.count} values: {len(self._copies)} copies on their way>"


def is_far(numbers: Numbers, snapshots: Sequence[Snapshot]) -> bool:
    """Whether anything of it lies on a device."""
    return any(one.far for one in snapshots) or any(type(found) is Far for _, keys in numbers for found in keys.values())


def as_logged(numbers: Numbers) -> list[tuple[str, dict[str, Any]]]:
    """The numbers of a write that could not be made, as it had found them."""
    return [
        (space, {key: found.raw if isinstance(found, Far) else found for key, found in keys.items()}) for space, keys in numbers
    ]

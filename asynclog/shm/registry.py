"""Which slabs a device copies into without help: each is registered once, before its first copy, and taken back before its
memory goes. A slab that a device may still write to is never taken back; it lasts as long as the process.
"""

import logging
import threading

from asynclog.shm import memory
from asynclog.shm.device import Device
from asynclog.shm.pool import Pool

_log = logging.getLogger("asynclog")
_kept: list[memory.Mapping] = []


class Registry:
    """Of a pool's slabs. Registering takes a millisecond for some megabytes: a thread may do it without any lock."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        pool.on_leave = self._take_back
        self._one_at_a_time = threading.Lock()
        self._known: dict[int, list[Device]] = {}
        self.busy: set[int] = set()
        """Slabs that a device may still write to though nobody waits for it."""
        self.refused: set[int] = set()
        """Devices that could not register memory, by id: what lies there goes another way."""

    def lacks(self, device: Device, slab: int) -> bool:
        return device not in self._known.get(slab, ()) and id(device) not in self.refused

    def register(self, device: Device, slab: int) -> None:
        """The caller has a claim on the slab, so it doesn't go meanwhile."""
        with self._one_at_a_time:
            if not self.lacks(device, slab):
                return
            if self.registered(device, self._pool.mappings[slab].view):
                self._known.setdefault(slab, []).append(device)

    def registered(self, device: Device, view: memoryview) -> bool:
        """Register memory that is no slab; False where it can't be."""
        try:
            device.register(view)
        except Exception as error:  # noqa: BLE001 - of any library; the copy works all the same, and holds up the loop once
            self.refused.add(id(device))
            _log.warning("%r can't register memory (%s); from now on a thread waits for what lies there", device, error)
            return False
        return True

    def disown(self) -> None:
        """In a forked child: registered memory is the parent's."""
        self._known.clear()

    def _take_back(self, slab: int, mapping: memory.Mapping) -> None:
        devices = self._known.pop(slab, ())
        if devices and slab in self.busy:
            _kept.append(mapping)
            return
        for device in devices:
            take_back(device, mapping)

    def __repr__(self) -> str:
        return f"<Registry: {len(self._known)} slabs>"


def take_back(device: Device, mapping: memory.Mapping) -> None:
    """Memory that is registered, before it goes."""
    try:
        device.unregister(mapping.view)
    except Exception as error:  # noqa: BLE001 - of any library: a device that failed must not keep a logger from its end
        _kept.append(mapping)
        _log.warning("%r doesn't let go of memory (%s), which lasts as long as this process", device, error)

"""A consumer's hold on a piece of a slab, owned by the arrays that look into it.

``array()`` is a numpy array whose base is the lease itself, so the lease ends exactly when the last array, memoryview or
slice derived from it does.
"""

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asynclog.errors import StaleLease
from asynclog.shm.memory import Mapping
from asynclog.shm.slab import Ref


class Lease:
    """Read-only bytes of ``ref``; ``release(ref)`` is called once, when the last view is gone or ``free()`` is called.

    mapping: the slab's, for whoever passes the piece on to another process.
    """

    def __init__(self, mapping: Mapping, ref: Ref, release: Callable[[Ref], None]) -> None:
        self._bytes = np.frombuffer(mapping.view[ref.offset : ref.offset + ref.nbytes], np.uint8)
        self.mapping, self.ref = mapping, ref
        self._finalizer = weakref.finalize(self, release, ref)
        self._finalizer.atexit = False

    @property
    def __array_interface__(self) -> dict[str, Any]:
        if not self._finalizer.alive:
            raise StaleLease(f"{self.ref} was given back")
        pointer, _ = self._bytes.__array_interface__["data"]
        return {"version": 3, "shape": (self.ref.nbytes,), "typestr": "|u1", "data": (pointer, True)}

    def array(self) -> NDArray[np.uint8]:
        """The bytes as a read-only array that keeps this lease alive."""
        return np.asarray(self)

    def copy(self) -> NDArray[np.uint8]:
        """The bytes as an array of their own, for those who keep data."""
        return self.array().copy()

    def free(self) -> None:
        """Give the piece back before the last view is gone; views taken so far must not be used any more.

        Raises StaleLease the second time, and changes nothing.
        """
        if not self._finalizer.alive:
            raise StaleLease(f"{self.ref} was given back already")
        self._finalizer()

    def piece(self, view: memoryview) -> Ref:
        """Where a view of these bytes lies."""
        start = int(np.frombuffer(view, np.uint8).__array_interface__["data"][0])
        own, _ = self._bytes.__array_interface__["data"]
        return self.ref._replace(offset=self.ref.offset + start - own, nbytes=view.nbytes)

    def __repr__(self) -> str:
        return f"<Lease {self.ref} {'held' if self._finalizer.alive else 'given back'}>"


def lease_of(view: object) -> Lease | None:
    """The lease that a view looks into, if it looks into shared memory at all."""
    held = view.obj if isinstance(view, memoryview) else view
    base = held.base if isinstance(held, np.ndarray) else None
    return base if isinstance(base, Lease) else None

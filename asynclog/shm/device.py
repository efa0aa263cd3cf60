"""What copies by itself: a device that moves its arrays into our memory while everybody goes on, and says when it is done.

The order of things, for a device that has streams: what was computed before a copy was asked for is in it, what overwrites
the source afterwards is not. Nobody waits for either.
"""

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from asynclog.values import Array


class Form(NamedTuple):
    """How an array arrives: its shape and numpy's dtype; narrow: the name of a dtype that numpy lacks, whose bits these are."""

    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"
    narrow: str | None = None


class Stack(NamedTuple):
    """Numbers of no dimensions that travel as one array: of float64, int64 or uint64, as the target has it."""

    numbers: list[Any]


Move = tuple[Any, Array]
"""An array of the device, or a Stack; and where in our memory it goes: contiguous, of its Form, or as long as the Stack."""


class Copy(Protocol):
    """What a device was asked for at once."""

    def done(self) -> bool:
        """Whether all of it has arrived. Never waits. Raises what went wrong, once nothing is written any more."""


class Device(Protocol):
    """Whatever arrays of one library lie on, were it several devices. An array's type says so by ``__asynclog_device__``."""

    def form(self, value: Any, *, bits: bool = False) -> Form | None:
        """How one of its arrays arrives; None for what it can't copy. bits: of a dtype that numpy lacks its bits, not the
        float32 that holds each of its numbers."""

    def keep(self, value: Any) -> Any:
        """The array as it is now, for when its own memory is overwritten; a copy on the device, which nobody waits for."""

    def register(self, memory: memoryview) -> None:
        """Have memory into which copies go without help of the processor; it may take a while. Raises what its library does."""

    def unregister(self, memory: memoryview) -> None:
        """Before registered memory goes back to the operating system."""

    def copy(self, moves: Sequence[Move]) -> Copy:
        """Begin to copy. Waits for nothing and raises nothing: what goes wrong, here as well, is told by the Copy."""


def device_of(value: Any) -> Device | None:
    """Where an array lies, if its device copies by itself: CUDA's of torch do. torch is never imported."""
    # Empty while another thread is still importing it.
    tensors: Any = getattr(sys.modules.get("torch"), "Tensor", ())
    if isinstance(value, tensors):
        if value.device.type != "cuda":
            return None
        from asynclog.shm.cuda import cuda

        return cuda()
    where = getattr(type(value), "__asynclog_device__", None)
    found: Device | None = None if where is None else where(value)
    return found

"""A device whose copies arrive when the test says so: what a logger does with a GPU, where there is none.

It works as a stream does: what it was asked for is done in order, and what overwrites an array waits for the copies of it
that were asked for before. While a copy is on its way its target holds nothing that anybody should see.

    device = FakeDevice()
    log.log_scalar("loss", device.array(0.5))
    await log.write(0)                      # returns; nothing is recorded yet
    device.complete()                       # now it is, as soon as the logger looks
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from asynclog.shm.device import Form, Move, Stack
from asynclog.values import Array

SCRIBBLE = 0xA5
"""What every byte of a target is until its copy has arrived."""


class FakeDevice:
    """reads: when a copy takes its source: when it is asked for, or as late as it may. Safe from any thread.

    registered: the memory it may copy into, by address; forgotten: how often some was taken back; wrong: what should never
    have been asked of a device, for the test to find empty.
    """

    def __init__(self, *, reads: Literal["issue", "completion"] = "issue", registers: bool = True) -> None:
        self._reads, self._registers = reads, registers
        self._lock = threading.RLock()
        self._stream: deque[Callable[[], None] | FakeCopy] = deque()
        self.registered: dict[int, int] = {}
        self.forgotten = 0
        self.fetched = 0
        self.wrong: list[str] = []

    # -- the test's side --------------------------------------------------------------------------------------------

    def array(self, data: npt.ArrayLike) -> "FakeArray":
        """An array that lies here."""
        return FakeArray(self, np.array(data))

    @property
    def copies(self) -> int:
        """Copies that were asked for and have not arrived."""
        with self._lock:
            return sum(isinstance(one, FakeCopy) for one in self._stream)

    def complete(self, most: int | None = None) -> int:
        """Let copies arrive, the oldest first; returns how many did."""
        with self._lock:
            arrived = 0
            while self._stream and (most is None or arrived < most or not isinstance(self._stream[0], FakeCopy)):
                first = self._stream.popleft()
                if isinstance(first, FakeCopy):
                    first.arrive()
                    arrived += 1
                else:
                    first()
            return arrived

    def fail(self, error: Exception) -> None:
        """The oldest copy comes to nothing."""
        with self._lock:
            copy = next(one for one in self._stream if isinstance(one, FakeCopy))
            self._stream.remove(copy)
            copy.error = error

    # -- the logger's side ------------------------------------------------------------------------------------------

    def form(self, value: Any, *, bits: bool = False) -> Form | None:
        return Form(value.shape, value.dtype)

    def keep(self, value: "FakeArray") -> "FakeArray":
        made = FakeArray(self, np.empty_like(value.held))
        self.then(lambda: np.copyto(made.held, value.held))
        return made

    def register(self, memory: memoryview) -> None:
        if not self._registers:
            raise OSError("this device can't register memory")
        at = _address(memory)
        with self._lock:
            if at in self.registered:
                self.wrong.append(f"memory at {at:#x} was registered twice")
            self.registered[at] = memory.nbytes

    def unregister(self, memory: memoryview) -> None:
        at = _address(memory)
        with self._lock:
            if self.registered.pop(at, None) is None:
                self.wrong.append(f"memory at {at:#x} was taken back and never registered")
            if any(one.writes_to(at, memory.nbytes) for one in self._stream if isinstance(one, FakeCopy)):
                self.wrong.append(f"memory at {at:#x} was taken back while a copy into it was on its way")
            self.forgotten += 1

    def copy(self, moves: Sequence[Move]) -> "FakeCopy":
        with self._lock:
            for _, target in moves:
                if target.nbytes and self._registers and not self._knows(target):
                    self.wrong.append("a copy into memory that was not registered")
            made = FakeCopy(moves, early=self._reads == "issue" and not self._stream)
            self._stream.append(made)
            return made

    def then(self, action: Callable[[], None]) -> None:
        """Done after all that was asked for before; at once, if that is done."""
        with self._lock:
            if self._stream:
                self._stream.append(action)
            else:
                action()

    def _knows(self, target: Array) -> bool:
        at = _address(target)
        return any(start <= at and at + target.nbytes <= start + size for start, size in self.registered.items())

    def __repr__(self) -> str:
        return f"<FakeDevice: {self.copies} copies on their way>"


class FakeArray:
    """An array of a FakeDevice. ``held`` is for the test alone; to read it in any other way counts as ``device.fetched``."""

    def __init__(self, device: FakeDevice, held: Array) -> None:
        self.device, self.held = device, held

    @property
    def shape(self) -> tuple[int, ...]:
        return self.held.shape

    @property
    def dtype(self) -> "np.dtype[Any]":
        return self.held.dtype

    def fill(self, value: Any) -> None:
        """Overwrite it, after what was asked for before."""
        self.device.then(lambda: self.held.fill(value))

    def get(self) -> Array:
        """The numbers, as those fetch them who wait for the device."""
        self.device.fetched += 1
        return self.held.copy()

    def __asynclog_device__(self) -> FakeDevice:
        return self.device

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0  # CUDA, the first

    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("it lies on a device")

    def __repr__(self) -> str:
        return f"<FakeArray of shape {self.shape}, {self.dtype}>"


class FakeCopy:
    """What was asked for at once. early: its sources are read now."""

    def __init__(self, moves: Sequence[Move], *, early: bool) -> None:
        self._moves: list[Move] = [(_numbers(*one), one[1]) for one in moves] if early else list(moves)
        self._early = early
        self._arrived = False
        self.error: Exception | None = None
        for _, target in moves:
            target.reshape(-1).view(np.uint8)[:] = SCRIBBLE

    def arrive(self) -> None:
        for source, target in self._moves:
            np.copyto(target, source if self._early else _numbers(source, target))
        self._arrived = True

    def writes_to(self, start: int, size: int) -> bool:
        return any(start <= _address(target) < start + size for _, target in self._moves)

    def done(self) -> bool:
        if self.error is not None:
            raise self.error
        return self._arrived


def _numbers(source: Any, target: Array) -> Array:
    if isinstance(source, Stack):
        return np.array([one.held for one in source.numbers]).astype(target.dtype)
    held: Array = source.held
    return held.copy()


def _address(memory: "memoryview | Array") -> int:
    return int(np.asarray(memory).__array_interface__["data"][0])

"""CUDA's devices, as torch has them: copies on a stream of their own, beside the one that computes.

What is copied is first made ready on the current stream, as one contiguous array that is nobody else's: converted, stacked,
or copied on the device, which takes a fiftieth of the time that crossing takes. So the current stream needn't wait until it
has crossed, and what is overwritten after a write is not what is recorded. Only of arrays too large to have twice on the
device the current stream waits: whatever comes next on it comes after the copy.

Nothing here synchronises. Things that don't work: ``tensor.item()`` and ``float(tensor)`` wait for the whole device;
``copy_(non_blocking=True)`` into memory that is not registered is staged by the driver, in the caller; into another dtype it
goes through memory that isn't registered either; a call from a thread that has not said which device it means makes a context
on the first, some hundred MiB in each process of a node.
"""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

import numpy as np

from asynclog.normal.narrow import BITS
from asynclog.shm.device import Copy, Form, Move, Stack
from asynclog.values import Array

MOST_HAD_TWICE_BYTES: Final = 16 << 20
"""Larger arrays are not copied on the device first."""
_PORTABLE: Final = 1  # cudaHostRegisterPortable: for all devices of this process
_SAME: Final = frozenset(
    {
        *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    }
)
"""The dtypes that numpy has under the same name."""
_STACKS: Final = frozenset({"bool", "uint8", "int8", "int16", "int32", "int64", "bfloat16", "float16", "float32", "float64"})
"""The dtypes of which torch stacks numbers everywhere; others are converted first, one by one."""


@cache
def cuda() -> "Cuda":
    """All CUDA devices of this process."""
    return Cuda()


class Cuda:
    """torch is there: whoever has its tensors has imported it."""

    def __init__(self) -> None:
        self._torch: Any = sys.modules["torch"]
        self._sides: dict[int, Any] = {}
        self._in_use = 0

    def form(self, value: Any, *, bits: bool = False) -> Form | None:
        torch = self._torch
        # Subclasses say what copying them means: a tensor that is spread over several processes isn't all here.
        if type(value) not in (torch.Tensor, torch.nn.Parameter) or value.layout is not torch.strided:
            return None
        self._in_use = value.device.index
        return form_of(value, bits=bits)

    def keep(self, value: Any) -> Any:
        return value.detach().clone()

    def register(self, memory: memoryview) -> None:
        at = np.frombuffer(memory, np.uint8)
        self._called(lambda cudart: cudart.cudaHostRegister(at.ctypes.data, at.nbytes, _PORTABLE))

    def unregister(self, memory: memoryview) -> None:
        at = np.frombuffer(memory, np.uint8)
        self._called(lambda cudart: cudart.cudaHostUnregister(at.ctypes.data))

    def _called(self, function: Callable[[Any], Any]) -> None:
        """A call of the runtime, in a thread of its own: where one fails its error stays behind, and whoever launches the next
        kernel from that thread would take it for his own."""
        torch = self._torch
        cudart = torch.cuda.cudart()

        def call() -> Any:
            with torch.cuda.device(self._in_use):
                return function(cudart)

        with ThreadPoolExecutor(1) as thread:
            torch.cuda.check_error(thread.submit(call).result())

    def copy(self, moves: Sequence[Move]) -> Copy:
        began = CudaCopy(self._torch)
        try:
            for index, its in _by_index(moves).items():
                self._copy_from(index, its, began)
        except Exception as error:  # noqa: BLE001 - told by the copy, once nothing is written any more
            began.error = error
        return began

    def _copy_from(self, index: int, moves: Sequence[Move], began: "CudaCopy") -> None:
        torch = self._torch
        side = self._side(index)
        current = torch.cuda.current_stream(index)
        with torch.cuda.device(index):
            made = [(self._ready(source, target), target) for source, target in moves if target.nbytes]
        side.wait_stream(current)
        event = torch.cuda.Event()
        try:
            with torch.cuda.stream(side):
                for (data, _), target in made:
                    # The allocator gives its memory to nobody else before the side stream is through with it.
                    data.record_stream(side)
                    torch.from_numpy(target.reshape(-1).view(np.uint8)).copy_(data, non_blocking=True)
        finally:
            # Also of what was begun before an error: its memory must not be another's until then.
            event.record(side)
            began.events.append((index, event))
        if not all(own for (_, own), _ in made):
            current.wait_event(event)

    def _ready(self, source: Any, target: Array) -> tuple[Any, bool]:
        """The bytes to copy, contiguous on the device; and whether nobody else can overwrite them."""
        torch = self._torch
        if isinstance(source, Stack):
            return stacked(torch, source.numbers, target.dtype), True
        data = bytes_of(torch, source, target.dtype)
        if data.untyped_storage().data_ptr() != source.untyped_storage().data_ptr():
            return data, True
        if data.nbytes > MOST_HAD_TWICE_BYTES:
            return data, False
        try:
            return data.clone(), True
        except torch.cuda.OutOfMemoryError:
            return data, False

    def _side(self, index: int) -> Any:
        if index not in self._sides:
            self._sides[index] = self._torch.cuda.Stream(device=index)
        return self._sides[index]

    def __repr__(self) -> str:
        return f"<CUDA of torch: {len(self._sides)} devices in use>"


class CudaCopy:
    """events: one a device, with its index. error: what went wrong when it was begun."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self.events: list[tuple[int, Any]] = []
        self.error: Exception | None = None

    def done(self) -> bool:
        for index, event in self.events:
            with self._torch.cuda.device(index):
                if not event.query():
                    return False
        if self.error is not None:
            raise self.error
        return True


def form_of(tensor: Any, *, bits: bool) -> Form | None:
    """How a strided tensor of torch arrives; None for a dtype that has no like."""
    name, shape = str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape)
    if name in BITS:
        return Form(shape, np.dtype(BITS[name]), name) if bits else Form(shape, np.dtype(np.float32))
    if name == "complex32":
        return Form(shape, np.dtype(np.complex64))
    return Form(shape, np.dtype(name)) if name in _SAME else None


def bytes_of(torch: Any, tensor: Any, dtype: "np.dtype[Any]") -> Any:
    """A tensor's bytes in the dtype that its Form names, contiguous: itself where it is so already."""
    data = tensor.detach()
    if BITS.get(str(data.dtype).removeprefix("torch.")) != dtype:
        data = data.to(getattr(torch, dtype.name))
    return data.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)


def stacked(torch: Any, numbers: Sequence[Any], dtype: "np.dtype[Any]") -> Any:
    """Numbers of any dtypes as the bytes of one array. One kernel for each dtype among them, not one for each number."""
    wanted = getattr(torch, dtype.name)
    ones = [one.detach() for one in numbers]
    ones = [one if str(one.dtype).removeprefix("torch.") in _STACKS else one.to(wanted) for one in ones]
    groups: dict[Any, list[int]] = {}
    for at, one in enumerate(ones):
        groups.setdefault(one.dtype, []).append(at)
    made = [torch.stack([ones[at] for at in places]).to(wanted) for places in groups.values()]
    if len(made) > 1:
        order = [at for places in groups.values() for at in places]
        apart = [one for some in made for one in some.unbind()]
        made = [torch.stack([one for _, one in sorted(zip(order, apart, strict=True), key=lambda pair: pair[0])])]
    return made[0].contiguous().view(torch.uint8)


def _by_index(moves: Sequence[Move]) -> dict[int, list[Move]]:
    """Moves by the device they begin on. The numbers of a Stack may lie on several: each goes to its place of the target."""
    found: dict[int, list[Move]] = {}
    for source, target in moves:
        if not isinstance(source, Stack):
            found.setdefault(source.device.index, []).append((source, target))
            continue
        places: dict[int, list[int]] = {}
        for at, one in enumerate(source.numbers):
            places.setdefault(one.device.index, []).append(at)
        if len(places) == 1:
            found.setdefault(next(iter(places)), []).append((source, target))
            continue
        for index, its in places.items():
            found.setdefault(index, []).extend((Stack([source.numbers[at]]), target[at : at + 1]) for at in its)
    return found

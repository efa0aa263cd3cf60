"""Numbers that may lie on a device: added up where they are, fetched together and once.

torch is known here by what is imported already; a number of any other library is read as it comes.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_far(value: Any) -> bool:
    """Whether this is a tensor of torch on a device: reading it would wait for all that the device has to do."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor) and value.device.type != "cpu"


def exact(value: Any) -> Any:
    """A tensor on a device as float64, without its graph; float32 where the device has no other."""
    torch: Any = sys.modules["torch"]
    return value.detach().to(torch.float32 if value.device.type == "mps" else torch.float64)


def numbers_here(value: Any) -> NDArray[np.float64]:
    """What doesn't lie on a device, as a flat array. Raises TypeError or ValueError for what is no number, as text and None
    aren't."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().to(torch.float64).numpy()
    found = np.asarray(value)
    if found.dtype.kind in "OUSmMc":
        raise TypeError(f"an array of {found.dtype} is none of numbers")
    return found.astype(np.float64).reshape(-1)


class Amount:
    """A sum, or an extreme, of numbers here and on devices. here, there: what joins two of them; there, in place."""

    __slots__ = ("_here", "_join_here", "_join_there", "_there")

    def __init__(self, nothing: float, here: Callable[[float, float], float], there: str) -> None:
        self._here, self._join_here, self._join_there = nothing, here, there
        self._there: dict[Any, Any] = {}

    def add(self, value: float) -> None:
        self._here = self._join_here(self._here, value)

    def add_far(self, value: Any) -> None:
        """A number of float64 that nobody else has."""
        kept = self._there.get(value.device)
        if kept is None:
            self._there[value.device] = value
        elif self._join_there == "sum":
            kept.add_(value)
        else:
            torch: Any = sys.modules["torch"]
            getattr(torch, self._join_there)(kept, value, out=kept)

    @property
    def there(self) -> Sequence[Any]:
        """What lies on devices, a number a device."""
        return list(self._there.values())

    @property
    def lazily(self) -> Any:
        """All of it without waiting, for a sum: a float, or a number on its device. None if it lies on several devices."""
        there = self.there
        if not there:
            return self._here
        return there[0] + self._here if len(there) == 1 else None

    def settled(self, fetched: Sequence[float]) -> float:
        """All of it, with what has been fetched of ``there``."""
        found = self._here
        for one in fetched:
            found = self._join_here(found, one)
        return found


class Fetching:
    """Numbers on devices, asked for at once: one copy a device. ``wait`` may be called from another thread."""

    def __init__(self, numbers: Sequence[Any]) -> None:
        torch = sys.modules.get("torch")
        self._places: list[tuple[Any, int]] = []
        self._stacks: dict[Any, Any] = {}
        self._events: list[Any] = []
        if not numbers or torch is None:
            return
        apart: dict[Any, list[Any]] = {}
        for one in numbers:
            ones = apart.setdefault(one.device, [])
            self._places.append((one.device, len(ones)))
            ones.append(one)
        for device, ones in apart.items():
            self._stacks[device] = torch.stack(ones)
            if device.type == "cuda":
                # Another thread has another current stream, which knows nothing of what this one was asked for.
                event = torch.cuda.Event()
                event.record(torch.cuda.current_stream(device))
                self._events.append(event)

    def __bool__(self) -> bool:
        return bool(self._places)

    def wait(self) -> list[float]:
        """The numbers, in their order. Waits until the devices have come so far."""
        for event in self._events:
            event.synchronize()
        here = {device: stack.cpu().tolist() for device, stack in self._stacks.items()}
        return [here[device][at] for device, at in self._places]

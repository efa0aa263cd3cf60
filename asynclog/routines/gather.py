"""The distribution of many numbers, wherever they lie: gathered there, and thinned out where they are too many."""

import sys
from array import array
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.routines.far import is_far, numbers_here

MOST: Final = 1 << 17
"""How many numbers of one distribution are kept: a mebibyte."""
_FIRST: Final = 1 << 10


class Gathered:
    """The distribution of many numbers, at most ``most`` of them: beyond that every second is left out, then every fourth."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._here = array("d")
        self._every = 1
        self._seen = 0
        self._there: dict[Any, _Buffer] = {}

    def __len__(self) -> int:
        return len(self._here) + sum(one.filled for one in self._there.values())

    def add(self, value: Any) -> None:
        """A number, or an array of them of any shape."""
        if type(value) is float:
            if self._seen % self._every == 0:
                self._here.append(value)
            self._seen += 1
            if len(self._here) > self._most:
                self._thin()
        elif is_far(value):
            buffer = self._there.get(value.device)
            if buffer is None:
                buffer = self._there[value.device] = _Buffer(value.device, self._most)
            buffer.add(value.detach().reshape(-1))
        else:
            self._add_array(numbers_here(value))

    def _add_array(self, flat: NDArray[np.float64]) -> None:
        self._here.frombytes(np.ascontiguousarray(flat[-self._seen % self._every :: self._every]).tobytes())
        self._seen += len(flat)
        while len(self._here) > self._most:
            self._thin()

    def _thin(self) -> None:
        self._here = self._here[::2]
        self._every *= 2

    def value(self) -> Any:
        """All of them as one array or tensor, or what makes one where they lie apart."""
        here = np.frombuffer(self._here, np.float64)
        there = [one.kept for one in self._there.values()]
        if not there:
            return here
        if len(there) == 1 and not len(here):
            return there[0]
        return lambda: np.concatenate([here, *(one.cpu().double().numpy() for one in there)])


class _Buffer:
    """The same on one device, where it grows by doubling: nothing is asked of the device but copies."""

    def __init__(self, device: Any, most: int) -> None:
        torch: Any = sys.modules["torch"]
        self._most, self._every, self._seen, self.filled = most, 1, 0, 0
        self._numbers = torch.empty(min(_FIRST, most), dtype=torch.float32, device=device)

    @property
    def kept(self) -> Any:
        return self._numbers[: self.filled]

    def add(self, flat: Any) -> None:
        chosen = flat[-self._seen % self._every :: self._every]
        while self.filled + len(chosen) > self._most:
            if self.filled:
                # As many as there is no need to keep. Of what one array holds more of than that, likewise.
                thinned = self.kept[::2].clone()
                self.filled = len(thinned)
                self._numbers[: self.filled] = thinned
            self._every *= 2
            chosen = flat[-self._seen % self._every :: self._every]
        if self.filled + len(chosen) > len(self._numbers):
            torch: Any = sys.modules["torch"]
            size = min(self._most, max(2 * len(self._numbers), self.filled + len(chosen)))
            grown = torch.empty(size, dtype=torch.float32, device=self._numbers.device)
            grown[: self.filled] = self.kept
            self._numbers = grown
        self._numbers[self.filled : self.filled + len(chosen)] = chosen
        self.filled += len(chosen)
        self._seen += len(flat)

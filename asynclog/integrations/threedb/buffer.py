"""What ``self.buffer`` is to a logger: the results that it may look at, by their index.

In 3DB consumers gave a slot back by a bit each, and one that never did held up everybody. Here an array owns its lease on what
was recorded, and ends it with its last reference. ``register`` and ``free`` say the same earlier, and only about this logger:
a result is there while it is logged; for a logger that has registered, until it frees it. One that registers and never frees
can look back on HELD_BYTES of results; older ones are let go of.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from asynclog.errors import StaleLease
from asynclog.integrations.threedb.pairing import Result
from asynclog.values import Array, Tensor

if TYPE_CHECKING:
    import torch

HELD_BYTES: Final = 64 << 20
_MOST_OWED: Final = 100_000


class Buffer:
    """tensors: gives torch tensors instead of arrays. A writing through one of those is undefined: torch knows no read-only
    memory."""

    initialized: Final = True

    def __init__(self, *, tensors: bool = False) -> None:
        self._tensors = tensors
        self._ids: set[int] = set()
        self._present: dict[int, Result] = {}
        self._owed: dict[int, set[int]] = {}
        """Who hasn't freed a result yet, by its index; its oldest entries may have outlived their result."""
        self._held_bytes = 0
        self._serving: int | None = None

    def register(self) -> int:
        """A new consumer's id: 1, 2, … It takes part from the result on that is logged right now."""
        new = len(self._ids) + 1
        self._ids.add(new)
        if self._serving is not None:
            self._owed.setdefault(self._serving, set()).add(new)
        return new

    def __getitem__(self, ix: int) -> "dict[str, Any]":
        """The channels of this very result, those that it was logged with and no others: read-only arrays, not copied.

        Raises StaleLease for a result that is over: keep the arrays, not the index.
        """
        found = self._present.get(ix)
        if found is None:
            raise StaleLease(f"result {ix} isn't in the buffer (any more); arrays taken from it earlier stay as they are")
        return {name: _tensor(one) if self._tensors else _array(one) for name, one in found.channels.items()}

    def free(self, ix: int, consumer: int) -> None:
        """Done with a result. Raises StaleLease, and changes nothing, if this consumer freed it already, never had it, or
        was never registered."""
        owing = self._owed.get(ix)
        if owing is None or consumer not in owing:
            raise StaleLease(f"result {ix} was freed already by consumer {consumer}, or never was theirs")
        owing.discard(consumer)
        if not owing:
            self._let_go(ix)

    @contextmanager
    def serving(self, result: Result) -> Iterator[None]:
        """While a result is being logged."""
        ix = result.ix
        # A run that goes on may count from 0 again, while a result of that number is still held.
        self._let_go(ix)
        self._present[ix] = result
        self._serving = ix
        self._held_bytes += result.nbytes
        if self._ids:
            self._owed[ix] = set(self._ids)
        try:
            yield
        finally:
            self._serving = None
            if not self._owed.get(ix):
                self._let_go(ix)
            self._make_room()

    def _make_room(self) -> None:
        while self._held_bytes > HELD_BYTES:
            self._forget(next(iter(self._present)))
        while len(self._owed) > _MOST_OWED:
            self._let_go(next(iter(self._owed)))

    def _let_go(self, ix: int) -> None:
        self._owed.pop(ix, None)
        self._forget(ix)

    def _forget(self, ix: int) -> None:
        found = self._present.pop(ix, None)
        if found is not None:
            self._held_bytes -= found.nbytes

    def __len__(self) -> int:
        return len(self._present)

    def __repr__(self) -> str:
        return f"<Buffer: {len(self._present)} results, {self._held_bytes} bytes, {len(self._ids)} consumers>"


def _array(tensor: Tensor) -> Array:
    """Read-only whatever it looks into: another logger may look at the same memory."""
    found = tensor.canonical().view()
    found.flags.writeable = False
    return found


def _tensor(tensor: Tensor) -> "torch.Tensor":
    import torch

    with warnings.catch_warnings():
        # Of memory that must not be written, which this class's docstring says.
        warnings.simplefilter("ignore", UserWarning)
        found = torch.from_numpy(tensor.data if tensor.data.dtype.isnative else tensor.data.astype(tensor.data.dtype.name))
    return found if tensor.dtype is None else found.view(getattr(torch, tensor.dtype))

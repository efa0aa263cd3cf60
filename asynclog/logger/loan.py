"""Loans: a caller renders into a piece of shared memory, and it is logged where it lies.

A piece on loan has one owner at any time: the handle while its body runs, then the pending values, then a write. Whoever
drops it gives it back; what nobody gave back, such as the loans of an entry that was forgotten, is swept up later.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from asynclog.logger.loan_account import LoanAccount
    from asynclog.logger.loan_handle import LoanHandle
    from asynclog.shm.slab import Ref
    from asynclog.values import Array
    from asynclog.wire.event import ArraySpec


class Form(NamedTuple):
    """What is known of a loan before anything is rendered. kind: the event's. shape, dtype: of the array that is lent.

    params, specs: of the event. beside: arrays that go along, such as colors, with their offsets behind the one that is lent.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"
    params: dict[str, Any]
    specs: "list[ArraySpec]"
    beside: "list[tuple[int, Array]]"
    nbytes: int


class Loan:
    """One piece on loan. ref: where it lies; None if it has no bytes, and once it was announced or given back."""

    __slots__ = ("_account", "form", "ref")

    def __init__(self, account: "LoanAccount", form: Form, ref: "Ref | None") -> None:
        self._account, self.form, self.ref = account, form, ref

    def announced(self) -> None:
        """A write announced it: its claim is the consumers' now. Under the producer's lock."""
        ref, self.ref = self.ref, None
        if ref is not None:
            self._account.settle(ref)

    def give_back(self) -> None:
        """Let go of the memory, unless a write announced it."""
        with self._account.lock:
            ref, self.ref = self.ref, None
            if ref is not None:
                self._account.give_back(ref)

    def __del__(self) -> None:
        # Where this runs, and with which locks in hand, nobody knows: it only leaves word.
        if self.ref is not None:
            self._account.dropped.append(self.ref)

    def __repr__(self) -> str:
        return f"<Loan of {self.form.nbytes} bytes at {self.ref}>"


class Loans:
    """The part of a logger that makes them."""

    def loan(
        self,
        key: str,
        shape: "int | Sequence[int]",
        dtype: Any,
        *,
        namespace: str | None = None,
        kind: str = "tensor",
        **params: Any,
    ) -> "LoanHandle":
        """A handle that lends shared memory to render into: no copy is made of it, neither here nor on the way to the sinks.

        ``async with handle as array`` waits for memory as a write does, ``with handle as array`` never waits. The array is
        of this shape and dtype, and holds whatever was there. When the body ends it becomes read-only and is logged under its
        key, for the next ``write``; if the body raises, it is given back. kind: "tensor", "image", "images", "audio",
        "spectrogram", "video", "histogram", "point_cloud" (its points) or "mesh" (its vertices), with the parameters of that
        ``log_`` method. dtype: numpy's or torch's; of bfloat16 and float8, which are for tensors, the array holds the bits.

        It belongs to this logger and to the namespace it was made in, and is for one body at a time. Entering raises WouldBlock
        where memory is full, LoggerClosed, and InvalidValue inside of its own body. Raises InvalidValue for what
        ``log_<kind>`` would refuse, for other kinds, and for more than half of the shared memory.
        """
        # numpy loads with the first logger, not with this class.
        from asynclog.logger.loan_handle import handle_of

        return handle_of(self, key, shape, dtype, namespace, kind, params)  # type: ignore[arg-type]

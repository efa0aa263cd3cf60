"""The handle of a loan: what its two forms of ``with`` do. For loops at a kilohertz: all that can be done once is done when
it is made."""

from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from asynclog.errors import InvalidValue, NoRoom, WouldBlock
from asynclog.logger.copying import Snapshot
from asynclog.logger.loan import Form, Loan
from asynclog.logger.loanable import form_of
from asynclog.logger.naming import named
from asynclog.logger.pending import NO_BLOCK, Logged
from asynclog.shm.slab import Ref
from asynclog.values import Array

if TYPE_CHECKING:
    from asynclog.logger.collect import Collector


class LoanHandle:
    """``async with handle as array``, or ``with``: see ``loan`` of a logger."""

    __slots__ = ("_array", "_entered", "_form", "_key", "_loan", "_logger", "_namespace", "_wanted")

    def __init__(self, logger: "Collector", namespace: str, key: str, form: Form) -> None:
        self._logger, self._namespace, self._key, self._form = logger, namespace, key, form
        self._wanted = Snapshot(Logged(form.kind, namespace, key, None, {}), 0, {}, [], [], [form.nbytes])
        self._entered = False
        self._array: Array | None = None
        self._loan: Loan | None = None

    # -- without waiting --------------------------------------------------------------------------------------------

    def __enter__(self) -> Array:
        core = self._logger._core
        if core.state == "new":
            core.open_here()
        self._enter()
        try:
            ref = core.loans.take(self._form.nbytes) if self._needs_memory() else None
        except NoRoom as error:
            self._entered = False
            raise WouldBlock(f"shared memory is full: {error}") from error
        return self._lend(ref)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._leave(raised=error is not None)

    # -- waiting for memory -----------------------------------------------------------------------------------------

    async def __aenter__(self) -> Array:
        core = self._logger._core
        if core.state == "new":
            await core.open_off_loop()
        self._enter()
        ref = None
        try:
            if self._needs_memory():
                ref = core.loans.take_warm(self._form.nbytes)
                if ref is None:
                    ref = await core.loans.wait(core, self._wanted)
        except BaseException:
            self._entered = False
            raise
        return self._lend(ref)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._leave(raised=error is not None)

    # -- both -------------------------------------------------------------------------------------------------------

    def _enter(self) -> None:
        if self._entered:
            raise InvalidValue(
                namespace=self._namespace,
                key=self._key,
                kind=self._form.kind,
                expected="the loan to be left before it is entered again",
                got="a handle that is entered",
                hint="two at a time need two handles",
            )
        self._logger._core.check_open()
        self._entered = True

    def _needs_memory(self) -> bool:
        """A forked child renders into memory of its own, which nobody records."""
        return bool(self._form.nbytes) and not self._logger._core.inert

    def _lend(self, ref: Ref | None) -> Array:
        form, core = self._form, self._logger._core
        self._loan = Loan(core.loans, form, ref)
        array: Array
        if ref is None:
            array = np.empty(form.shape, form.dtype)
        else:
            view = core.producer.pool.mappings[ref.slab].view
            array = np.ndarray(form.shape, form.dtype, view, ref.offset)
            for at, one in form.beside:
                np.copyto(np.ndarray(one.shape, one.dtype, view, ref.offset + at), one)
        self._array = array
        return array

    def _leave(self, *, raised: bool) -> None:
        loan, array, logger = self._loan, self._array, self._logger
        self._loan = self._array = None
        self._entered = False
        assert loan is not None
        assert array is not None
        array.flags.writeable = False
        if raised or logger._core.inert:
            loan.give_back()
            return
        logger._further.value(Logged(self._form.kind, self._namespace, self._key, loan, {}))
        # After the value, as wherever something is logged that rows of numbers can't hold.
        logger._block = NO_BLOCK

    def __repr__(self) -> str:
        where = f"{self._namespace}/{self._key}" if self._namespace else self._key
        state = "entered" if self._entered else "free"
        return f"<LoanHandle {where!r}: {self._form.kind} of shape {self._form.shape}, {self._form.dtype}, {state}>"


def handle_of(
    logger: "Collector", key: str, shape: Any, dtype: Any, namespace: str | None, kind: Any, params: dict[str, Any]
) -> LoanHandle:
    """See ``Loans.loan``. Raises InvalidValue."""
    full = logger._full(namespace, kind, key)
    named(key, full, kind)
    return LoanHandle(logger, full, key, form_of(logger._core, full, key, shape, dtype, kind, params))

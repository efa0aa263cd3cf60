"""Lazy values become values: what a write took, on its way to what can be packed and copied.

The steps are one generator, for writes that may wait and for those that may not. It yields what it can't do itself, an
awaitable of the user's, or a function that would hold up the loop, and is sent the outcome; ``waiting`` awaits what it
yields, ``at_once`` never does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from asynclog.errors import AsynclogError, InvalidValue
from asynclog.logger.capture import number, unreadable, value_of
from asynclog.logger.copying import Snapshot
from asynclog.logger.due import Decision
from asynclog.logger.intake import drawing, on_device
from asynclog.logger.naming import makes_number, named
from asynclog.logger.pending import Either, Folding, Logged, Taken
from asynclog.state import State
from asynclog.values import Value
from asynclog.wire.event import ArraySpec, payload_offsets, split

if TYPE_CHECKING:
    from asynclog.logger.core import Core

CHEAP: Final = frozenset({"string", "config"})
Steps = Generator["Awaitable[Any] | Callable[[], Any]", Any, Any]


class Resolving:
    """numbers, snapshots: what came of what was taken; whatever can't be recorded costs itself alone."""

    def __init__(self, core: "Core", taken: Taken, state: State, decision: Decision) -> None:
        self._core, self._taken, self._state, self._decision = core, taken, state, decision
        self.numbers: list[tuple[str, dict[str, float | int]]] = []
        self.snapshots: list[Snapshot] = []

    def steps(self) -> Steps:
        """Callables are called if some route is due; shapes and dtypes are checked."""
        for namespace, pending in self._taken.numbers:
            settled: dict[str, float | int] = {}
            for key, raw in pending.items():
                if type(raw) is float and type(key) is str:
                    settled[key] = raw
                    continue
                try:
                    yield from self._number(settled, namespace, key, raw)
                except InvalidValue as error:
                    self._core.complain(error)
            if settled:
                self.numbers.append((namespace, settled))
        for logged in self._taken.values:
            try:
                yield from self._value(logged)
            except InvalidValue as error:
                self._core.complain(error)

    # -- who is due -------------------------------------------------------------------------------------------------

    def _mask(self, kind: str, namespace: str) -> int:
        state = self._state
        return self._core.board.mask(self._decision, kind, state.phase, namespace, state.level)

    def _recorded(self, mask: int, kind: str, *, lazy: bool) -> bool:
        """Whether a value is recorded at all. What is cheap always is, by a run that keeps its kind; what is costly (a
        callable, media, a tensor) when some route is due, whether or not that route's filters want this very value."""
        core = self._core
        journal = core.journal
        if journal is None or (journal.kinds is not None and kind not in journal.kinds):
            return bool(mask if journal is None else mask & core.memory_fed)
        if not lazy and kind in CHEAP:
            return True
        return bool(self._decision.due | core.board.spared(kind)) or self._decision.journal

    def _lazy_number_is_due(self, namespace: str) -> bool:
        return self._recorded(self._mask("scalar", namespace), "scalar", lazy=True)

    # -- one value --------------------------------------------------------------------------------------------------

    def _number(self, settled: dict[str, float | int], namespace: str, key: str, raw: Any) -> Steps:
        either = isinstance(raw, Either)
        value = raw.value if either else raw
        named(key, namespace, _kind_of(value) if either else "scalar")
        if isinstance(value, Folding):
            yield from self._folded(settled, namespace, key, value)
            return
        if makes_number(value):
            if not self._lazy_number_is_due(namespace):
                self._core.producer.counts.skipped += 1
                return
            value = yield from _called(value, "scalar", namespace, key)
        if on_device(value):
            value = yield from _fetched(value.item, "scalar", namespace, key)
        if either and isinstance(value, str | Value):
            logged = Logged(_kind_of(value), namespace, key, value, {})
            mask = self._mask(logged.kind, namespace)
            if self._recorded(mask, logged.kind, lazy=False):
                self._snapshot(logged, value, mask)
            else:
                self._core.producer.counts.skipped += 1
        else:
            settled[key] = number(value, namespace, key)

    def _folded(self, settled: dict[str, float | int], namespace: str, key: str, folding: Folding) -> Steps:
        """Callables add to what was folded already, each at its own cost."""
        lazy, folding.lazy = folding.lazy, []
        due = self._lazy_number_is_due(namespace)
        for make in lazy if due else ():
            try:
                value = yield from _called(make, "scalar", namespace, key)
                if on_device(value):
                    value = yield from _fetched(value.item, "scalar", namespace, key)
                folding.add(number(value, namespace, key))
            except InvalidValue as error:
                self._core.complain(error)
        if folding.fold is not None:
            settled[key] = folding.fold.value
        elif not due:
            self._core.producer.counts.skipped += 1

    def _value(self, logged: Logged) -> Steps:
        kind, namespace, key, value, _ = logged
        named(key, namespace, kind)
        mask = self._mask(kind, namespace)
        lazy = callable(value) and not isinstance(value, Value) and not hasattr(value, "__array__")
        if not self._recorded(mask, kind, lazy=lazy):
            self._core.producer.counts.skipped += 1
            return
        if lazy:
            value = yield from _called(value, kind, namespace, key)
        fetch = partial(_to_host, value) if on_device(value) else drawing(value)
        if fetch is not None:
            value = yield from _fetched(fetch, kind, namespace, key)
        self._snapshot(logged, value, mask)

    def _snapshot(self, logged: Logged, value: Any, mask: int) -> None:
        kind, namespace, key, _, params = logged
        try:
            made = value_of(kind, value, params, namespace, key)
            plain, arrays = split(made)
            specs = [ArraySpec(name, one.dtype.newbyteorder("<").str, one.shape) for name, one in arrays.items()]
            nbytes = payload_offsets(specs)[-1]
            self._core.check_size(nbytes, kind, namespace, key)
        except InvalidValue:
            raise
        except Exception as error:
            raise unreadable(error, kind, namespace, key) from error
        made_of = Logged(kind, namespace, key, made, {})
        self.snapshots.append(Snapshot(made_of, mask, plain, specs, list(arrays.values()), nbytes))


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return "string"
    return value.kind if isinstance(value, Value) else "scalar"


def _to_host(tensor: Any) -> Any:
    return tensor.detach().cpu()


def _called(make: Callable[[], Any], kind: str, namespace: str, key: str) -> Steps:
    try:
        outcome = make()
        if hasattr(outcome, "__await__"):
            outcome = yield outcome
    except AsynclogError as error:
        raise InvalidValue(namespace=namespace, key=key, kind=kind, expected="a value", got=str(error)) from error
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        expected = "a callable that gives a value"
        raise InvalidValue(namespace=namespace, key=key, kind=kind, expected=expected, got=got) from error
    return outcome


def _fetched(fetch: Callable[[], Any], kind: str, namespace: str, key: str) -> Steps:
    """From a device or a figure's canvas, which are waited for beside the loop."""
    try:
        return (yield fetch)
    except Exception as error:
        raise unreadable(error, kind, namespace, key) from error


async def waiting(steps: Steps, thread: Callable[[], ThreadPoolExecutor]) -> None:
    """Run the steps, awaiting what they can't do themselves; functions go to the thread."""
    answer: Any = None
    error: Exception | None = None
    while True:
        try:
            wanted = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration:
            return
        answer = error = None
        try:
            answer = await (wanted if isinstance(wanted, Awaitable) else asyncio.wrap_future(thread().submit(wanted)))
        except Exception as raised:  # noqa: BLE001 - handed to the step that asked, which tells whose it is
            error = raised


def at_once(steps: Steps) -> None:
    """Run the steps without ever awaiting; functions are called here."""
    answer: Any = None
    error: Exception | None = None
    while True:
        try:
            wanted = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration:
            return
        answer = error = None
        try:
            if isinstance(wanted, Awaitable):
                close = getattr(wanted, "close", None)
                if close is not None:
                    close()
                raise TypeError("an async callable needs await write(state)")
            answer = wanted()
        except Exception as raised:  # noqa: BLE001 - as above
            error = raised

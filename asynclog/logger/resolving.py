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
from asynclog.flow.reduce import Fold
from asynclog.logger.capture import number, unreadable, value_of
from asynclog.logger.copying import Snapshot
from asynclog.logger.desk import KeepJob
from asynclog.logger.due import Decision
from asynclog.logger.elsewhere import elsewhere
from asynclog.logger.far import Far, class_of
from asynclog.logger.intake import on_device, to_host
from asynclog.logger.loan import Loan
from asynclog.logger.naming import makes_number, named
from asynclog.logger.numbers import Numbers
from asynclog.logger.pending import Either, Folding, Logged, Taken
from asynclog.logger.pending_rows import Given
from asynclog.logger.precedents import Precedent, likeness
from asynclog.logger.row_events import RowEvents
from asynclog.logger.standins import StandIns
from asynclog.state import State
from asynclog.values import Artifact, Hook, Value
from asynclog.wire.event import payload_offsets, specs_of, split

if TYPE_CHECKING:
    from asynclog.logger.core import Core

CHEAP: Final = frozenset({"string", "config", "table", "artifact"})
Steps = Generator["Awaitable[Any] | Callable[[], Any]", Any, Any]


class Resolving:
    """numbers, snapshots: what came of what was taken; whatever can't be recorded costs itself alone."""

    def __init__(self, core: "Core", taken: Taken, state: State, decision: Decision) -> None:
        self._core, self._taken, self._state, self._decision = core, taken, state, decision
        self.numbers: Numbers = []
        self.snapshots: list[Snapshot] = []

    def steps(self) -> Steps:
        """Callables are called if some route is due; shapes and dtypes are checked."""
        for namespace, pending in self._taken.numbers:
            settled: dict[str, Any] = {}
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
            if type(logged.value) is Given:
                # What is wrong with rows is told by themselves, each on its own.
                yield from self._rows(logged)
                continue
            if type(logged.value) is Loan:
                self._loan(logged, logged.value)
                continue
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

    def _number(self, settled: dict[str, Any], namespace: str, key: str, raw: Any) -> Steps:
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
        which = None if type(value) is int else self._core.devices.number(value)
        if which is not None:
            settled[key] = Far([(which, value)], value)
            return
        value = yield from _number_here(value, namespace, key)
        if either and isinstance(value, str | Value):
            logged = Logged(_kind_of(value), namespace, key, value, {})
            if logged.kind == "hook":
                self._hook(logged)
                return
            mask = self._mask(logged.kind, namespace)
            if self._recorded(mask, logged.kind, lazy=False):
                yield from self._snapshot(logged, value, mask)
            else:
                self._core.producer.counts.skipped += 1
        else:
            settled[key] = number(value, namespace, key)

    def _folded(self, settled: dict[str, Any], namespace: str, key: str, folding: Folding) -> Steps:
        """Callables add to what was folded already, each at its own cost."""
        lazy, folding.lazy = folding.lazy, []
        due = self._lazy_number_is_due(namespace)
        for make in lazy if due else ():
            try:
                value = yield from _called(make, "scalar", namespace, key)
                if self._core.devices.number(value) is not None:
                    folding.there.append(value)
                    continue
                value = yield from _number_here(value, namespace, key)
                folding.add(number(value, namespace, key))
            except InvalidValue as error:
                self._core.complain(error)
        if folding.there:
            there = [one for one in folding.there if not isinstance(one, float | int | Fold)]
            settled[key] = Far([(which, one) for one in there if (which := class_of(one)) is not None], folding)
        elif folding.fold is not None:
            settled[key] = folding.fold.value
        elif not due:
            self._core.producer.counts.skipped += 1

    def _value(self, logged: Logged) -> Steps:
        kind, namespace, key, value, _ = logged
        named(key, namespace, kind)
        if kind == "hook":
            self._hook(logged)
            return
        if kind == "artifact":
            yield from self._artifact(logged)
            return
        mask = self._mask(kind, namespace)
        lazy = callable(value) and not isinstance(value, Value) and not hasattr(value, "__array__")
        if not self._recorded(mask, kind, lazy=lazy):
            self._core.producer.counts.skipped += 1
            return
        if lazy:
            value = yield from _called(value, kind, namespace, key)
        yield from self._snapshot(logged, value, mask)

    def _hook(self, logged: Logged) -> None:
        made = value_of("hook", logged.value, {}, logged.namespace, logged.key)
        assert isinstance(made, Hook)
        core, state = self._core, self._state
        mask = core.board.hooked(made.name, state.phase, logged.namespace, state.level)
        journal = core.journal
        kept = journal is not None and (journal.kinds is None or "hook" in journal.kinds)
        if made.name in core.hooks or (mask if kept else mask & core.memory_fed if journal is not None else mask):
            self._keep(logged, made, mask)

    def _artifact(self, logged: Logged) -> Steps:
        """Recorded whatever the limits say, as nobody thins out checkpoints."""
        core, state = self._core, self._state
        mask = core.board.wanted("artifact", state.phase, logged.namespace, state.level)
        if not self._recorded(mask, "artifact", lazy=False):
            core.producer.counts.skipped += 1
            return
        made = logged.value
        if not isinstance(made, Artifact):
            assert core.desk is not None, "the methods look for a directory"
            made = yield core.desk.job(logged, state, core.now())
        self._keep(logged, made, mask)

    def _rows(self, logged: Logged) -> Steps:
        """Rows of a table are recorded as text is: by a journal always, without one when some route is due."""
        mask = self._mask("table", logged.namespace)
        if not self._recorded(mask, "table", lazy=False):
            self._core.producer.counts.skipped += 1
            return
        yield from RowEvents(logged, lambda table: self._keep(logged, table, mask), self._core.complain).steps()

    def _loan(self, logged: Logged, loan: Loan) -> None:
        """What was rendered into shared memory lies where it is to be, and was looked at when its handle was made."""
        mask = self._mask(logged.kind, logged.namespace)
        if self._recorded(mask, logged.kind, lazy=False):
            self.snapshots.append(Snapshot(logged, mask, loan.form.params, loan.form.specs, [], [0]))
        else:
            self._core.producer.counts.skipped += 1
            loan.give_back()

    def _snapshot(self, logged: Logged, value: Any, mask: int) -> Steps:
        kind, namespace, key, _, params = logged
        alike = likeness(kind, value, params)
        known = self._core.precedents.find(alike)
        if known is not None:
            as_logged = Logged(kind, namespace, key, value, params)
            self.snapshots.append(Snapshot(as_logged, mask, known.params, known.specs, [value], known.offsets, precedent=known))
            return
        try:
            fetch = elsewhere(kind, value, params)
            if fetch is not None:
                stand_ins = self._core.devices.stand_ins(kind, value, params)
                if stand_ins is not None and self._stood_in(logged._replace(value=value), stand_ins, mask):
                    return
                value, params = yield fetch
            made = value_of(kind, value, params, namespace, key)
        except InvalidValue:
            raise
        except Exception as error:
            raise unreadable(error, kind, namespace, key) from error
        self._keep(logged, made, mask)
        kept = self.snapshots[-1]
        if alike is not None and len(kept.arrays) == 1 and kept.arrays[0] is value:
            self._core.precedents.set(alike, Precedent(kept.params, kept.specs, kept.offsets, {}))

    def _stood_in(self, logged: Logged, stand_ins: StandIns, mask: int) -> bool:
        """Keep a value whose arrays cross from their device by themselves; False where they must be fetched to tell."""
        try:
            made = value_of(logged.kind, stand_ins.value, stand_ins.params, logged.namespace, logged.key)
            plain, arrays = split(made)
        except Exception:  # noqa: BLE001 - it is made again of what was logged, and refused in those words
            return False
        far = stand_ins.among(arrays)
        if far is None:
            return False
        specs = specs_of(arrays)
        offsets = payload_offsets(specs)
        self._core.check_size(offsets[-1], logged.kind, logged.namespace, logged.key)
        self.snapshots.append(Snapshot(logged, mask, plain, specs, list(arrays.values()), offsets, far))
        return True

    def _keep(self, logged: Logged, made: Value, mask: int) -> None:
        kind, namespace, key, _, _ = logged
        try:
            plain, arrays = split(made)
            specs = specs_of(arrays)
            offsets = payload_offsets(specs)
            self._core.check_size(offsets[-1], kind, namespace, key)
        except InvalidValue:
            raise
        except Exception as error:
            raise unreadable(error, kind, namespace, key) from error
        made_of = Logged(kind, namespace, key, made, {})
        self.snapshots.append(Snapshot(made_of, mask, plain, specs, list(arrays.values()), offsets))


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return "string"
    return value.kind if isinstance(value, Value) else "scalar"


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


def _number_here(value: Any, namespace: str, key: str) -> Steps:
    """A number that lies on a device, or is still being computed, is waited for beside the loop."""
    try:
        return (yield partial(to_host, value)) if on_device(value) else value
    except Exception as error:
        raise unreadable(error, "scalar", namespace, key) from error


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
            if isinstance(wanted, KeepJob):
                answer = await wanted.beside()
            else:
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

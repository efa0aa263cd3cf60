"""The numbers of a write, as one row: which schema they have, and which block takes them.

Key sets that recur get a schema and rows; a set seen for the first time goes into a SPARSE record, which names its series one
by one, so that sets which never recur don't define a schema each.
"""

from collections.abc import Hashable
from itertools import chain
from struct import Struct
from typing import Any, Final

import numpy as np

from asynclog.link.blocks import Key
from asynclog.link.producer import Producer
from asynclog.logger.naming import named
from asynclog.shm.packer import EXACT, UNUSUAL, mapping_packer, tuple_packer
from asynclog.shm.rows import Block
from asynclog.state import Context, plain_context
from asynclog.wire.layout import REDUCTIONS
from asynclog.wire.schema import FLOAT, INTEGER, SPARSE_DUE, SPARSE_ELAPSED, SPARSE_HEAD, Group, Layout, sparse_length

_LAST: Final = bytes([REDUCTIONS.index("last")])
_MOST_SETS: Final = 8192
_STR: Final = frozenset({str})
_MOST_SEEN: Final = 1 << 16
_PATIENCE: Final = 64
_TIME: Final = Struct("@q")
_U64: Final = Struct("@Q")
_F64: Final = Struct("@d")

Shape = tuple[tuple[str, tuple[str, ...]], ...]
Numbers = list[tuple[str, dict[str, Any]]]
"""The numbers of a write, by namespace."""


class KeySet:
    """One set of keys of one phase. codes: "d" or "q" a key, once it has been seen twice; schemas: by what else a row of it
    carries; numbers: of its series, as SPARSE records name them; patience: writes that still go into SPARSE records, before a
    schema is worth it; serial: never used twice."""

    __slots__ = ("by_position", "codes", "floats", "numbers", "patience", "schemas", "serial", "shape")

    def __init__(self, shape: Shape, serial: int, *, by_position: bool) -> None:
        self.shape, self.serial, self.by_position = shape, serial, by_position
        self.patience = 0 if by_position else 1
        self.floats = FLOAT * sum(len(keys) for _, keys in shape)
        self.codes: str | None = None
        self.schemas: dict[tuple[Any, ...], Layout] = {}
        self.numbers: bytes | None = None


class NumberWriter:
    """All under the producer's lock."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._sets: dict[tuple[str, Shape, Hashable], KeySet] = {}
        self._seen: set[int] = set()
        self._series: dict[tuple[str, str], dict[str, int]] = {}
        self._series_count = 0
        self._reductions: dict[tuple[str, str], str] = {}
        self._next_schema = 1
        self._serial = 0
        self._last: Block | None = None
        self._last_due = False
        self._last_space = ""
        self.since = 0
        self.newest_sparse = 0, 0
        """(time, step) of the newest record that no block of rows tells."""

    def reduce_by(self, namespace: str, key: str, reduction: str) -> None:
        """How a key's numbers fold, from its next row on."""
        if self._reductions.get((namespace, key), "last") != reduction:
            self._reductions[namespace, key] = reduction
            self._sets.clear()
            self._series.clear()
            self._last = None

    def write(
        self,
        numbers: Numbers,
        step: int,
        context: Context,
        time_ns: int,
        due: int | None,
        owner: Hashable,
        *,
        floats: bool = False,
        by_position: bool = False,
    ) -> Block | None:
        """Pack a row; returns the block that took it, if the hot path may go on with it.

        floats: all values are known to be. by_position: for a handle, whose rows come as tuples and will recur.
        Raises NoRoom, and InvalidValue for a key that is no str, changing nothing.
        """
        if due is None and self._goes_on(numbers, step, context, time_ns, owner):
            return self._last
        self._producer.control.reserve()
        shape: Shape = tuple((namespace, tuple(keys)) for namespace, keys in numbers)
        identity = (context.phase, shape, owner if by_position else None)
        found = self._sets.get(identity)
        if found is None:
            found = self._remember(identity, by_position=by_position)
        values = [*chain.from_iterable(keys.values() for _, keys in numbers)]
        codes = found.floats if floats else _codes(values, found.codes)
        if found.codes is None:
            if found.patience and codes == found.floats and not context.axes:
                found.patience -= 1
                self._sparse(found, values, step, context, time_ns, due, owner)
                return None
            found.codes = codes
            self._keep(identity, found)
        elif found.codes != codes and INTEGER in found.codes:
            found.codes = _widest(found.codes, codes)
        key = (owner, found.serial, codes, due is not None, context if context.plain else _kept_in_rows(context))
        block = self._producer.blocks.get(key)
        if block is None or not block.has_room(block.stride):
            block = self._open(found, key, codes, context, due, single=len(numbers) == 1)
        self._keep_order(block, due is not None)
        self._last_space = numbers[0][0]
        self._pack(block, values, step, context, time_ns, due)
        return block if len(numbers) == 1 and due is None and context.plain else None

    def _goes_on(self, numbers: Numbers, step: int, context: Context, time_ns: int, owner: Hashable) -> bool:
        """Pack a row behind the one before it, if it is of the same keys: what the hot path does, at a time that was given."""
        block = self._last
        if block is None or self._last_due or len(numbers) != 1:
            return False
        ((namespace, keys),) = numbers
        if namespace != self._last_space or len(keys) != block.width or block.context is not context or block.owner != owner:
            return False
        try:
            return block.put(block, keys, step, time_ns)
        except UNUSUAL:
            return False

    def _keep_order(self, block: Block, due: bool) -> None:
        """Rows that are due lie in a block of their own; what a limited route folds depends on what came before which. So what
        was written so far is announced before rows go on in another block, and nobody goes on without asking."""
        if block is not self._last and (due or self._last_due):
            self._producer.blocks.drain()
            for one in self._producer.blocks.everyone():
                one.due_until = 0
        self._last, self._last_due = block, due

    def _pack(self, block: Block, values: list[Any], step: int, context: Context, time_ns: int, due: int | None) -> None:
        prefix: list[Any] = [step]
        if due is not None:
            prefix.append(due)
        if context.elapsed_s is not None:
            prefix.append(context.elapsed_s)
        prefix.extend(context.axes.values())
        assert block.schema is not None
        block.schema.struct.pack_into(block.buffer, block.offset, *prefix, *values, time_ns)
        block.offset += block.stride

    def _open(self, found: KeySet, key: Key, codes: str, context: Context, due: int | None, *, single: bool) -> Block:
        variant = (codes, due is not None, context.elapsed_s is not None, tuple(context.axes))
        schema = found.schemas.get(variant)
        if schema is None:
            schema = Layout(self._next_schema, codes, due is not None, context.elapsed_s is not None, tuple(context.axes))
            groups, at = [], 0
            for namespace, keys in found.shape:
                groups.append(self._group(context.phase, namespace, list(keys), codes[at : at + len(keys)]))
                at += len(keys)
            self._producer.define(schema, groups)
            self._next_schema += 1
            found.schemas[variant] = schema
        lasting = context if context.plain else plain_context(context.phase, context.epoch, context.level)
        block = self._producer.open_block(key, schema, lasting)
        if single and due is None and context.plain:
            own = found.shape[0][1]
            total = int if "d" not in codes else float
            if found.by_position:
                block.put = tuple_packer(len(own), schema.struct, schema.stride, total)
            else:
                block.put = mapping_packer(own, schema.struct, schema.stride, total)
            block.width = len(own)
            block.since, block.owner = self.since, key[0]
        if self._producer.blocks.evict(owner=key[0]):
            # More sets take turns than blocks can be open: better name their series one by one.
            found.codes, found.patience = None, _PATIENCE
        return block

    def _remember(self, identity: tuple[str, Shape, Hashable], *, by_position: bool) -> KeySet:
        for space, keys in identity[1]:
            if not _STR.issuperset(map(type, keys)):
                for key in keys:
                    named(key, space, "scalar")
        self._serial += 1
        found = KeySet(identity[1], self._serial, by_position=by_position)
        # Of a set that never comes again, a number is all that stays. Two sets with one hash cost one of them its patience.
        seen = hash(identity)
        if not by_position and seen not in self._seen:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen.add(seen)
        else:
            found.patience = 0
        if self._reductions and any((space, key) in self._reductions for space, keys in identity[1] for key in keys):
            found.patience = 0  # how a number folds is a schema's to say
        return found

    def _keep(self, identity: tuple[str, Shape, Hashable], found: KeySet) -> None:
        if len(self._sets) >= _MOST_SETS:
            for old in list(self._sets)[: _MOST_SETS // 4]:
                del self._sets[old]
        self._sets[identity] = found

    def _sparse(
        self,
        found: KeySet,
        values: list[Any],
        step: int,
        context: Context,
        time_ns: int,
        due: int | None,
        owner: Hashable,
    ) -> None:
        if found.numbers is None:
            found.numbers = np.array(self._numbers_of(context.phase, found.shape), np.uint32).tobytes()
        flags = (SPARSE_DUE if due is not None else 0) | (SPARSE_ELAPSED if context.elapsed_s is not None else 0)
        length = sparse_length(len(values), flags)
        lasting = context if context.plain else plain_context(context.phase, context.epoch, context.level)
        key = (owner, "sparse", lasting.epoch, lasting.level)
        block = self._producer.blocks.get(key)
        if block is None or not block.has_room(length):
            block = self._producer.open_block(key, None, lasting, length)
            self._producer.blocks.evict(owner=owner)
        self.newest_sparse = time_ns, step
        at, view = block.offset, block.buffer
        SPARSE_HEAD.pack_into(view, at, step, len(values), flags)
        inner = at + SPARSE_HEAD.size
        if due is not None:
            _U64.pack_into(view, inner, due)
            inner += 8
        if context.elapsed_s is not None:
            _F64.pack_into(view, inner, context.elapsed_s)
            inner += 8
        view[inner : inner + len(found.numbers)] = found.numbers
        inner += (len(found.numbers) + 7) // 8 * 8
        view[inner : inner + 8 * len(values)] = np.array(values, np.float64).tobytes()
        _TIME.pack_into(view, at + length - 8, time_ns)
        block.offset = at + length
        self._producer.counts.accepted += len(values)
        self._producer.blocks.note(context.phase, step)

    def _numbers_of(self, phase: str, shape: Shape) -> list[int]:
        numbers: list[int] = []
        for namespace, keys in shape:
            known = self._series.setdefault((phase, namespace), {})
            # One pass where all are known: each look at a hundred thousand keys misses the cache.
            found = [*map(known.get, keys)]
            if None in found:
                self._number(phase, namespace, known, [key for key in keys if key not in known])
                found = [*map(known.get, keys)]
            numbers.extend(found)  # type: ignore[arg-type]
        return numbers

    def _number(self, phase: str, namespace: str, known: dict[str, int], fresh: list[str]) -> None:
        first = self._series_count
        self._producer.define_series(first, self._group(phase, namespace, fresh, FLOAT * len(fresh)))
        self._series_count += len(fresh)
        known.update(zip(fresh, range(first, self._series_count), strict=True))

    def _group(self, phase: str, namespace: str, keys: list[str], codes: str) -> Group:
        folds = _LAST * len(keys)
        if self._reductions:
            folds = bytes(REDUCTIONS.index(self._reductions.get((namespace, key), "last")) for key in keys)
        return Group(phase, namespace, keys, codes, folds)


def _kept_in_rows(context: Context) -> tuple[Any, ...]:
    """What rows of one block have in common whose states have axes or times: a context each, whose numbers lie in the row. By
    context, each would open a block of its own, and an event would have to look at a thousand of them."""
    return context.epoch, context.level, context.elapsed_s is not None, *context.axes


def _codes(values: list[Any], settled: str | None) -> str:
    """A type code a value: whole numbers are "q", unless their key is known to hold floats and can hold this one."""
    codes = "".join([FLOAT if type(value) is float else INTEGER for value in values])
    if settled is None or codes == settled:
        return codes
    return "".join(
        FLOAT if code == FLOAT or (known == FLOAT and -EXACT <= value <= EXACT) else INTEGER
        for code, known, value in zip(codes, settled, values, strict=True)
    )


def _widest(settled: str, codes: str) -> str:
    """A key that held whole numbers and then a float holds floats from now on."""
    return "".join(FLOAT if FLOAT in pair else INTEGER for pair in zip(settled, codes, strict=True))

"""The numbers of a write, as one row: which schema they have, and which block takes them.

Key sets that recur get a schema and rows; a set seen for the first time goes into a SPARSE record, which names its series one
by one, so that sets which never recur don't define a schema each.
"""

from collections.abc import Hashable
from struct import Struct
from typing import Any, Final

import numpy as np

from asynclog.link.blocks import Key
from asynclog.link.producer import Producer
from asynclog.shm.packer import EXACT, mapping_packer, tuple_packer
from asynclog.shm.rows import Block
from asynclog.state import Context, plain_context
from asynclog.wire.schema import SPARSE_DUE, SPARSE_ELAPSED, SPARSE_HEAD, Schema, Series, sparse_length

_MOST_SETS: Final = 8192
_TIME: Final = Struct("@q")
_U64: Final = Struct("@Q")
_F64: Final = Struct("@d")

Shape = tuple[tuple[str, tuple[str, ...]], ...]


class KeySet:
    """One set of keys of one phase. codes: "d" or "q" a key; schemas: by what else a row of it carries."""

    __slots__ = ("by_position", "codes", "columns", "schemas", "sightings")

    def __init__(self, columns: list[tuple[str, str]]) -> None:
        self.columns, self.sightings, self.by_position = columns, 0, False
        self.codes = ""
        self.schemas: dict[tuple[Any, ...], Schema] = {}


class NumberWriter:
    """All under the producer's lock."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._sets: dict[tuple[str, Shape, Hashable], KeySet] = {}
        self._series: dict[tuple[str, str, str], int] = {}
        self._reductions: dict[tuple[str, str], str] = {}
        self._next_schema = 1
        self.since = 0

    def reduce_by(self, namespace: str, key: str, reduction: str) -> None:
        """How a key's numbers fold, from its next row on."""
        if self._reductions.get((namespace, key), "last") != reduction:
            self._reductions[namespace, key] = reduction
            self._sets.clear()

    def write(
        self,
        numbers: list[tuple[str, dict[str, float | int]]],
        step: int,
        context: Context,
        time_ns: int,
        due: int | None,
        owner: Hashable,
        *,
        by_position: bool = False,
    ) -> Block | None:
        """Pack a row; returns the block that took it, if the hot path may go on with it.

        by_position: for a handle, whose rows come as tuples and will recur. Raises NoRoom, changing nothing.
        """
        shape: Shape = tuple((namespace, tuple(keys)) for namespace, keys in numbers)
        identity = (context.phase, shape, owner if by_position else None)
        found = self._sets.get(identity)
        if found is None:
            found = self._remember(identity)
            found.by_position = by_position
        values = tuple(value for _, keys in numbers for value in keys.values())
        codes = _codes(values, found.codes)
        if not by_position and not found.codes and "q" not in codes and not context.axes:
            found.sightings += 1
            if found.sightings == 1:
                self._sparse(found, values, step, context, time_ns, due, owner)
                return None
        found.codes = found.codes or codes
        key = (owner, id(found), codes, due is not None, context)
        block = self._producer.blocks.get(key)
        if block is None or not block.has_room(block.stride):
            block = self._open(found, key, codes, context, due, single=len(numbers) == 1)
        self._pack(block, values, step, context, time_ns, due)
        return block if len(numbers) == 1 and due is None and context.plain else None

    def _pack(self, block: Block, values: tuple[Any, ...], step: int, context: Context, time_ns: int, due: int | None) -> None:
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
            reductions = self._reductions
            series = tuple(
                Series(context.phase, namespace, name, code, reductions.get((namespace, name), "last"))
                for (namespace, name), code in zip(found.columns, codes, strict=True)
            )
            schema = Schema(self._next_schema, series, due is not None, context.elapsed_s is not None, tuple(context.axes))
            self._producer.define(schema)
            self._next_schema += 1
            found.schemas[variant] = schema
        lasting = context if context.plain else plain_context(context.phase, context.epoch, context.level)
        block = self._producer.open_block(key, schema, lasting)
        if single and due is None and context.plain:
            names = [name for _, name in found.columns]
            total = int if "d" not in codes else float
            if found.by_position:
                block.put = tuple_packer(len(names), schema.struct, schema.stride, total)
            else:
                block.put = mapping_packer(names, schema.struct, schema.stride, total)
            block.width = len(names)
            block.since, block.owner = self.since, key[0]
        evicted = self._producer.blocks.evict(owner=key[0])
        if evicted is not None:
            self._forget_set(evicted)
        return block

    def _forget_set(self, block: Block) -> None:
        """A schema whose block held hardly a row is not worth a block: its set starts over as a sparse one."""
        for found in self._sets.values():
            if any(one is block.schema for one in found.schemas.values()) and "q" not in found.codes:
                found.sightings, found.codes = 0, ""
                return

    def _remember(self, identity: tuple[str, Shape, Hashable]) -> KeySet:
        if len(self._sets) >= _MOST_SETS:
            for old in list(self._sets)[: _MOST_SETS // 4]:
                del self._sets[old]
        columns = [(namespace, key) for namespace, keys in identity[1] for key in keys]
        found = self._sets[identity] = KeySet(columns)
        return found

    def _sparse(
        self,
        found: KeySet,
        values: tuple[Any, ...],
        step: int,
        context: Context,
        time_ns: int,
        due: int | None,
        owner: Hashable,
    ) -> None:
        numbers = self._numbers_of(context.phase, found.columns)
        flags = (SPARSE_DUE if due is not None else 0) | (SPARSE_ELAPSED if context.elapsed_s is not None else 0)
        length = sparse_length(len(values), flags)
        lasting = context if context.plain else plain_context(context.phase, context.epoch, context.level)
        key = (owner, "sparse", lasting.epoch, lasting.level)
        block = self._producer.blocks.get(key)
        if block is None or not block.has_room(length):
            block = self._producer.open_block(key, None, lasting, length)
            self._producer.blocks.evict(owner=owner)
        at, view = block.offset, block.buffer
        SPARSE_HEAD.pack_into(view, at, step, len(values), flags)
        inner = at + SPARSE_HEAD.size
        if due is not None:
            _U64.pack_into(view, inner, due)
            inner += 8
        if context.elapsed_s is not None:
            _F64.pack_into(view, inner, context.elapsed_s)
            inner += 8
        view[inner : inner + 4 * len(numbers)] = np.array(numbers, np.uint32).tobytes()
        inner += (4 * len(numbers) + 7) // 8 * 8
        view[inner : inner + 8 * len(values)] = np.array(values, np.float64).tobytes()
        _TIME.pack_into(view, at + length - 8, time_ns)
        block.offset = at + length
        self._producer.counts.accepted += len(values)

    def _numbers_of(self, phase: str, columns: list[tuple[str, str]]) -> list[int]:
        known = self._series
        fresh = [(phase, *one) for one in columns if (phase, *one) not in known]
        if fresh:
            first = len(known)
            known.update((one, first + at) for at, one in enumerate(fresh))
            series = [Series(*one, "d", self._reductions.get(one[1:], "last")) for one in fresh]
            self._producer.define_series(list(range(first, first + len(fresh))), series)
        return [known[phase, namespace, key] for namespace, key in columns]


def _codes(values: tuple[Any, ...], settled: str) -> str:
    """A type code a value: whole numbers are "q", unless their key is known to hold floats and can hold this one."""
    codes = "".join("d" if type(value) is float else "q" for value in values)
    if not settled or codes == settled:
        return codes
    return "".join(
        "d" if code == "d" or (known == "d" and -EXACT <= value <= EXACT) else "q"
        for code, known, value in zip(codes, settled, values, strict=True)
    )

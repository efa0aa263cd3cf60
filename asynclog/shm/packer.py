"""Functions that check and pack one row, made for a number of keys.

Generated source, as for namedtuples: with each number in a local of its own, checking and packing ten of them takes 0.45 µs;
through ``itemgetter``, ``sum`` and ``*values`` it takes 0.63. The keys themselves never become source: they are bound as
variables. Beyond a few dozen keys the general form is as fast, and compiling would take longer than it saves.

A packer is called as (block, pending, step, now) and returns True if it packed the row and moved the block's offset. False,
or one of UNUSUAL, means: nothing was committed, take the long way.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from struct import Struct, error
from typing import Any, Final

EXACT: Final = float(1 << 53)
"""Beyond this a float64 can't hold every whole number. A row whose sum is within it may still hold two that cancel out: of
those an unexpected whole number beyond 2^53, under a key that held floats, is rounded."""
_MOST_UNROLLED: Final = 64
UNUSUAL: Final = (KeyError, TypeError, ValueError, OverflowError, RuntimeError, error)
"""What a packer raises where the long way has to be taken."""
Packer = Callable[[Any, Any, int, int], bool]

_BODY: Final = """
    total = {total}
    if type(total) is total_type and low < total < high:
        offset = block.offset
        pack_into(block.buffer, offset, step, {values}, now)
        block.offset = offset + stride
        return True
    return False
"""


@lru_cache(maxsize=2 * _MOST_UNROLLED)
def _factory(width: int, source: str) -> Callable[..., Packer]:
    numbers = [f"v{at}" for at in range(width)]
    keys = [f"k{at}" for at in range(width)]
    if source == "mapping":
        unpack = "".join(f"    {number} = pending[{key}]\n" for number, key in zip(numbers, keys, strict=True))
    else:
        unpack = f"    {', '.join(numbers)}, = pending\n"
    inner = f"def put(block, pending, step, now):\n{unpack}{_BODY.format(total=' + '.join(numbers), values=', '.join(numbers))}"
    outer = f"def make(pack_into, stride, total_type, low, high, {', '.join(keys)}):\n"
    outer += "".join(f"    {line}\n" for line in inner.splitlines()) + "    return put\n"
    namespace: dict[str, Any] = {}
    exec(outer, namespace)  # noqa: S102 - made of numbered names alone
    made: Callable[..., Packer] = namespace["make"]
    return made


def mapping_packer(keys: Sequence[str], struct: Struct, stride: int, total: type) -> Packer:
    """For rows that come as a mapping of exactly these keys."""
    if len(keys) <= _MOST_UNROLLED:
        return _factory(len(keys), "mapping")(struct.pack_into, stride, total, -EXACT, EXACT, *keys)
    pick = itemgetter(*keys)
    general = _general(struct, stride, total)
    return lambda block, pending, step, now: general(block, pick(pending), step, now)


def tuple_packer(width: int, struct: Struct, stride: int, total: type) -> Packer:
    """For rows that come as a tuple of numbers in the order of the columns."""
    if width <= _MOST_UNROLLED:
        return _factory(width, "tuple")(struct.pack_into, stride, total, -EXACT, EXACT, *range(width))
    return _general(struct, stride, total)


def _general(struct: Struct, stride: int, total_type: type) -> Packer:
    pack_into = struct.pack_into

    def put(block: Any, values: tuple[Any, ...], step: int, now: int) -> bool:
        total: Any = sum(values)
        exact = -EXACT < total < EXACT
        if type(total) is not total_type or not exact:
            return False
        offset = block.offset
        pack_into(block.buffer, offset, step, *values, now)
        block.offset = offset + stride
        return True

    return put


def nothing(*_: Any) -> bool:
    """The packer of a block that takes no rows: a sparse one, or one that was closed."""
    return False

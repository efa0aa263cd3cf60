"""Log every cell into one run, read the run, and tell what became of each."""

import math
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import asynclog as al
from asynclog.normal.histogram import counted
from asynclog.values import KINDS, Histogram, same_array
from tests.conformance.inputs.libraries import BFLOAT16, DTYPES, LIBRARIES, Library
from tests.conformance.inputs.other import Other
from tests.conformance.inputs.others import OTHERS
from tests.conformance.inputs.rows import ROWS, Row


class Cell(NamedTuple):
    """One value: a row, a library, a dtype. Written as a key."""

    row: int
    library: str
    dtype: str

    @property
    def key(self) -> str:
        return f"{self.row} {self.library} {self.dtype}"


SAME, REFUSED = "same", "refused"
Outcomes = dict[Cell, str]
"""SAME: read back bit for bit; REFUSED: not recorded, and told. Anything else says what came back instead."""

_PER_WRITE = 400


def installed(one: Library | Other) -> bool:
    return all(find_spec(name) is not None for name in one.needs)


def random_numbers(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Any bits, so also NaN of any payload, infinities and subnormal numbers; of bfloat16 the bits."""
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    plain = np.dtype(np.uint16 if dtype == BFLOAT16 else dtype)
    data = np.frombuffer(random.bytes(math.prod(shape) * plain.itemsize), plain).reshape(shape).copy()
    return data


def _source(row: Row, dtype: str) -> list[np.ndarray]:
    made = [random_numbers(shape, dtype, at) for at, shape in enumerate(row.shapes)]
    if row.kind == "scalar":
        # Neither NaN, which as a float64 has other bits, nor more than 64 bits with a sign.
        made = [np.array(0x3F81, np.uint16) if dtype == BFLOAT16 else np.asarray(made[0] // 2, made[0].dtype)]
        made = [np.asarray(np.nan_to_num(one, nan=0.1)) for one in made]
    return made


def _numbers(data: np.ndarray, dtype: str) -> np.ndarray:
    return (data.astype(np.uint32) << 16).view(np.float32) if dtype == BFLOAT16 else data


def expected(row: Row, dtype: str) -> Any:
    """What is to be read back."""
    source = _source(row, dtype)
    if row.keeps_bits:
        return source[0]
    held = [_numbers(one, dtype) for one in source]
    if row.kind == "scalar":
        number = held[0].item()
        return int(number) if isinstance(number, bool) else number
    if row.kind == "histogram":
        return Histogram(*counted(held[0]))
    return tuple(held) if row.several else held[0]


def dtype_kind(dtype: str) -> str:
    return "f" if dtype == BFLOAT16 else np.dtype(dtype).kind


async def measured(directory: Path) -> Outcomes:
    """Every cell whose library is installed and has such an array."""
    cells: list[Cell] = []
    async with al.MultiLogger(directory / "inputs", recorder="thread") as log:
        for at, row in enumerate(ROWS):
            for library in filter(installed, LIBRARIES):
                for dtype in DTYPES:
                    made = [library.make(one, dtype) for one in _source(row, dtype)]
                    if any(one is None for one in made) or not (row.lists or isinstance(made[0], list) is False):
                        continue
                    cell = Cell(at, library.name, dtype)
                    row.log(log, cell.key, made if row.several else made[0])
                    cells.append(cell)
                    if len(cells) % _PER_WRITE == 0:
                        await log.write(len(cells))
        await log.write(len(cells))
    events = {event.key: event for event in al.read(directory / "inputs").events() if event.namespace == ""}
    return {cell: _outcome(cell, events.get(cell.key)) for cell in cells}


async def others_measured(directory: Path) -> dict[str, str]:
    """What became of each of OTHERS, by what it is, in the words of Outcomes."""
    tried = list(filter(installed, OTHERS))
    async with al.MultiLogger(directory / "others", recorder="thread") as log:
        for step, other in enumerate(tried):
            if other.method == "log_config":
                log.log_config(other.make(), key=other.what)
            else:
                getattr(log, other.method)(other.what, other.make(), **other.params)
            await log.write(step)
    events = {event.step: event.value for event in al.read(directory / "others").events() if event.namespace == ""}
    outcomes = {}
    for step, other in enumerate(tried):
        wanted = other.expected()
        found = other.read(events[step]) if step in events else None
        same = found is not None and _same(found, np.ascontiguousarray(wanted) if isinstance(wanted, np.ndarray) else wanted)
        outcomes[f"{other.section}: {other.what}"] = SAME if same else f"{found!r} for {wanted!r}"
    return outcomes


def _outcome(cell: Cell, event: Any) -> str:
    row = ROWS[cell.row]
    if event is None:
        return REFUSED
    if event.kind != row.kind:
        return f"a {event.kind}"
    if row.kind in KINDS and row.kind != "histogram":
        told = getattr(event.value, "layout", None)
        if told != row.layout:
            return f"in the layout {told}"
        name = getattr(event.value, "dtype", None)
        if name != (BFLOAT16 if cell.dtype == BFLOAT16 and row.keeps_bits else None):
            return f"as {name}"
    found, wanted = row.read(event.value), expected(row, cell.dtype)
    return SAME if _same(found, wanted) else f"{found!r} for {wanted!r}"


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, np.ndarray):
        return isinstance(found, np.ndarray) and same_array(found, wanted)
    if isinstance(wanted, tuple):
        return isinstance(found, list | tuple) and len(found) == len(wanted) and all(map(_same, found, wanted))
    if type(found) is not type(wanted):
        return False
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(_same(found[name], wanted[name]) for name in wanted)
    if isinstance(wanted, float):
        # By bits: NaN is itself, and -0.0 is no 0.0.
        return struct.pack("=d", found) == struct.pack("=d", wanted)
    return bool(found == wanted)

"""Whatever rows are added to a table, and however the writes fall between them, the same rows come back."""

import asyncio
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import asynclog as al
from asynclog.testing.strategies import WORDS
from asynclog.values import Table

INTS = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.floats() | INTS | st.booleans() | st.none()
WIDE = st.integers(-(2**100), 2**100)
NESTED = st.recursive(
    st.none() | st.booleans() | INTS | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
CELLS = NUMBERS | WIDE | WORDS | NESTED


@st.composite
def columns_of_cells(draw: st.DrawFn) -> tuple[list[str], list[list[tuple[Any, ...]]]]:
    """Names, and the rows of some writes; each column has a taste of its own, as most have."""
    names = draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
    tastes = [draw(st.sampled_from((st.floats(), INTS, INTS | st.none(), st.floats() | st.none(), NUMBERS, WIDE, WORDS, CELLS)))
              for _ in names]  # fmt: skip
    return names, draw(st.lists(st.lists(st.tuples(*tastes), max_size=6), max_size=4))


def same(one: Any, other: Any) -> bool:
    """Equal, NaN to NaN, and True not to 1. Whole numbers among floats come back as floats where those are as exact."""
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or one == other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def all_same(rows: list[tuple[Any, ...]], others: list[tuple[Any, ...]]) -> bool:
    return len(rows) == len(others) and all(same(list(row), list(other)) for row, other in zip(rows, others, strict=True))


@given(columns_of_cells())
def test_a_table_has_the_cells_it_was_made_of(made: tuple[list[str], list[list[tuple[Any, ...]]]]) -> None:
    names, writes = made
    rows = [row for one in writes for row in one]
    table = Table.of_rows(names, rows)
    assert table.fault() is None
    assert all_same(table.canonical(), rows)
    again = Table.from_parts(table.params(), table.arrays())
    assert all_same(again.canonical(), rows)


@settings(max_examples=20)
@given(columns_of_cells(), st.booleans())
def test_rows_come_back_as_they_were_added(made: tuple[list[str], list[list[tuple[Any, ...]]]], by_handle: bool) -> None:
    names, writes = made

    async def record(path: Path) -> None:
        async with al.MultiLogger(path, recorder="thread") as log:
            handle = log.table("t", columns=names)
            handle.append(*(0.0 for _ in names))
            for step, rows in enumerate(writes):
                for row in rows:
                    if by_handle:
                        handle.append(*row)
                    else:
                        log.log_table("t", dict(zip(names, row, strict=True)))
                await log.write(step)
            await log.write(len(writes))

    with TemporaryDirectory() as directory:
        asyncio.run(record(Path(directory) / "run"))
        run = al.read(Path(directory) / "run")
        table = run.table("t")
        rows = [tuple(0.0 for _ in names), *(row for one in writes for row in one)]
        assert list(run.events(key="invalid")) == []
        assert table.columns == tuple(names)
        assert all_same(list(table), rows)
        steps = [step for step, one in enumerate(writes) for _ in one]
        assert table.step.tolist() == [0, *steps]

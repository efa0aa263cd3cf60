"""Frames and arrays as rows of a table: every column keeps its type, and arrays of every library are taken as numpy's are."""

import datetime
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import asynclog as al
from tests.unit.logger.recording import recorded

BIG = 2**53 + 1


async def rows_of(path: Path, *given: Any, columns: Any = None) -> list[tuple[Any, ...]]:
    """What is read back of tables that were logged one after the other, before one write."""

    async def body(log: al.MultiLogger) -> None:
        for one in given:
            log.log_table("t", one, columns=columns)
        await log.write(0)
        assert log.statistics()["invalid"] == 0

    (event,) = (await recorded(path, body)).events(kind="table", key="t")
    return event.value.canonical()  # type: ignore[no-any-return]


# -- frames -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [2, 100])
async def test_a_column_of_a_frame_keeps_its_own_type(tmp_path: Path, rows: int) -> None:
    """pandas' ``values`` makes floats of whole numbers that stand beside floats. Few rows are lists, many are arrays."""
    frame = pd.DataFrame({"id": [BIG + at for at in range(rows)], "score": [at / 4 for at in range(rows)]})
    found = await rows_of(tmp_path / "run", frame)
    assert found == [(BIG + at, at / 4) for at in range(rows)]
    assert {tuple(map(type, row)) for row in found} == {(int, float)}


async def test_bools_of_a_frame_stay_bools(tmp_path: Path) -> None:
    found = await rows_of(tmp_path / "run", pd.DataFrame({"ok": [True, False], "id": [1, 0], "score": [1.0, 0.0]}))
    assert repr(found) == "[(True, 1, 1.0), (False, 0, 0.0)]"


MISSING = {
    "objects": (pd.Series(["a", None, pd.NA, pd.NaT, math.nan], dtype=object), ["a", None, None, None, None]),
    "text": (pd.Series(["a", None], dtype="str"), ["a", None]),
    "whole numbers": (pd.Series([BIG, None], dtype="Int64"), [BIG, None]),
    "nullable floats": (pd.Series([0.1, None], dtype="Float64"), [0.1, None]),
    "bools": (pd.Series([True, None, False], dtype="boolean"), [True, None, False]),
    "times": (pd.Series([pd.Timestamp("2026-11-21 19:30"), pd.NaT]), ["2026-11-21T19:30:00", None]),
    "times of a zone": (pd.Series([pd.Timestamp("2026-11-21", tz="UTC")]), ["2026-11-21T00:00:00+00:00"]),
    "durations": (pd.Series([pd.Timedelta("1D"), pd.NaT]), ["1 days 00:00:00", None]),
    "categories": (pd.Series(["a", None], dtype="category"), ["a", None]),
}


@pytest.mark.parametrize("what", MISSING)
async def test_a_missing_cell_of_a_frame_is_none(tmp_path: Path, what: str) -> None:
    column, wanted = MISSING[what]
    assert await rows_of(tmp_path / "run", pd.DataFrame({"a": column})) == [(one,) for one in wanted]


async def test_nan_among_floats_of_a_frame_stays_nan(tmp_path: Path) -> None:
    found = await rows_of(tmp_path / "run", pd.DataFrame({"a": [0.1, math.nan, math.inf]}))
    assert str(found) == "[(0.1,), (nan,), (inf,)]"


async def test_a_frame_without_rows_is_a_table_of_its_columns(tmp_path: Path) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_table("t", pd.DataFrame({"a": [], "b": []}))
        await log.write(0)

    (event,) = (await recorded(tmp_path / "run", body)).events(kind="table")
    assert (event.value.columns, len(event.value)) == (["a", "b"], 0)


async def test_missing_cells_and_dates_in_rows_are_as_in_frames(tmp_path: Path) -> None:
    row = (pd.NA, pd.NaT, np.datetime64("NaT"), datetime.date(2026, 11, 21), datetime.datetime(2026, 11, 21, 19, 30))  # noqa: DTZ001
    found = await rows_of(tmp_path / "run", [(*row, np.datetime64("2026-11-21T19:30:00.5"))], columns=tuple("abcdef"))
    assert found == [(None, None, None, "2026-11-21", "2026-11-21T19:30:00", "2026-11-21T19:30:00.500")]


@pytest.mark.parametrize("make", [pa.table, pa.RecordBatch.from_pydict], ids=["Table", "RecordBatch"])
async def test_a_table_of_arrow_keeps_types_and_nulls(tmp_path: Path, make: Any) -> None:
    found = await rows_of(tmp_path / "run", make({"id": [BIG, None], "score": [0.1, 0.25], "said": ["a", None]}))
    assert found == [(BIG, 0.1, "a"), (None, 0.25, None)]


# -- arrays -----------------------------------------------------------------------------------------------------------


class ArrayMethod:
    def __init__(self, data: Any) -> None:
        self._data = data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self._data, dtype, copy=copy)


class DLPack:
    def __init__(self, data: Any) -> None:
        self._held = torch.tensor(data)

    def __dlpack__(self, **options: Any) -> Any:
        return self._held.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._held.__dlpack_device__()


class Device:
    """An array of another library, on a GPU; ``get`` brings it here."""

    fetched_by: int | None = None

    def __init__(self, data: Any) -> None:
        self._data = np.array(data)
        self.shape = self._data.shape

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("not on the host")

    def get(self) -> Any:
        self.fetched_by = threading.get_ident()
        return self._data


def of_jax(data: Any) -> Any:
    with jax.enable_x64(True):
        return jax.device_put(np.array(data))


MAKES: dict[str, Callable[[Any], Any]] = {
    "NumPy": np.array,
    "torch": torch.tensor,
    "JAX": of_jax,
    "DLPack": DLPack,
    "__array__": ArrayMethod,
    "a buffer": lambda data: memoryview(np.array(data)),
    "on a device": Device,
}


@pytest.mark.parametrize("library", MAKES)
async def test_an_array_of_any_library_is_its_rows(tmp_path: Path, library: str) -> None:
    array, row = MAKES[library]([[BIG, 1], [2, 3], [4, 5]]), MAKES[library]([6, 7])
    found = await rows_of(tmp_path / "run", array, row, columns=("a", "b"))
    assert found == [(BIG, 1), (2, 3), (4, 5), (6, 7)]
    assert {type(cell) for row in found for cell in row} == {int}


@pytest.mark.parametrize("library", MAKES)
async def test_a_list_of_arrays_is_a_row_each(tmp_path: Path, library: str) -> None:
    found = await rows_of(tmp_path / "run", [MAKES[library]([BIG, 1])] * 2, columns=("a", "b"))
    assert found == [(BIG, 1), (BIG, 1)]


@pytest.mark.parametrize("library", [name for name in MAKES if name not in ("on a device", "a buffer")])
async def test_numbers_without_dimensions_are_cells(tmp_path: Path, library: str) -> None:
    found = await rows_of(tmp_path / "run", [MAKES[library](BIG), MAKES[library](1)], columns=("a", "b"))
    assert found == [(BIG, 1)]


async def test_rows_on_a_device_are_fetched_by_another_thread_and_once(tmp_path: Path) -> None:
    """Among them those that a later row's columns widen."""
    array = Device([[1, 0.5], [2, 0.25]])

    async def body(log: al.MultiLogger) -> None:
        log.log_table("t", array, columns=("a", "b"))
        log.log_table("t", {"c": 3})
        await log.write(0)

    (event,) = (await recorded(tmp_path / "run", body)).events(kind="table")
    assert event.value.canonical() == [(1.0, 0.5, None), (2.0, 0.25, None), (None, None, 3)]
    assert array.fetched_by not in (None, threading.get_ident())


UNFIT = {
    "no dimensions": np.array(7),
    "a tensor without dimensions": torch.tensor(7),
    "one on a device without dimensions": Device(7),
    "a sparse tensor": torch.eye(2).to_sparse(),
    "a date that Python has no day for": pa.table({"a": pa.array([2**40], pa.timestamp("s"))}),
    "too wide": torch.ones(2, 3),
    "too wide, on a device": Device(np.ones((2, 3))),
}


@pytest.mark.parametrize("what", UNFIT)
async def test_an_array_that_is_no_rows_is_told_and_costs_itself_alone(tmp_path: Path, what: str) -> None:
    async def body(log: al.MultiLogger) -> None:
        log.log_table("t", UNFIT[what], columns=("a", "b"))
        log.log_table("t", (1, 2))
        await log.write(0)
        assert log.statistics()["invalid"] == (2 if what.startswith("too wide") else 1)

    (event,) = (await recorded(tmp_path / "run", body)).events(kind="table")
    assert event.value.canonical() == [(1, 2)]


async def test_what_is_masked_among_whole_numbers_is_none(tmp_path: Path) -> None:
    masked = np.ma.MaskedArray([[BIG, 1], [2, 3]], [[False, True], [False, False]])
    assert await rows_of(tmp_path / "run", masked, columns=("a", "b")) == [(BIG, None), (2, 3)]

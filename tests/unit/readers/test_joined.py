"""``Run.table``: the rows of all writes as one table, numbers as arrays."""

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.errors import AmbiguousSeries, InvalidValue, SeriesNotFound
from asynclog.readers import Run, read
from asynclog.readers.export.table import write_table
from asynclog.readers.joined import JoinedTable
from asynclog.values import Table
from tests.runfiles import StreamWriter, make_run


def run_of(path: Path, *writes: tuple[list[str], list[tuple[Any, ...]]], key: str = "t") -> Run:
    """A table's writes, at steps 0, 10, …"""
    writer = StreamWriter(make_run(path))
    for at, (columns, rows) in enumerate(writes):
        writer.event(key, Table.of_rows(columns, rows), step=10 * at)
    writer.footer()
    return read(writer.run)


def grown(path: Path) -> JoinedTable:
    return run_of(
        path,
        (["a", "said"], [(1, "x"), (2, "y")]),
        (["a", "said", "score"], [(3, "z", 0.5)]),
        (["score", "a", "done"], [(None, 4, True), (math.nan, 5, False)]),
    ).table("t")


def test_rows_of_all_writes_are_joined_under_all_columns(tmp_path: Path) -> None:
    table = grown(tmp_path)
    assert table.columns == ("a", "said", "score", "done")
    *rows, last = table
    assert rows == [(1, "x", None, None), (2, "y", None, None), (3, "z", 0.5, None), (4, None, None, True)]
    assert math.isnan(last[2]), "NaN is a number, and no gap"
    assert last == (5, None, last[2], False)
    assert len(table) == 5
    assert table.writes == 3
    assert table.rows(1, 3) == rows[1:3]


def test_each_row_has_the_step_and_the_time_of_its_write(tmp_path: Path) -> None:
    table = grown(tmp_path)
    assert table.step.tolist() == [0, 0, 10, 20, 20]
    assert (np.diff(table.time_ns) >= 0).all()
    assert len(set(table.time_ns.tolist())) == 3
    assert table.time == pytest.approx(table.time_ns / 1e9)
    assert table.at_step(10).rows() == table.rows(2, 3)
    assert table.at_step(20)["a"].tolist() == [4, 5]
    assert table.at_step(20).writes == 1


def test_columns_of_numbers_are_arrays(tmp_path: Path) -> None:
    table = grown(tmp_path)
    assert table["a"].dtype == np.int64
    assert table["score"].dtype == np.float64
    assert np.isnan(table["score"][[0, 1, 3, 4]]).all()
    assert table.missing("score").tolist() == [True, True, False, True, False]
    assert table.missing("a").tolist() == [False] * 5
    assert table.missing("said").tolist() == [False, False, False, True, True]
    assert table["said"].tolist() == ["x", "y", "z", None, None]
    assert table["done"].tolist() == [None, None, None, True, False]


KINDS: dict[str, tuple[list[list[Any]], Any, list[Any]]] = {
    "whole numbers, then floats": ([[1], [0.5]], np.float64, [1.0, 0.5]),
    "whole numbers beyond floats, then floats": ([[2**60 + 1], [0.5]], object, [2**60 + 1, 0.5]),
    "whole numbers with gaps": ([[1, None], [3]], np.float64, [1, None, 3]),
    "large whole numbers with gaps": ([[2**60 + 1, None]], object, [2**60 + 1, None]),
    "nothing, then numbers": ([[None, None], [7]], np.float64, [None, None, 7]),
    "nothing at all": ([[None], [None]], object, [None, None]),
    "beyond 64 bits": ([[1], [2**70, -(2**80)]], object, [1, 2**70, -(2**80)]),
    "unsigned 64 bits": ([[2**64 - 1]], object, [2**64 - 1]),
    "bool": ([[True], [False]], np.bool_, [True, False]),
    "bool, then numbers": ([[True], [2]], object, [True, 2]),
    "numbers, then text": ([[1.5], ["x"]], object, [1.5, "x"]),
    "lists": ([[[1, 2], [3]], [{"a": [4]}]], object, [[1, 2], [3], {"a": [4]}]),
    "no rows": ([[], []], object, []),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_is_of_the_type_that_holds_all_its_cells(tmp_path: Path, kind: str) -> None:
    writes, dtype, cells = KINDS[kind]
    table = run_of(tmp_path, *((["a"], [(cell,) for cell in write]) for write in writes)).table("t")
    assert table["a"].dtype == dtype
    assert [row[0] for row in table] == cells
    assert [type(row[0]) for row in table] == list(map(type, cells)), "of the same types"


def test_writers_are_joined_in_order_of_time(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    writers = [StreamWriter(run, f"rank{rank}") for rank in range(2)]
    for step in range(3):
        for rank, writer in enumerate(writers):
            writer.event("t", Table.of_rows(["rank", "step"], [(rank, step)]), step=step)
    for writer in writers:
        writer.footer()
    rows = list(read(run).table("t"))
    assert sorted(rows) == [(rank, step) for rank in range(2) for step in range(3)]
    assert [step for _, step in rows] == sorted(step for _, step in rows)


def test_a_name_that_matches_several_tables_or_none_says_which_there_are(tmp_path: Path) -> None:
    writer = StreamWriter(make_run(tmp_path / "run"))
    for namespace in ("net", "data"):
        writer.event("samples", Table.of_rows(["a"], [(namespace,)]), step=0, namespace=namespace)
    writer.footer()
    run = read(writer.run)
    with pytest.raises(AmbiguousSeries, match=r"2 tables match key='samples': net/samples \(train\); data/samples"):
        run.table("samples")
    assert list(run.table("net/samples")) == list(run.table("samples", namespace="net")) == [("net",)]
    with pytest.raises(SeriesNotFound, match="no table matches key='sample'; near it: net/samples"):
        run.table("sample")


BROKEN: dict[str, Table] = {
    "columns of unequal length": Table(["a", "b"], {"0": np.zeros(3), "1": np.zeros(2)}),
    "a column that is missing": Table(["a", "b"], {"0": np.zeros(3)}),
    "a column of two axes": Table(["a"], {"0": np.zeros((3, 3))}),
    "a mask of another length": Table(["a"], {"0": np.zeros(3)}, absent={"0": np.zeros(9, np.bool_)}),
    "a mask of numbers": Table(["a"], {"0": np.zeros(3)}, absent={"0": np.zeros(3)}),
    "a whole number that is none": Table(["a"], rest={"0": ["0xzz"]}, wide={"0": [0]}),
    "a whole number where no row is": Table(["a"], rest={"0": ["0x1"]}, wide={"0": [7]}),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_no_table_is_left_out(tmp_path: Path, broken: str) -> None:
    """A file may hold anything under a kind's name."""
    writer = StreamWriter(make_run(tmp_path / "run"))
    for step, value in enumerate((Table.of_rows(["a"], [(1,)]), BROKEN[broken], Table.of_rows(["a"], [(2,)]))):
        writer.event("t", value, step=step)
    writer.footer()
    assert list(read(writer.run).table("t")) == [(1,), (2,)]


def test_a_million_rows_hold_no_object_each(tmp_path: Path) -> None:
    """Arrays, whatever the rows came in."""
    rows = [(at, at * 0.5, None if at % 2 else 1.0) for at in range(20_000)]
    table = run_of(tmp_path, *[(["a", "b", "c"], rows[at : at + 1000]) for at in range(0, 20_000, 1000)]).table("t")
    assert [table[name].dtype.kind for name in table.columns] == ["i", "f", "f"]
    assert list(table) == rows


# -- elsewhere --------------------------------------------------------------------------------------------------------


def test_a_data_frame_keeps_types_and_gaps(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = run_of(tmp_path, (["n", "f", "b", "s"], [(1, 0.5, True, "x"), (None, None, None, None)])).table("t").to_pandas()
    assert list(frame.columns) == ["n", "f", "b", "s"]
    assert [str(one) for one in frame.dtypes] == ["Int64", "float64", "boolean", "object"]
    assert frame.isna().iloc[1].all()
    written = run_of(tmp_path / "2", (["n"], [(1,)]), (["n"], [(2,)])).table("t").to_pandas(written=True)
    assert list(written.columns) == ["written step", "written time", "n"]
    assert written["written step"].tolist() == [0, 10]
    assert written["written time"].dtype == pd.DatetimeTZDtype("ns", "UTC")


def test_an_arrow_table_keeps_types_and_gaps(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    table = run_of(tmp_path, (["n", "l", "m"], [(1, [1, 2], "x"), (None, None, 5), (2, [3], [1])])).table("t").to_arrow()
    assert table.schema.types == [pa.int64(), pa.list_(pa.int64()), pa.string()]
    assert table.to_pylist() == [
        {"n": 1, "l": [1, 2], "m": "x"},
        {"n": None, "l": None, "m": "5"},
        {"n": 2, "l": [3], "m": "[1]"},
    ]
    written = run_of(tmp_path / "2", (["n"], [(1,)])).table("t").to_arrow(written=True)
    assert written.column_names == ["written step", "written time", "n"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".html"])
def test_a_file_has_all_rows(tmp_path: Path, suffix: str) -> None:
    table = run_of(
        tmp_path, (["a", "said"], [(1, "x, y"), (2, "<b>\n")]), (["a", "said", "more"], [(3, None, [1, {"b": 0.5}])])
    ).table("t")
    target = tmp_path / f"t{suffix}"
    with target.open("wb") as file:
        write_table(table, file, suffix)
        assert not file.closed
    if suffix == ".csv":
        assert target.read_bytes() == b'a,said,more\r\n1,"x, y",\r\n2,"<b>\n",\r\n3,,"[1, {""b"": 0.5}]"\r\n'
    elif suffix == ".json":
        assert [tuple(row.values()) for row in json.loads(target.read_text())] == list(table)
    elif suffix == ".parquet":
        found = pytest.importorskip("pyarrow.parquet").read_table(target).to_pylist()
        assert [row["a"] for row in found] == [1, 2, 3]
        assert found[2]["more"] == '[1, {"b": 0.5}]'
    else:
        page = target.read_text()
        assert page.count("<tr>") == 4
        assert "&lt;b&gt;" in page
        assert "<b>" not in page


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    table = grown(tmp_path)
    with (tmp_path / "t.png").open("wb") as file, pytest.raises(InvalidValue, match=r"\.csv, \.parquet, \.json, \.html"):
        write_table(table, file, ".png")


def test_a_joined_table_says_what_it_is(tmp_path: Path) -> None:
    assert repr(grown(tmp_path)) == "<JoinedTable t (train): 5 rows of a, said, score, done>"


@pytest.mark.parametrize(
    "cells", [[{}], [{}, None], [{"a": {}}], [[{}], []], [{"a": [{}]}]], ids=["empty", "gap", "inner", "listed", "deep"]
)
def test_mappings_of_nothing_are_json_text_in_parquet(tmp_path: Path, cells: list[Any]) -> None:
    """Parquet has no column for a mapping without fields; pyarrow reads back what JSON makes of each cell."""
    parquet = pytest.importorskip("pyarrow.parquet")
    table = run_of(tmp_path / "run", (["a", "b"], [(one, 1) for one in cells])).table("t")
    with (tmp_path / "t.parquet").open("wb") as file:
        write_table(table, file, ".parquet")
    read_back = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    texts = [None if one is None else json.loads(one) for one in read_back["a"]]
    assert texts == cells
    assert read_back["b"] == [1] * len(cells)


def test_cells_that_a_library_cannot_take_are_refused_with_the_files_that_can(tmp_path: Path) -> None:
    """Nested as deep as this, Arrow's own types can't be told apart; JSON still can say it."""
    pytest.importorskip("pyarrow")
    deep: Any = 1
    for _ in range(400):
        deep = {"in": deep}
    table = run_of(tmp_path / "run", (["a"], [(deep,)])).table("t")
    with pytest.raises(InvalidValue, match=r"hold it: \.csv, \.json, \.html, got \.parquet, which can't"):
        write_table(table, io.BytesIO(), ".parquet")
    written = io.BytesIO()
    write_table(table, written, ".json")
    assert json.loads(written.getvalue()) == [{"a": deep}]

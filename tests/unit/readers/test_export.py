"""A run as CSV, JSON lines, Parquet and tables."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from asynclog.readers import Run, read
from asynclog.readers.export import export_csv, export_jsonl, export_parquet
from asynclog.values import Histogram, Image
from asynclog.wire.schema import Series
from tests.runfiles import START_NS, StreamWriter


@pytest.fixture
def mixed(run: Path, writer: StreamWriter) -> Run:
    schema = writer.schema(Series("train", "net", "loss"), Series("train", "", "seen", "q"), axes=("samples",))
    writer.rows(schema, [(float("nan"), 2**60 + 1)], first_step=4, prefix=(64.0,), epoch=1)
    writer.event("recon", Image(np.arange(12, dtype=np.uint8).reshape(3, 2, 2), "a cat"), step=5)
    writer.event("note", 'say "hi",\nthere', step=6)
    writer.event("weights", Histogram(np.array([1, 2]), 0.0, 1.0, 3, float("inf"), 0.1), step=7)
    writer.footer()
    return read(run)


def test_csv_has_a_line_an_event_that_any_reader_takes_apart(mixed: Run) -> None:
    """Commas, quotes and line ends inside a text stay inside it; numbers keep every digit."""
    out = io.StringIO(newline="")
    assert export_csv(mixed, out) == 5
    lines = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    assert [line["key"] for line in lines] == ["loss", "seen", "recon", "note", "weights"]
    assert (lines[0]["value"], lines[1]["value"], lines[3]["value"]) == ("nan", str(2**60 + 1), 'say "hi",\nthere')
    assert (lines[0]["namespace"], lines[0]["step"], lines[0]["epoch"], lines[0]["axes"]) == (
        "net", "4", "1", '{"samples": 64.0}',
    )  # fmt: skip
    assert json.loads(lines[2]["detail"]) == {
        "caption": "a cat", "dtype": "uint8", "shape": [3, 2, 2], "min": 0, "max": 11,
    }  # fmt: skip


def test_json_lines_are_strict_json(mixed: Run) -> None:
    """What isn't finite is told by name, since JSON has no number for it."""
    out = io.StringIO()
    assert export_jsonl(mixed, out) == 5

    def refuse(name: str) -> float:
        raise AssertionError(name)

    lines = [json.loads(line, parse_constant=refuse) for line in out.getvalue().splitlines()]
    assert lines[0]["value"] == "NaN"
    assert (lines[1]["value"], lines[1]["axes"], lines[1]["epoch"]) == (2**60 + 1, {"samples": 64.0}, 1)
    assert (lines[4]["mean"], lines[4]["counts"]) == ("Infinity", [1, 2])
    assert lines[0]["time_ns"] > START_NS


def test_parquet_and_arrow_hold_numbers_and_the_facts_of_events(mixed: Run) -> None:
    """One row a number or event; what float64 rounds stands beside it exactly."""
    parquet = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    assert export_parquet(mixed, out) == 5
    table = parquet.read_table(io.BytesIO(out.getvalue())).to_pylist()
    seen = next(one for one in table if one["key"] == "seen")
    assert (seen["value"], seen["step"], seen["kind"], seen["detail"]) == (float(2**60), 4, "scalar", str(2**60 + 1))
    assert next(one for one in table if one["key"] == "loss")["detail"] is None
    note = next(one for one in table if one["key"] == "note")
    assert json.loads(note["detail"]) == {"text": 'say "hi",\nthere'}


def test_a_data_frame_groups_by_name(mixed: Run) -> None:
    """Names are categories, times are times."""
    pytest.importorskip("pandas")
    frame = mixed.to_pandas()
    assert len(frame) == 5
    assert frame[frame["key"] == "seen"]["step"].tolist() == [4]
    assert frame["time"].dt.year.tolist() == [2023] * 5


def test_an_empty_run_exports_as_nothing(run: Path) -> None:
    """A header, and no lines."""
    out = io.StringIO(newline="")
    assert export_csv(read(run), out) == 0
    assert out.getvalue().startswith("time,step,")

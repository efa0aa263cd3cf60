"""Parquet: the table, and the files that it is made of."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.sinks import Parquet
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.examples import every_kind
from tests.unit.sinks.sinkrun import deliver

datasets = pytest.importorskip("pyarrow.dataset")
pytestmark = pytest.mark.blocking
STEP_NS = 10**9


def table(directory: Path) -> list[dict[str, Any]]:
    return datasets.dataset(directory / "metrics.parquet").to_table().to_pylist()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "metrics.parquet").iterdir())


def batches(count: int, first: int = 0, **facts: Any) -> list[Any]:
    """A number and a text each."""
    return [
        batch_of([(State(at), {"loss": at / 2, "note": f"{at}"})], seq=at, first_time_ns=10**18 + at * STEP_NS, **facts)
        for at in range(first, first + count)
    ]


def test_a_row_has_all_of_a_numbers_state(tmp_path: Path) -> None:
    """Whole numbers that float64 rounds stand beside it exactly."""
    entries = [
        (State(3, "valid", 2, 1.5, "epoch", {"samples": 64.0, "version": 2.0}), {("net", "loss"): 0.5, "seen": 2**60 + 1}),
        (State(4), {"loss": float("nan")}),
    ]
    deliver(Parquet(), tmp_path, [batch_of(entries, first_time_ns=1_700_000_000_000_000_137, writer="w")])
    loss, seen, nan = table(tmp_path)
    assert loss.pop("time").value == 1_700_000_000_000_000_137
    assert loss == {
        "step": 3, "epoch": 2, "phase": "valid", "level": "epoch", "namespace": "net", "key": "loss", "kind": "scalar",
        "value": 0.5, "detail": None, "elapsed_s": 1.5, "axes": [("samples", 64.0), ("version", 2.0)], "writer": "w",
    }  # fmt: skip
    assert (seen["value"], seen["detail"]) == (float(2**60), str(2**60 + 1))
    assert np.isnan(nan["value"])
    assert (nan["elapsed_s"], nan["axes"], nan["level"]) == (None, None, "batch")


def test_what_is_no_number_has_no_value(tmp_path: Path) -> None:
    deliver(Parquet(), tmp_path, [batch_of([(State(0), every_kind())])])
    assert {row["kind"] for row in table(tmp_path) if row["value"] is not None} == {"scalar"}
    assert all(row["detail"] for row in table(tmp_path) if row["value"] is None)


def test_sixteen_files_become_one_and_sixteen_of_those_another(tmp_path: Path) -> None:
    """In the order of delivery, and by name within."""
    sink = Parquet()
    deliver(sink, tmp_path, batches(16 * 16 + 17))
    assert names(tmp_path) == [
        "00000000-00000255.w.parquet", "00000256-00000271.w.parquet", "00000272-00000272.w.parquet",
    ]  # fmt: skip
    assert [row["step"] for row in table(tmp_path) if row["key"] == "loss"] == list(range(273))
    assert [row["detail"] for row in table(tmp_path) if row["key"] == "note"] == [f'{{"text": "{at}"}}' for at in range(273)]


def test_the_end_of_a_run_leaves_one(tmp_path: Path) -> None:
    import asyncio

    from tests.unit.sinks.sinkrun import run_info

    async def delivery() -> None:
        sink = Parquet()
        await sink.open(run_info(tmp_path))
        for batch in batches(19):
            await sink.write(batch)
        await sink.run_ended("finished", None)
        await sink.run_ended("finished", None)
        await sink.aclose()

    asyncio.run(delivery())
    assert names(tmp_path) == ["00000000-00000018.w.parquet"]
    assert len(table(tmp_path)) == 38


def test_what_comes_again_is_there_once_also_where_files_became_one(tmp_path: Path) -> None:
    """From far back; the rest of the run goes on behind it."""
    deliver(Parquet(), tmp_path, batches(20))
    deliver(Parquet(), tmp_path, batches(40), epoch=1, resumed=True)
    found = table(tmp_path)
    assert sorted(row["step"] for row in found if row["key"] == "loss") == list(range(40))
    assert len(found) == 80


def test_a_batch_that_is_cut_otherwise_the_second_time_is_there_once(tmp_path: Path) -> None:
    entries = [(State(at), {"loss": at / 2, "note": f"{at}"}) for at in range(6)]
    deliver(Parquet(), tmp_path, [batch_of(entries[:3])])
    deliver(Parquet(), tmp_path, [batch_of(entries)], epoch=1, resumed=True)
    assert sorted(row["step"] for row in table(tmp_path)) == sorted([*range(6)] * 2)


def test_a_crash_between_a_merge_and_the_removal_of_its_parts_leaves_no_row_twice(tmp_path: Path) -> None:
    deliver(Parquet(), tmp_path, batches(15))
    directory = tmp_path / "metrics.parquet"
    kept = {path.name: path.read_bytes() for path in directory.iterdir()}
    deliver(Parquet(), tmp_path, batches(1, 15), epoch=1, resumed=True)
    assert names(tmp_path) == ["00000000-00000015.w.parquet"]
    for name, content in kept.items():
        (directory / name).write_bytes(content)
    (directory / ".00000016-00000016.w.parquet").write_bytes(b"half a file")
    deliver(Parquet(), tmp_path, batches(1, 16), epoch=2, resumed=True)
    assert sorted(row["step"] for row in table(tmp_path) if row["key"] == "loss") == list(range(17))


def test_writers_share_a_directory_and_a_new_run_replaces_its_own_files(tmp_path: Path) -> None:
    for writer in ("w", "w.rank1"):
        deliver(Parquet(), tmp_path, batches(2, writer=writer), writer=writer)
    deliver(Parquet(), tmp_path, batches(1, writer="w"), writer="w")
    assert [(row["writer"], row["step"]) for row in table(tmp_path) if row["key"] == "loss"] == [
        ("w", 0), ("w.rank1", 0), ("w.rank1", 1),
    ]  # fmt: skip

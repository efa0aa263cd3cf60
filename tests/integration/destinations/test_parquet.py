"""Parquet, read by pyarrow: numbers and the time of each to the nanosecond, and of all else what there is to say."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

import asynclog as al
from asynclog.sink import Event
from asynclog.sinks.detail import detail
from asynclog.values import EVERY_KIND
from tests.integration.destinations.exam import DestinationTests, Reading, Shown

datasets = pytest.importorskip("pyarrow.dataset")


class TestParquet(DestinationTests):
    destination: ClassVar[str] = "Parquet"
    shows = {kind: "`value`" if kind == "scalar" else "described in `detail`" for kind in EVERY_KIND} | {
        "string": "`detail`", "config": "`detail`", "record": "`detail`", "table": "`detail`, its rows",
    }  # fmt: skip
    time_precision_s = 0.000_001

    def make_sink(self, tmp_path: Path) -> Any:
        return al.sinks.Parquet(tmp_path / "metrics.parquet")

    def read_back(self, tmp_path: Path) -> Reading:
        found = []
        for row in datasets.dataset(tmp_path / "metrics.parquet").to_table().to_pylist():
            name = f"{row['namespace']}/{row['key']}".lstrip("/")
            value = row["value"] if row["kind"] == "scalar" else json.loads(row["detail"])
            found.append(Shown(row["kind"], row["phase"], name, row["step"], value, row["time"].timestamp()))
        return Reading(found)

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        if kind == "scalar":
            return super().same(kind, logged, shown)
        event = Event(kind, "train", "", "", 0, 0, 0, {}, logged)
        return json.loads(json.dumps(detail(event), default=str)) == shown

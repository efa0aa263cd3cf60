"""Parquet, read by pyarrow: numbers and the time of each to the nanosecond, and of all else what there is to say."""

import json
from pathlib import Path
from typing import Any, ClassVar

import asynclog as al
from asynclog.sink import Event
from asynclog.sinks.detail import detail
from asynclog.values import EVERY_KIND
from tests.integration.destinations.exam import DestinationTests, Reading, Shown

_WORDS = {"scalar": "`value`", **dict.fromkeys(("string", "config", "record", "table"), "`detail`")}


class TestParquet(DestinationTests):
    destination: ClassVar[str] = "Parquet"
    reader: ClassVar[str] = "`pyarrow.dataset`"
    needs: ClassVar[tuple[str, ...]] = ("pyarrow",)
    shows: ClassVar[dict[str, str]] = {kind: _WORDS.get(kind, "described in `detail`") for kind in EVERY_KIND if kind != "hook"}
    time_precision_s = 0.000_001

    def make_sink(self, tmp_path: Path) -> Any:
        return al.sinks.Parquet(tmp_path / "metrics.parquet")

    def read_back(self, tmp_path: Path) -> Reading:
        from pyarrow import dataset

        found = []
        for row in dataset.dataset(tmp_path / "metrics.parquet").to_table().to_pylist():
            name = f"{row['namespace']}/{row['key']}".lstrip("/")
            value = row["value"] if row["kind"] == "scalar" else json.loads(row["detail"])
            found.append(Shown(row["kind"], row["phase"], name, row["step"], value, row["time"].timestamp()))
        return Reading(found)

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        if kind == "scalar":
            return super().same(kind, logged, shown)
        event = Event(kind, "train", "", "", 0, 0, 0, {}, logged)
        return json.loads(json.dumps(detail(event), default=str)) == shown

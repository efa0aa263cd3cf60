"""Parquet, read by pyarrow's data sets."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from asynclog.sink import Sink
from asynclog.sinks import Parquet
from asynclog.testing import Delivered, SinkTests

datasets = pytest.importorskip("pyarrow.dataset")


@pytest.mark.blocking
class TestParquet(SinkTests):
    may_block = True

    def make_sink(self, tmp_path: Path) -> Sink:
        return Parquet()

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        rows = datasets.dataset(tmp_path / "run" / "metrics.parquet").to_table().to_pylist()
        # Within a batch the numbers come first.
        for row in sorted(rows, key=lambda row: row["time"].value):
            value = row["value"]
            if row["kind"] == "string":
                value = json.loads(row["detail"])["text"]
            yield Delivered(row["kind"], row["phase"], row["namespace"], row["key"], row["step"], value)

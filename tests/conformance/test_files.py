"""Files, read by what reads each kind of file."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from asynclog.sink import Sink
from asynclog.sinks import Files
from asynclog.testing import Delivered, SinkTests

for library in ("PIL", "av", "soundfile"):
    pytest.importorskip(library)


@pytest.mark.blocking
class TestFiles(SinkTests):
    may_block = True

    def make_sink(self, tmp_path: Path) -> Sink:
        return Files()

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        directory = tmp_path / "run" / "files"
        found: list[tuple[float, Delivered]] = []
        for line in (directory / "index.jsonl").read_bytes().split(b"\n")[:-1]:
            said = json.loads(line)
            content = (directory / said["file"]).read_bytes()
            assert len(content) == said["bytes"]
            value = content.decode() if said["kind"] == "string" else None
            names = (said["kind"], said["phase"], said["namespace"], said["key"])
            found.append((said["time"], Delivered(*names, said["step"], value)))
        with (directory / "scalars.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, strict=True):
                one = Delivered(row["kind"], row["phase"], row["namespace"], row["key"], int(row["step"]), row["value"])
                found.append((float(row["time"]), one))
        # Numbers and other values have tables of their own; within a write, and within a name, their order is kept.
        return [one for _, one in sorted(found, key=lambda one: one[0])]

"""JSON lines, read by json: numbers, text and settings as they are, of media what there is to say."""

import json
from pathlib import Path
from typing import Any, ClassVar

import asynclog as al
from asynclog.sinks.summary import described
from asynclog.values import EVERY_KIND
from tests.integration.destinations.exam import DestinationTests, Reading, Shown

_SECTIONS = {"metrics": "scalar", "text": "string", "config": "config"}
_WORDS = {"scalar": "`metrics`", "string": "`text`", "config": "`config`"}


class TestJSONLines(DestinationTests):
    destination = "JSON lines"
    reader = "Python's `json`"
    shows: ClassVar = {kind: _WORDS.get(kind, "described") for kind in EVERY_KIND if kind != "hook"}
    time_precision_s = 0.000_001

    def make_sink(self, tmp_path: Path) -> Any:
        return al.sinks.JSONLines(tmp_path / "lines.jsonl")

    def read_back(self, tmp_path: Path) -> Reading:
        found = []
        for line in (tmp_path / "lines.jsonl").read_text().splitlines():
            record = json.loads(line)
            for section in ("metrics", "text", "config", "media"):
                for name, value in record.get(section, {}).items():
                    kind = value["kind"] if section == "media" else _SECTIONS[section]
                    found.append(Shown(kind, record["phase"], name, record["step"], value, record["time"]))
        return Reading(found)

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        if kind in _WORDS:
            return super().same(kind, logged, shown)
        return json.loads(json.dumps(described(kind, logged), default=str)) == shown

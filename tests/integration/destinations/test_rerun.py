"""Rerun, read by the SDK's own reader of recordings."""

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import asynclog as al
from tests.integration.destinations.exam import DestinationTests, Reading, Shown
from tests.integration.destinations.test_files import film, picture, sound
from tests.rrdfile import files, logged, rows

_WORDS = {
    "scalar": "`Scalars`",
    "image": "`EncodedImage`",
    "spectrogram": "`EncodedImage`",
    "video": "`AssetVideo`",
    "audio": "`AssetAudio`",
    "histogram": "`BarChart`",
    "tensor": "`Tensor`",
    "point_cloud": "`Points3D`",
    "mesh": "`Mesh3D`",
    "string": "`TextDocument`",
    "record": "`TextLog`",
    "config": "`TextDocument`, JSON",
    "table": "`TextDocument`, Markdown",
    "rollout": "`TextDocument`",
}


def numbers(tensor: dict[str, Any]) -> np.ndarray:
    return np.array(tensor["buffer"]).reshape(tensor["shape"])


def opened(kind: str, held: dict[str, Any]) -> Any:
    """The components of a value in the exam's form."""
    if kind in ("image", "spectrogram"):
        return picture(bytes(held["EncodedImage:blob"][0]))
    if kind == "video":
        return film(bytes(held["AssetVideo:blob"][0]))
    if kind == "audio":
        return sound(bytes(held["AssetAudio:blob"][0]))
    if kind == "histogram":
        return numbers(held["BarChart:values"][0])
    if kind == "tensor":
        return numbers(held["Tensor:data"][0])
    if kind == "point_cloud":
        return np.array(held["Points3D:positions"], np.float32)
    if kind == "mesh":
        return np.array(held["Mesh3D:vertex_positions"], np.float32)
    if kind == "record":
        return held["TextLog:text"][0]
    text = held["TextDocument:text"][0]
    if kind == "config":
        return json.loads(text.removeprefix("```json\n").removesuffix("\n```"))
    if kind == "table":
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.split("\n")[2:]]
    return text


class TestRerun(DestinationTests):
    destination: ClassVar[str] = "Rerun"
    reader: ClassVar[str] = "the SDK's `RrdReader`"
    needs: ClassVar[tuple[str, ...]] = ("rerun.chunk", "PIL", "av", "soundfile")
    shows: ClassVar[dict[str, str]] = _WORDS
    tolerance: ClassVar[dict[str, float]] = {"audio": 1e-4, "video": 8}
    time_precision_s = 0.000_001
    statuses: ClassVar[dict[str, str]] = {"finished": "finished", "failed": "failed", "killed": "killed"}

    def make_sink(self, tmp_path: Path) -> Any:
        return al.sinks.Rerun(tmp_path / "run.rrd")

    def read_back(self, tmp_path: Path) -> Reading:
        found, statuses = [], set()
        for one in logged(tmp_path):
            name = f"{one.namespace}/{one.key}".lstrip("/")
            value = one.components["Scalars:scalars"][0] if one.kind == "scalar" else opened(one.kind, one.components)
            found.append(Shown(one.kind, one.phase, name, one.step, value, one.time_ns / 1e9))
        for path in files(tmp_path):
            for entity, row in rows(path):
                if entity == "/__properties/asynclog":
                    statuses.update(row.get("asynclog:status") or ())
        (status,) = statuses
        return Reading(found, status)

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        if kind == "table":
            return [[str(cell) for cell in row] for row in logged.canonical()] == shown
        return super().same(kind, logged, shown)

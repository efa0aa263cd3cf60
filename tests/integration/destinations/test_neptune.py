"""Neptune's offline mode: the operations that its client would sync, and the files they name."""

import csv
import io
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import asynclog as al
from tests.integration.destinations import media_files
from tests.integration.destinations.exam import DestinationTests, Reading, Shown
from tests.integration.destinations.neptune_files import Logged, logged_below, name_of

pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


class TestNeptune(DestinationTests):
    destination: ClassVar[str] = "Neptune"
    reader: ClassVar[str] = "the client's own repository of operations"
    needs: ClassVar[tuple[str, ...]] = ("neptune_scale", "PIL", "soundfile", "av", "trimesh")
    shows: ClassVar[dict[str, str]] = {
        "scalar": "metric",
        "string": "string series",
        "record": "string series",
        "rollout": "string series",
        "image": "PNG series",
        "spectrogram": "PNG series",
        "audio": "WAV series",
        "video": "MP4 series",
        "histogram": "histogram series",
        "point_cloud": "PLY series",
        "mesh": "GLB series",
        "table": "CSV series",
        "tensor": "NPY series",
        "config": "attributes",
    }
    tolerance: ClassVar[dict[str, float]] = {"audio": 1 / 2**15, "video": 8.0, "mesh": 1e-6, "point_cloud": 1e-6}
    statuses: ClassVar[dict[str, str]] = {"finished": "finished", "failed": "failed", "killed": "killed"}
    time_precision_s = 1e-6

    def make_sink(self, tmp_path: Path) -> Any:
        return al.sinks.Neptune("team/exam", directory=tmp_path / "neptune")

    def read_back(self, tmp_path: Path) -> Reading:
        logged = list(logged_below(tmp_path / "neptune"))
        settings = {one.name: one.value for one in logged if one.step is None}
        config = {name.removeprefix("config/"): value for name, value in settings.items() if name.startswith("config/")}
        shown = [_shown(one) for one in logged if one.step is not None]
        return Reading([*shown, Shown("config", None, "config", None, config)], settings["status"])

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        if kind == "table":
            return bool([list(map(str, row)) for row in logged.canonical()] == shown)
        if kind == "config":
            return bool(_flat(logged) == shown)
        if kind == "histogram":
            return bool(logged.counts.tolist() == shown)
        return super().same(kind, logged, shown)


def _flat(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    found = {}
    for name, one in settings.items():
        found |= _flat(one, f"{above}{name}/") if isinstance(one, dict) else {f"{above}{name}": one}
    return found


def _shown(logged: Logged) -> Shown:
    phase, name = name_of(logged.name)
    value = logged.value
    kind = {float: "scalar", str: "string"}.get(type(value), "image")
    if name.startswith("media/"):
        kind = name.removeprefix("media/a ")
    if isinstance(value, bytes):
        value = _READERS.get(kind, media_files.picture)(value)
    return Shown(kind, phase, name, logged.step, value, logged.time)


def _points(content: bytes) -> Any:
    import trimesh

    return np.asarray(trimesh.load(io.BytesIO(content), file_type="ply").vertices)


_READERS: dict[str, Any] = {
    "audio": media_files.sound,
    "video": media_files.film,
    "mesh": media_files.vertices,
    "point_cloud": _points,
    "table": lambda content: list(csv.reader(io.StringIO(content.decode())))[1:],
    "tensor": lambda content: np.load(io.BytesIO(content)),
}

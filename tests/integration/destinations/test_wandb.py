"""Weights & Biases in offline mode: the history that W&B's own process wrote, and the media beside it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import asynclog as al
from tests.integration.destinations import media_files
from tests.integration.destinations.exam import DestinationTests, Reading, Shown
from tests.integration.destinations.forms import form
from tests.integration.destinations.wandb_files import OfflineRun, runs_below

pytestmark = pytest.mark.timeout(120)

_OWN = {"step", "epoch", "_step", "_timestamp", "_runtime", "_files", "_wandb"}


class TestWandB(DestinationTests):
    destination: ClassVar[str] = "W&B"
    reader: ClassVar[str] = "W&B's protocol buffers from the file its process writes in offline mode, and the media beside it"
    needs: ClassVar[tuple[str, ...]] = ("wandb", "PIL", "soundfile", "av", "trimesh")
    shows: ClassVar[dict[str, str]] = {
        "scalar": "metric",
        "string": "text",
        "record": "text",
        "image": "`Image`",
        "spectrogram": "`Image`",
        "audio": "`Audio`",
        "video": "`Video`",
        "histogram": "`Histogram`",
        "tensor": "`Histogram`",
        "point_cloud": "`Object3D`",
        "mesh": "`Object3D`",
        "table": "`Table`",
        "rollout": "`Table`",
        "config": "config",
        "artifact": "`Artifact`",
    }
    tolerance: ClassVar[dict[str, float]] = {"audio": 1 / 2**15, "video": 8.0, "mesh": 1e-6}
    statuses: ClassVar[dict[str, str]] = {"finished": "exit code 0", "failed": "exit code 1", "killed": "exit code 137"}
    time_precision_s = 1e-6

    def make_sink(self, tmp_path: Path) -> Any:
        return al.sinks.WandB("exam", mode="offline", directory=tmp_path)

    def read_back(self, tmp_path: Path) -> Reading:
        (run,) = runs_below(tmp_path)
        return Reading(list(shown(run)), f"exit code {run.exit_code}")

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        if kind == "tensor":
            numbers = logged.canonical().astype(np.float64)
            return bool(sum(shown) == numbers.size)
        if kind == "record":
            return bool(shown == "WARNING os disk.py:7: " + form(kind, logged))
        return super().same(kind, logged, shown)


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))


def shown(run: OfflineRun) -> Iterator[Shown]:
    """What W&B's pages are made of."""
    config = {name: one for name, one in run.config.items() if name != "_wandb"}
    yield Shown("config", None, "config", None, config)
    for record in run.records:
        # W&B keeps tables as artifacts, too.
        if record.WhichOneof("record_type") == "artifact" and record.artifact.type == "artifact":
            said = json.loads(record.artifact.metadata)["asynclog"]
            yield Shown("artifact", None, said["name"], None, said["sha256"])
    for row in run.rows:
        for name, value in row.items():
            if name not in _OWN:
                phase, _, rest = name.partition("/")
                kind, content = _value(rest, value, row["_files"])
                yield Shown(kind, phase, rest, row["step"], content, row["_timestamp"])


def _value(name: str, value: Any, files: Path) -> tuple[str, Any]:
    words = name.removeprefix("media/a ")
    if not isinstance(value, dict):
        return (words if words in ("record", "string") else "string" if isinstance(value, str) else "scalar"), value
    kind = words if name.startswith("media/a ") else "image"
    if value["_type"] == "histogram":
        return kind, np.array(value["values"])
    content = (files / value["path"]).read_bytes()
    match value["_type"], kind:
        case "image-file", _:
            return kind, media_files.picture(content)
        case "audio-file", _:
            return kind, media_files.sound(content)
        case "video-file", _:
            return kind, media_files.film(content)
        case "object3D-file", "point_cloud":
            return kind, np.array(json.loads(content))[:, :3].astype(np.float32)
        case "object3D-file", _:
            return kind, media_files.vertices(content)
        case "table-file", "table":
            return kind, [tuple(row) for row in json.loads(content)["data"]]
        case "table-file", _:
            table = json.loads(content)
            return kind, "\n\n".join(f"[{row[0]}]\n{row[1]}" for row in table["data"])
    raise AssertionError(value["_type"])

"""MLflow's own client reads a run that was delivered live, by sync, and after a kill."""

import io
import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("mlflow")

import trimesh
from mlflow import MlflowClient
from PIL import Image as Pillow

import asynclog as al
from asynclog.encoding.media import file_of
from tests.conformance.test_mlflow import drawn_kind, empty_database, found_run, unescaped
from tests.integration.destinations.exam import DestinationTests, Reading, Shown

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_LARGEST = np.finfo(np.float64).max


def pixels(png: bytes) -> np.ndarray:
    """(C, H, W) uint8."""
    picture = np.asarray(Pillow.open(io.BytesIO(png)))
    return picture[None] if picture.ndim == 2 else np.moveaxis(picture, -1, 0)


def sound(wav: bytes) -> np.ndarray:
    """(C, T) float32."""
    import soundfile

    return soundfile.read(io.BytesIO(wav), dtype="float32", always_2d=True)[0].T


def film(mp4: bytes) -> np.ndarray:
    """(T, C, H, W) uint8."""
    import av

    with av.open(io.BytesIO(mp4)) as container:
        return np.stack([np.moveaxis(one.to_ndarray(format="rgb24"), -1, 0) for one in container.decode(video=0)])


def vertices(ply: bytes) -> np.ndarray:
    return np.asarray(trimesh.load(io.BytesIO(ply), file_type="ply", process=False).vertices, np.float32)


def cells(text: bytes) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in json.loads(text)["data"]]


FORMS: dict[str, Any] = {
    "audio": sound,
    "config": json.loads,
    "histogram": lambda content: np.array(json.loads(content)["counts"]),
    "mesh": vertices,
    "point_cloud": vertices,
    "record": lambda content: json.loads(content)["message"],
    "rollout": lambda content: file_of(al.Rollout(json.loads(content)["messages"]), ".txt").decode(),
    "string": bytes.decode,
    "table": cells,
    "tensor": lambda content: np.load(io.BytesIO(content)),
    "video": film,
}


def reading(uri: str, run: Path) -> Reading:
    """All that MLflow's client finds, and that its grid of images finds in the names of their files."""
    client = MlflowClient(uri)
    found = found_run(uri, json.loads((run / "run.json").read_text())["id"])
    shown = []
    for key in found.data.metrics:
        if not key.startswith("x-axes/"):
            phase, _, name = unescaped(key).partition("/")
            for one in client.get_metric_history(found.info.run_id, key):
                shown.append(Shown("scalar", phase, name, one.step, one.value, one.timestamp / 1000))
    root = Path(client.download_artifacts(found.info.run_id, ""))
    for local in sorted(path for path in root.rglob("*") if path.is_file()):
        kind, *series, file = local.relative_to(root).parts
        if kind == "artifacts":
            shown.append(Shown("artifact", None, "/".join([*series, file]), None, sha256(local.read_bytes()).hexdigest()))
        elif kind != "images":
            phase, _, name = unescaped("/".join(series)).partition("/")
            shown.append(Shown(kind, phase, name, int(file.split("-")[0]), FORMS[kind](local.read_bytes())))
        elif file.endswith(".png"):
            key, _, step, _, time, _ = file.split("+")
            kind, key = drawn_kind(key.replace("~", "/"))
            if kind in ("image", "spectrogram"):
                phase, _, name = unescaped(key).partition("/")
                shown.append(Shown(kind, phase, name, int(step), pixels(local.read_bytes()), int(time) / 1000))
    return Reading(shown, found.info.status)


class TestMLflow(DestinationTests):
    destination: ClassVar[str] = "MLflow"
    reader: ClassVar[str] = "MLflow's client"
    shows: ClassVar[dict[str, str]] = {
        "scalar": "metrics",
        "image": "image grid",
        "spectrogram": "image grid",
        "audio": "artifact `.wav`",
        "video": "artifact `.mp4`",
        "histogram": "artifact `.json`, image grid",
        "point_cloud": "artifact `.ply`, image grid",
        "mesh": "artifact `.ply`, image grid",
        "table": "table",
        "tensor": "artifact `.npy`",
        "rollout": "artifact `.json`",
        "record": "artifact `.json`",
        "string": "artifact `.txt`",
        "config": "parameters, artifact `.json`",
        "artifact": "artifact, the newest version",
    }
    tolerance: ClassVar[dict[str, float]] = {"audio": 1e-4, "video": 8.0}
    statuses: ClassVar[dict[str, str]] = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
    time_precision_s = 0.001001

    def make_sink(self, tmp_path: Path) -> Any:
        path = tmp_path / "mlflow.db"
        if not path.exists():
            shutil.copyfile(empty_database(), path)
        return al.sinks.MLflow(f"sqlite:///{path}", experiment="exam", artifact_location=(tmp_path / "artifacts").as_uri())

    def read_back(self, tmp_path: Path) -> Reading:
        return reading(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "run")

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        """A database has no infinities: MLflow keeps the largest number."""
        return super().same(kind, np.clip(logged, -_LARGEST, _LARGEST) if kind == "scalar" else logged, shown)

    async def test_a_run_whose_body_raises_has_failed_there(self, tmp_path: Path) -> None:
        """With what was raised."""
        log = al.MultiLogger(tmp_path / "run", sinks=[al.Route(self.make_sink(tmp_path), name="exam", deadline=50.0)])

        async def body() -> None:
            async with log:
                log.log({"loss": 1.0})
                await log.write(0)
                raise ValueError("enough")

        with pytest.raises(ValueError, match="enough"):
            await body()
        uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
        run = found_run(uri, json.loads((tmp_path / "run" / "run.json").read_text())["id"])
        assert (run.info.status, run.data.metrics) == ("FAILED", {"train/loss": 1.0})
        assert "ValueError: enough" in run.data.tags["asynclog.error"]

"""Files, each opened with the library that people open such files with: Pillow, soundfile, PyAV, trimesh, numpy, csv, json."""

import csv
import io
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import asynclog as al
from asynclog.encoding.media import file_of
from tests.integration.destinations.exam import DestinationTests, Reading, Shown

_WORDS = {
    "scalar": "`scalars.csv`",
    "image": "PNG, WebP",
    "spectrogram": "PNG, WebP",
    "histogram": "PNG, NPZ",
    "audio": "WAV, FLAC",
    "video": "MP4, GIF",
    "point_cloud": "PLY, GLB",
    "mesh": "PLY, GLB",
    "tensor": "NPY",
    "table": "CSV",
    "rollout": "JSON, text",
    "record": "JSON, text",
    "config": "JSON",
    "string": "text",
    "artifact": "its facts as JSON",
}


def picture(content: bytes) -> np.ndarray:
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(content)))
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def sound(content: bytes) -> np.ndarray:
    import soundfile

    return np.asarray(soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0].T)


def film(content: bytes) -> np.ndarray:
    import av

    with av.open(io.BytesIO(content)) as container:
        return np.stack([np.moveaxis(one.to_ndarray(format="rgb24"), -1, 0) for one in container.decode(video=0)])


def vertices(content: bytes, suffix: str) -> np.ndarray:
    import trimesh

    shape: Any = trimesh.load(io.BytesIO(content), file_type=suffix.lstrip("."), process=False)
    if isinstance(shape, trimesh.Scene):
        (shape,) = shape.geometry.values()
    return np.asarray(shape.vertices, np.float32)


def opened(kind: str, content: bytes, suffix: str) -> Any:
    """A file's content in the exam's form."""
    if kind in ("image", "spectrogram"):
        return picture(content)
    if kind == "audio":
        return sound(content)
    if kind == "video":
        return film(content)
    if kind in ("mesh", "point_cloud"):
        return vertices(content, suffix)
    if kind == "histogram":
        return np.load(io.BytesIO(content))["counts"]
    if kind == "tensor":
        return np.load(io.BytesIO(content))
    if kind == "table":
        return list(csv.reader(io.StringIO(content.decode(), newline="")))[1:]
    if kind == "rollout":
        return file_of(al.Rollout(json.loads(content)["messages"]), ".txt").decode()
    if kind == "record":
        return json.loads(content)["message"]
    if kind == "artifact":
        return json.loads(content)["digest"]
    return json.loads(content) if kind == "config" else content.decode()


def read_files(directory: Path) -> Reading:
    found = []
    for line in (directory / "index.jsonl").read_bytes().split(b"\n")[:-1]:
        said = json.loads(line)
        path = directory / said["file"]
        name = f"{said['namespace']}/{said['key']}".lstrip("/")
        value = opened(said["kind"], path.read_bytes(), path.suffix)
        found.append(Shown(said["kind"], said["phase"], name, said["step"], value, said["time"]))
    with (directory / "scalars.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            name = f"{row['namespace']}/{row['key']}".lstrip("/")
            found.append(Shown("scalar", row["phase"], name, int(row["step"]), float(row["value"]), float(row["time"])))
    return Reading(found)


class TestFiles(DestinationTests):
    destination: ClassVar[str] = "Files"
    reader: ClassVar[str] = "Pillow, soundfile, PyAV, trimesh, numpy, csv and json"
    needs: ClassVar[tuple[str, ...]] = ("PIL", "av", "soundfile", "trimesh")
    shows: ClassVar[dict[str, str]] = _WORDS
    tolerance: ClassVar[dict[str, float]] = {"audio": 1e-4, "video": 8}
    time_precision_s = 0.000_001
    formats: ClassVar[dict[str, str | None]] = {"histogram": ".npz"}

    def make_sink(self, tmp_path: Path) -> Any:
        return al.sinks.Files(tmp_path / "files", formats=self.formats)

    def read_back(self, tmp_path: Path) -> Reading:
        return read_files(tmp_path / "files")

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        if kind == "table":
            return [[str(cell) for cell in row] for row in logged.canonical()] == shown
        return super().same(kind, logged, shown)


class TestOtherFormats(TestFiles):
    """Those that aren't the customary ones."""

    destination: ClassVar[str] = ""
    formats: ClassVar[dict[str, str | None]] = {
        "image": ".webp", "spectrogram": ".webp", "audio": ".flac", "mesh": ".glb", "point_cloud": ".glb", "histogram": ".npz",
    }  # fmt: skip
    test_what_was_accepted_is_there_after_a_kill = None  # type: ignore[assignment]
    test_shows_a_run_that_was_recorded_without_it = None  # type: ignore[assignment]

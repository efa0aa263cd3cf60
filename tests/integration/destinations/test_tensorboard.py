"""TensorBoard, read by the reader that its own server loads event files with."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import asynclog as al
from asynclog.sinks.tensorboard import markdown
from tests.integration.destinations.exam import DestinationTests, Reading, Shown

IN_WORDS = ("table", "rollout", "record")
KINDS = "|".join(("image", "audio", "spectrogram", "video", "histogram", "point_cloud", "mesh", "tensor", "string", *IN_WORDS))


class TestTensorBoard(DestinationTests):
    destination = "TensorBoard"
    reader = "its own `EventFileLoader`"
    needs = ("tensorboard", "PIL", "soundfile")
    shows: ClassVar = {
        "scalar": "scalars",
        "image": "images",
        "spectrogram": "images",
        "video": "an animated image, GIF",
        "audio": "audio, WAV",
        "histogram": "histograms and distributions",
        "tensor": "a histogram of its numbers",
        "point_cloud": "meshes: points with colours",
        "mesh": "meshes",
        "string": "text, as Markdown",
        "record": "text",
        "table": "text, a table",
        "rollout": "text, a conversation",
        "config": "hyperparameters, and text",
    }
    number = np.float32
    tolerance: ClassVar = {"audio": 1 / 32768, "video": 8.0}
    time_precision_s = 0.000_001
    statuses: ClassVar = {"finished": "STATUS_SUCCESS", "failed": "STATUS_FAILURE", "killed": "STATUS_FAILURE"}

    def make_sink(self, tmp_path: Path) -> Any:
        return al.sinks.TensorBoard(tmp_path / "board")

    def read_back(self, tmp_path: Path) -> Reading:
        from tensorboard.plugins.hparams import api_pb2, metadata

        found: list[Shown] = []
        status = None
        told: set[str] = set()
        for event, value, plugin in events(tmp_path / "board"):
            if plugin != "hparams":
                found += shown(event, value, plugin)
                continue
            if value.tag in told:
                # Of a session TensorBoard keeps what it reads first.
                continue
            told.add(value.tag)
            if value.tag == metadata.SESSION_END_INFO_TAG:
                end = metadata.parse_session_end_info_plugin_data(value.metadata.plugin_data.content)
                status = api_pb2.Status.Name(end.status)
            else:
                start = metadata.parse_session_start_info_plugin_data(value.metadata.plugin_data.content)
                settings = {name: getattr(one, one.WhichOneof("kind")) for name, one in start.hparams.items()}
                found.append(Shown("config", None, "config", None, settings))
        return Reading(found, status)

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        if kind == "config":
            return bool(dict(markdown.flat(logged)) == shown)
        if kind == "tensor":
            return bool(shown[0] == logged.data.min() and shown[1] == logged.data.max() and shown[2] == logged.data.size)
        if kind == "table":
            return bool([[str(cell) for cell in row] for row in logged.canonical()] == shown)
        if kind == "rollout":
            return all(message["content"] in shown for message in logged.messages)
        if kind == "record":
            return logged.message in shown and "WARNING" in shown
        return super().same(kind, logged, shown)


def events(directory: Path) -> Iterator[tuple[Any, Any, str]]:
    """(event, value, plugin) of every event file, as TensorBoard's server takes them."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for path in sorted(directory.rglob("*tfevents*")):
        plugins: dict[str, str] = {}
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                yield event, value, plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)


def shown(event: Any, value: Any, plugin: str) -> Iterator[Shown]:
    from tensorboard.util import tensor_util

    if value.tag.endswith(("_COLOR", "_FACE")):
        return
    phase, _, name = value.tag.removesuffix("_VERTEX").partition("/")
    data = tensor_util.make_ndarray(value.tensor)
    named = re.search(rf"a ({KINDS})$", name) or re.search(r"(frame)|(says)$", name)
    kind = "scalar" if plugin == "scalars" else {"frame": "image", "says": "string"}.get(named[0], named[1]) if named else ""
    if name == "config":
        # Its text; its settings are looked at where the dashboard has them.
        return
    yield Shown(kind, phase, name, event.step, FORMS[plugin](data, kind), event.wall_time)


def picture(data: Any, kind: str) -> np.ndarray:
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(data[2])) as opened:
        assert opened.size == (int(data[0]), int(data[1]))
        frames = [np.asarray(one.convert("RGB")).transpose(2, 0, 1) for one in ImageSequence.Iterator(opened)]
    return np.stack(frames) if kind == "video" else frames[0]


def words(data: Any, kind: str) -> Any:
    text = data.item().decode()
    if kind != "table":
        return text
    return [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]


def sound(data: Any, kind: str) -> np.ndarray:
    import soundfile

    return soundfile.read(io.BytesIO(data.flat[0]), dtype="float32", always_2d=True)[0].T


def buckets(data: np.ndarray, kind: str) -> Any:
    return data[:, 2].astype(np.int64) if kind == "histogram" else (data[0, 0], data[-1, 1], data[:, 2].sum())


FORMS: dict[str, Any] = {
    "scalars": lambda data, kind: data.item(),
    "images": picture,
    "text": words,
    "audio": sound,
    "histograms": buckets,
    "mesh": lambda data, kind: data[0],
}

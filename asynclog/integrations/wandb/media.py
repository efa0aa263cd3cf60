"""W&B's media, with W&B's arguments: each keeps what it was given, and says how a logger takes it.

What is given as a file is read where a small library of Python's own can, and is an artifact of the run otherwise: the file
itself, unread.
"""

import wave
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from asynclog.integrations.outbox import Said
from asynclog.integrations.wandb.said import once
from asynclog.values import Histogram as Counted

_FPS: Final = 4
"""W&B's, of videos whose caller says none."""
_MOST_BINS: Final = 512
_BOX: Final = 8


class Media:
    """What ``log`` takes beside numbers and text. caption: recorded as text beside it, under ``<key>.caption``."""

    def __init__(self, caption: str | None = None) -> None:
        self.caption = caption

    def said(self, key: str) -> list[Said]:
        """How it is logged under a key."""
        shown = self._shown(key)
        return shown if self.caption is None else [*shown, Said("log_string", f"{key}.caption", str(self.caption))]

    def _shown(self, key: str) -> list[Said]:
        raise NotImplementedError


def is_file(value: Any) -> bool:
    """Whether this names a file."""
    return isinstance(value, str | PathLike)


def the_file(key: str, path: Any) -> Said:
    """A file as an artifact of its medium's key."""
    name = Path(fspath(path))
    return Said("log_artifact", f"media/{key}{name.suffix}", name, {"overwrite": True})


class Audio(Media):
    """data_or_path: (T,) or (T, C) samples, a list of them, or a file; WAV files are read. sample_rate: Hz."""

    def __init__(self, data_or_path: Any, sample_rate: int | None = None, caption: str | None = None) -> None:
        super().__init__(caption)
        if not is_file(data_or_path) and sample_rate is None:
            raise ValueError("Argument 'sample_rate' is required when instantiating wandb.Audio with raw data.")
        self._data, self._sample_rate = data_or_path, sample_rate
        if is_file(data_or_path) and fspath(data_or_path).endswith(".wav"):
            self._data, self._sample_rate = _wav(fspath(data_or_path))

    def _shown(self, key: str) -> list[Said]:
        if is_file(self._data):
            return [the_file(key, self._data)]
        data = np.asarray(self._data)
        layout = "TC" if data.ndim == 2 else None
        return [Said("log_audio", key, data, {"sample_rate": self._sample_rate, "layout": layout})]


def _wav(path: str) -> tuple[Any, int]:
    with wave.open(path, "rb") as file:
        width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
        frames = file.readframes(file.getnframes())
    if width not in (2, 4):
        return path, rate
    return np.frombuffer(frames, np.int16 if width == 2 else np.int32).reshape(-1, channels), rate


class Video(Media):
    """data_or_path: (T, C, H, W) or (B, T, C, H, W), or a file. fps: frames per second. format: what W&B would encode it as;
    here it is recorded unencoded, and whoever shows it chooses."""

    def __init__(
        self,
        data_or_path: Any,
        caption: str | None = None,
        fps: int | None = None,
        format: Literal["gif", "mp4", "webm", "ogg"] | None = None,
    ) -> None:
        super().__init__(caption)
        self._data, self._fps, self._format = data_or_path, fps or _FPS, format

    def _shown(self, key: str) -> list[Said]:
        if is_file(self._data):
            return [the_file(key, self._data)]
        several = getattr(self._data, "ndim", 4) == 5
        return [Said("log_videos" if several else "log_video", key, self._data, {"fps": self._fps, "layout": "TCHW"})]


class Histogram(Media):
    """sequence: the numbers, which are counted by the recorder; or np_histogram: what ``np.histogram`` gave. num_bins: W&B's;
    here as many are counted as a histogram of the run has."""

    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64) -> None:
        super().__init__()
        if (sequence is None) == (np_histogram is None):
            raise ValueError("Must provide one of `sequence` or `np_histogram`")
        if num_bins > _MOST_BINS:
            raise ValueError(f"The maximum length of a histogram is {_MOST_BINS}")
        self._sequence, self._num_bins = sequence, num_bins
        self._counted = None if np_histogram is None else np_histogram
        if np_histogram is not None and len(np_histogram) != 2:
            raise ValueError("Expected np_histogram to be a tuple of (values, bin_edges) or sequence to be specified")

    @property
    def bins(self) -> list[float]:
        """The edges."""
        return list(map(float, self._both[1]))

    @property
    def histogram(self) -> list[float]:
        """The counts."""
        return list(map(float, self._both[0]))

    @property
    def _both(self) -> tuple[Any, Any]:
        if self._counted is None:
            self._counted = np.histogram(np.asarray(self._sequence), bins=self._num_bins)
        return self._counted[0], self._counted[1]

    def _shown(self, key: str) -> list[Said]:
        if self._sequence is not None:
            return [Said("log_histogram", key, self._sequence)]
        return [Said("log_histogram", key, _counted(np.asarray(self._both[0]), np.asarray(self._both[1], np.float64)))]


def _counted(counts: Any, edges: Any) -> Counted:
    """As the run keeps it. Bins of other widths are laid over equal ones, each count spread evenly over its own bin."""
    middles, total = (edges[:-1] + edges[1:]) / 2, float(counts.sum())
    mean = float((counts * middles).sum() / total) if total else float("nan")
    std = float(np.sqrt((counts * (middles - mean) ** 2).sum() / total)) if total else float("nan")
    even = np.linspace(edges[0], edges[-1], len(counts) + 1)
    if not np.allclose(edges, even):
        reached = np.interp(even, edges, np.concatenate([[0.0], np.cumsum(counts)]))
        counts = np.diff(np.round(reached))
    return Counted(counts.astype(np.int64), float(edges[0]), float(edges[-1]), int(total), mean, std)


class Html(Media):
    """data: HTML as text, a file that ends in .html, or an open one. Recorded as text; inject: W&B's style sheet, which isn't
    put in."""

    def __init__(self, data: Any, inject: bool = True, data_is_not_path: bool = False) -> None:
        super().__init__()
        if hasattr(data, "read"):
            text = data.read()
        elif is_file(data) and not data_is_not_path and fspath(data).endswith(".html"):
            text = Path(data).read_text(encoding="utf-8")
        else:
            text = str(data)
        self.html, self.inject = text, inject

    def _shown(self, key: str) -> list[Said]:
        return [Said("log_string", key, self.html)]


class Object3D(Media):
    """data_or_path: points (N, 3), (N, 4) with a category, (N, 6) with r, g, b; a mapping of "points" and "boxes", which are
    drawn along the axes; or a file."""

    def __init__(self, data_or_path: Any, caption: str | None = None, **kwargs: Any) -> None:
        super().__init__(caption)
        self._data = getattr(data_or_path, "name", data_or_path) if hasattr(data_or_path, "read") else data_or_path

    @classmethod
    def from_file(cls, data_or_path: Any, file_type: str | None = None) -> "Object3D":
        """As W&B's."""
        return cls(data_or_path, file_type=file_type)

    @classmethod
    def from_numpy(cls, data: Any) -> "Object3D":
        """As W&B's."""
        return cls(data)

    @classmethod
    def from_point_cloud(
        cls,
        points: Any,
        boxes: Any,
        vectors: Any = None,
        point_cloud_type: str = "lidar/beta",
    ) -> "Object3D":
        """As W&B's."""
        return cls({"type": point_cloud_type, "points": points, "boxes": boxes, "vectors": vectors})

    def _shown(self, key: str) -> list[Said]:
        if is_file(self._data):
            return [the_file(key, self._data)]
        scene = self._data if isinstance(self._data, Mapping) else {"points": self._data}
        if scene.get("vectors") is not None and len(scene["vectors"]):
            once("Object3D's vectors are not recorded (at %r)", key)
        points = np.asarray(scene["points"], np.float32)
        given: dict[str, Any] = {}
        if points.ndim == 2 and points.shape[1] == 4:
            given["labels"] = points[:, 3].astype(np.int64)
        elif points.ndim == 2 and points.shape[1] == 6:
            given["colors"] = points[:, 3:].astype(np.uint8)
        boxes = [] if scene.get("boxes") is None else list(scene["boxes"])
        if boxes:
            given |= {"boxes": np.stack(list(map(_box, boxes))), "box_labels": [str(one.get("label", "")) for one in boxes]}
        return [Said("log_point_cloud", key, np.ascontiguousarray(points[:, :3]), given)]


def _box(box: Mapping[str, Any]) -> Any:
    """Centre, size and angles of the box around a box's corners."""
    corners = np.asarray(box["corners"], np.float64)
    if corners.shape != (_BOX, 3):
        raise ValueError(f"a box has {_BOX} corners (8, 3), not {corners.shape}")
    low, high = corners.min(axis=0), corners.max(axis=0)
    return np.concatenate([(low + high) / 2, high - low, np.zeros(3)])


def of_one_class(values: Sequence[Any], medium: type[Media]) -> bool:
    """Whether this is a list of such media, one at least."""
    return bool(values) and all(isinstance(one, medium) for one in values)

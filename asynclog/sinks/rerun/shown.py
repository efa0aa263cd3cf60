"""An event as Rerun's archetypes.

image, spectrogram    EncodedImage, PNG; masks and boxes below it, SegmentationImage and Boxes2D
video                 AssetVideo, MP4, and a VideoFrameReference a frame on the timeline "time"
audio                 AssetAudio, WAV            histogram    BarChart
point_cloud           Points3D, all points; boxes below it, Boxes3D
mesh                  Mesh3D                     tensor       Tensor
record                TextLog                    string, table, rollout, config    TextDocument
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from asynclog.encoding.media import checked, file_of, media_extra, png, shown_spectrogram
from asynclog.errors import InvalidValue
from asynclog.normal.turns import quaternion
from asynclog.sink import Event
from asynclog.sinks.strict_json import json_text
from asynclog.values import Audio, Histogram, Image, Mesh, PointCloud, Record, Rollout, Spectrogram, Table, Tensor, Video

_LEVELS: Final = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARN"), (20, "INFO"), (10, "DEBUG"))
_CLASSES: Final = 1 << 16
_DOUBLE: Final = 8


class Shown(NamedTuple):
    """below: the parts of its entity below the event's. after_ns: behind the event's time, on the timeline "time" alone."""

    archetype: Any
    below: tuple[str, ...] = ()
    after_ns: int | None = None


def archetypes(event: Event) -> list[Shown]:
    """The event's, its own first. Raises InvalidValue for what can't be shown, ImportError naming the extra."""
    make = _MADE.get(event.kind)
    if make is None:
        raise InvalidValue(kind=event.kind, expected="a kind of this version", got=event.kind)
    checked(event.value)
    with media_extra(), np.errstate(all="ignore"):
        return list(make(event.value))


def _encoded(content: bytes) -> Any:
    import rerun as rr

    return rr.EncodedImage(contents=content, media_type="image/png")


def _image(value: Image) -> Iterator[Shown]:
    import rerun as rr

    layered = bool(value.masks) or value.boxes is not None
    shown = replace(value, keep_resolution=True) if layered else value
    yield Shown(_encoded(png(shown.canonical())))
    for name, mask in value.masks.items():
        yield Shown(rr.SegmentationImage(np.clip(mask, 0, _CLASSES - 1).astype(np.uint16), opacity=0.5), ("mask", name))
    if value.boxes is not None:
        corners = np.asarray(value.boxes, np.float32)
        yield Shown(rr.Boxes2D(array=corners, array_format=rr.Box2DFormat.XYXY, labels=value.box_labels), ("boxes",))


def _spectrogram(value: Spectrogram) -> Iterator[Shown]:
    yield Shown(_encoded(png(shown_spectrogram(value))))


def _video(value: Video) -> Iterator[Shown]:
    import rerun as rr

    film = rr.AssetVideo(contents=file_of(value, ".mp4"), media_type="video/mp4")
    yield Shown(film)
    for at in film.read_frame_timestamps_nanos().tolist():
        yield Shown(rr.VideoFrameReference(nanoseconds=at), after_ns=at)


def _audio(value: Audio) -> Iterator[Shown]:
    import rerun as rr

    yield Shown(rr.AssetAudio(contents=file_of(value, ".wav"), media_type="audio/wav"))


def _histogram(value: Histogram) -> Iterator[Shown]:
    import rerun as rr

    edges = value.edges
    centres = (edges[1:] + edges[:-1]) / 2
    yield Shown(rr.BarChart(value.counts.astype(np.int64), abscissa=centres if np.isfinite(centres).all() else None))


def _point_cloud(value: PointCloud) -> Iterator[Shown]:
    import rerun as rr

    points = replace(value, most=None).canonical()
    labels = points.labels
    classes = None
    if labels is not None and labels.size and labels.min() >= 0 and labels.max() < _CLASSES:
        classes = labels.astype(np.uint16)
    yield Shown(rr.Points3D(points.xyz, colors=points.rgb, class_ids=classes))
    if value.boxes is not None:
        boxes = np.asarray(value.boxes, np.float64)
        turns = [rr.Quaternion(xyzw=quaternion(*angles)) for angles in boxes[:, 6:].tolist()]
        sizes, centres = boxes[:, 3:6], boxes[:, :3]
        yield Shown(rr.Boxes3D(centers=centres, sizes=sizes, quaternions=turns, labels=value.box_labels), ("boxes",))


def _mesh(value: Mesh) -> Iterator[Shown]:
    import rerun as rr

    mesh = value.canonical()
    yield Shown(
        rr.Mesh3D(
            vertex_positions=mesh.vertices,
            triangle_indices=mesh.faces.astype(np.uint32),
            vertex_normals=mesh.normals,
            vertex_colors=mesh.colors,
        )
    )


def _tensor(value: Tensor) -> Iterator[Shown]:
    """bool as 0 and 1; complex numbers with one axis more, of real and imaginary part; long doubles as float64: Rerun has none
    of these."""
    import rerun as rr

    held = value.canonical()
    data = np.ascontiguousarray(held.astype(held.dtype.newbyteorder("="), copy=False)).reshape(held.shape)
    names = None
    if data.dtype.kind == "c":
        data = np.stack([data.real, data.imag], axis=-1)
        names = [*("" for _ in data.shape[:-1]), "real, imaginary"]
    if data.dtype.kind == "b":
        data = data.astype(np.uint8)
    elif data.dtype.kind == "f" and data.itemsize > _DOUBLE:
        data = data.astype(np.float64)
    yield Shown(rr.Tensor(data, dim_names=names))


def _document(text: str, media_type: str) -> Shown:
    import rerun as rr

    return Shown(rr.TextDocument(text.encode("utf-8", "backslashreplace").decode(), media_type=media_type))


def _string(value: str) -> Iterator[Shown]:
    yield _document(value, "text/plain")


def _rollout(value: Rollout) -> Iterator[Shown]:
    yield _document(file_of(value, ".txt").decode(), "text/plain")


def _config(value: dict[str, Any]) -> Iterator[Shown]:
    yield _document(f"```json\n{json_text(value)}\n```", "text/markdown")


def _table(value: Table) -> Iterator[Shown]:
    lines = [_row(value.columns), _row(["---"] * len(value.columns)), *map(_row, value.canonical())]
    yield _document("\n".join(lines), "text/markdown")


def _row(cells: Any) -> str:
    texts = ("" if one is None else str(one) for one in cells)
    return "| " + " | ".join(one.replace("|", "\\|").replace("\n", "<br>") for one in texts) + " |"


def _record(value: Record) -> Iterator[Shown]:
    import rerun as rr

    text = value.message if value.exception is None else f"{value.message}\n{value.exception}"
    level = next((name for least, name in _LEVELS if value.level >= least), "TRACE")
    yield Shown(rr.TextLog(text.encode("utf-8", "backslashreplace").decode(), level=level))


_MADE: Final[dict[str, Callable[[Any], Iterator[Shown]]]] = {
    "image": _image,
    "spectrogram": _spectrogram,
    "video": _video,
    "audio": _audio,
    "histogram": _histogram,
    "point_cloud": _point_cloud,
    "mesh": _mesh,
    "tensor": _tensor,
    "string": _string,
    "record": _record,
    "config": _config,
    "table": _table,
    "rollout": _rollout,
}

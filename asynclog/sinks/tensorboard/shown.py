"""Which of TensorBoard's plugins shows a value, and as what."""

import json
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.encoding.media import checked, file_of, png
from asynclog.normal import view
from asynclog.normal.histogram import counted
from asynclog.sinks.tensorboard import markdown
from asynclog.sinks.tensorboard.protobuf import number, part, varint
from asynclog.sinks.tensorboard.summaries import Shown, numbers, strings
from asynclog.values import Audio, Histogram, Image, Mesh, PointCloud, Record, Rollout, Spectrogram, Table, Tensor, Video

_WAV: Final = 11
_BINS: Final = 64
# In pixels: its own points are of a size in space, and a cloud that grows would keep that of the first.
_POINTS: Final = json.dumps({"material": {"cls": "PointsMaterial", "size": 4, "sizeAttenuation": False}})
_VERTEX, _FACE, _COLOR = 1, 2, 3
SUFFIXES: Final = ("_VERTEX", "_FACE", "_COLOR")
"""Of the tags that a mesh consists of."""
IN_SPACE: Final = frozenset({"points", "mesh", "plain mesh"})
"""The forms that consist of several tags."""


def shown(kind: str, value: Any) -> list[Shown] | None:
    """The value as tensors; None for a kind that TensorBoard has no place for.

    Raises InvalidValue for what is not what it says it is, ImportError naming the extra.
    """
    match value:
        case str():
            return [text(value)]
        case dict() if kind == "config":
            return [text(markdown.settings(value))]
        case Record():
            return [text(markdown.record(value))]
        case Table():
            checked(value)
            return [text(markdown.table(value))]
        case Rollout():
            return [text(markdown.rollout(value))]
        case Image():
            return [_pictures(_image(value))]
        case Spectrogram():
            return [_pictures(file_of(value, ".png"))]
        case Video():
            return [_pictures(file_of(value, ".gif"))]
        case Audio():
            return [_sound(value)]
        case Histogram():
            return [_histogram(value)]
        case Tensor():
            return [_spread(value)]
        case PointCloud():
            return _points(value)
        case Mesh():
            return _surface(value)
    return None


def text(words: str) -> Shown:
    """Markdown, for the dashboard of text."""
    return Shown("text", "text", strings([words.encode()]))


def of_pictures(pictures: tuple[bytes, ...]) -> Shown:
    """Encoded pictures, one or several of a write, for the dashboard of images."""
    width, height = _size(pictures[0])
    return Shown("image", "images", strings([b"%d" % width, b"%d" % height, *pictures], 2 + len(pictures)))


def _pictures(*encoded: bytes) -> Shown:
    return Shown("image", "images", pictures=encoded)


def _image(value: Image) -> bytes:
    """Its own file has no place for a caption of the whole, which therefore stands below it."""
    if value.caption is None:
        return file_of(value, ".png")
    from asynclog.normal.draw import captioned

    checked(value)
    overlaid = value.boxes is not None or value.masks
    return png(captioned(value.overlaid() if overlaid else value.canonical(), value.caption))


def _size(encoded: bytes) -> tuple[int, int]:
    """(width, height) as a GIF's or a PNG's first bytes have it."""
    if encoded.startswith(b"GIF"):
        return int.from_bytes(encoded[6:8], "little"), int.from_bytes(encoded[8:10], "little")
    return int.from_bytes(encoded[16:20], "big"), int.from_bytes(encoded[20:24], "big")


def _sound(value: Audio) -> Shown:
    return Shown("audio", "audio", strings([file_of(value, ".wav"), b""], 1, 2), content=number(2, _WAV))


def _histogram(value: Histogram, description: str = "") -> Shown:
    return Shown("histogram", "histograms", numbers(_buckets(value)), description=description)


def _buckets(value: Histogram) -> NDArray[np.float64]:
    """(k, 3): left edge, right edge, count. None of them where no finite number was counted."""
    if not np.isfinite(value.low) or not value.counts.sum():
        return np.empty((0, 3))
    if value.low == value.high:
        # A bucket without a width can't be seen.
        return np.array([[value.low - 0.5, value.low + 0.5, value.counts.sum()]])
    counts, edges = (value.counts, value.edges) if len(value.counts) % _BINS else value.canonical(_BINS)
    return np.stack([edges[:-1], edges[1:], counts], axis=1).astype(np.float64)


def _spread(value: Tensor) -> Shown:
    """How the numbers of a tensor are spread; of complex ones their magnitudes."""
    checked(value)
    data = value.canonical()
    said = f"{'×'.join(map(str, data.shape)) or '0-d'} {value.dtype or data.dtype}"
    if data.dtype.kind == "c":
        data, said = np.abs(data), f"magnitudes of {said}"
    return _histogram(Histogram(*counted(data)), said)


def _points(value: PointCloud) -> list[Shown]:
    checked(value)
    points = value.canonical()
    return _in_space("points", {_VERTEX: points.xyz, _COLOR: view.tints(*points)}, _POINTS)


def _surface(value: Mesh) -> list[Shown]:
    checked(value)
    mesh = value.canonical()
    return _in_space("mesh", {_VERTEX: mesh.vertices, _FACE: mesh.faces, _COLOR: mesh.colors})


def _in_space(form: str, arrays: "dict[int, NDArray[Any] | None]", settings: str = "{}") -> list[Shown]:
    """A tensor each for the vertices, the faces and the colours, as the mesh plugin has it. settings: of three.js."""
    there = {content: array[None] for content, array in arrays.items() if array is not None}
    components = sum(1 << content for content in there)
    form = "plain mesh" if _COLOR not in there else form
    return [
        Shown(
            form,
            "mesh",
            numbers(array),
            number(3, content) + part(5, settings) + part(6, b"".join(map(varint, array.shape))) + number(7, components),
            suffix=SUFFIXES[content - 1],
        )
        for content, array in there.items()
    ]

"""Values beside numbers as MLflow's artifacts: files in a directory a series, and pictures in its grid of images by step.

The grid is made of files whose names say key, step and time (``images/<key>+step+<step>+timestamp+<ms>+<id>.png``, with "~" for
"/", and a small copy ``…+compressed.webp``). ``MlflowClient.log_image`` draws the id anew at each call. Here it is derived from
what the file holds and where it comes from, so that what is delivered twice is there once.

Source: mlflow.MlflowClient.log_image and log_table of MLflow 3.17.
"""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

from asynclog.encoding.media import file_of
from asynclog.errors import InvalidValue
from asynclog.sink import Event
from asynclog.sinks.mlflow.names import escaped, image_key
from asynclog.sinks.naming import flat_name
from asynclog.sinks.strict_json import json_text
from asynclog.values import Histogram, Table

_FILES: Final[Mapping[str, str]] = {
    "audio": ".wav",
    "config": ".json",
    "histogram": ".json",
    "mesh": ".ply",
    "point_cloud": ".ply",
    "record": ".json",
    "rollout": ".json",
    "string": ".txt",
    "table": ".json",
    "tensor": ".npy",
    "video": ".mp4",
}
_DRAWN: Final = frozenset({"histogram", "image", "mesh", "point_cloud", "spectrogram"})
_COPY_PIXELS: Final = 256  # as MLflow's own small copies


class Artifact(NamedTuple):
    """path: from the run's root. table, picture: whether MLflow wants to be told that the run has such."""

    path: str
    content: bytes
    table: bool = False
    picture: bool = False


class Identity:
    """Names files by what they hold. origin: the write that they come from."""

    def __init__(self, writer: str, event: Event) -> None:
        self._origin = f"{writer}\0{event.epoch}\0{event.time_ns}\0{event.kind}\0{series_name(event)}\0".encode()
        self.repeat = 0
        """How many equal files the same write has had before."""

    def of(self, content: bytes) -> UUID:
        digest = blake2b(self._origin, digest_size=16)
        digest.update(f"{self.repeat}\0".encode())
        digest.update(content)
        return UUID(bytes=digest.digest())


def series_name(event: Event) -> str:
    """phase/namespace/key."""
    return f"{event.phase}/{flat_name(event.namespace, event.key)}"


def artifacts_of(event: Event, identity: Identity) -> Iterator[Artifact]:
    """The value as MLflow shows it. Raises InvalidValue if it can't be rendered."""
    suffix = _FILES.get(event.kind)
    if suffix is None and event.kind not in _DRAWN:
        raise InvalidValue(kind=event.kind, expected=f"one of {', '.join(sorted({*_FILES, *_DRAWN}))}", got=event.kind)
    if suffix is None:
        yield from _pictures(event, identity)
        return
    content = _content(event, suffix)
    path = f"{event.kind}/{image_key(series_name(event))}/{event.step:09d}-{identity.of(content).hex}{suffix}"
    yield Artifact(path, content, table=event.kind == "table")
    if event.kind in _DRAWN:
        # Beside the file; a cloud without points has a file and no picture.
        with suppress(InvalidValue):
            yield from _pictures(event, identity)


def _content(event: Event, suffix: str) -> bytes:
    value = event.value
    if isinstance(value, Table):
        return _split(value)
    if isinstance(value, Histogram):
        return json_text(value.params() | {"counts": value.counts.tolist()}).encode()
    return json_text(value).encode() if event.kind == "config" else file_of(value, suffix)


def _split(table: Table) -> bytes:
    """As pandas' orient "split", which MLflow's tables are. Absent cells and NaN are null: pandas reads both as missing."""
    rows = [[None if isinstance(cell, float) and cell != cell else cell for cell in row] for row in table.canonical()]
    return json.dumps({"columns": table.columns, "data": rows}, ensure_ascii=False, default=str).encode()


def _pictures(event: Event, identity: Identity) -> Iterator[Artifact]:
    content = file_of(event.value, ".png")
    key = _grid_key(event).replace("/", "~")
    stem = f"images/{key}+step+{event.step}+timestamp+{event.time_ns // 1_000_000}+{identity.of(content)}"
    yield Artifact(f"{stem}.png", content, picture=True)
    yield Artifact(f"{stem}+compressed.webp", _small(content))


def _grid_key(event: Event) -> str:
    """Of what is no image, but drawn as one, the kind stands behind the name: "valid/latent.point_cloud"."""
    key = image_key(series_name(event))
    if event.kind != "image":
        return f"{key}.{event.kind}"
    name, dot, kind = key.rpartition(".")
    return f"{name}{escaped(dot)}{kind}" if kind in _DRAWN else key


def _small(png: bytes) -> bytes:
    from PIL import Image as Pillow

    picture = Pillow.open(io.BytesIO(png))
    picture.thumbnail((_COPY_PIXELS, _COPY_PIXELS))
    file = io.BytesIO()
    picture.save(file, "WEBP")
    return file.getvalue()

"""A value as the object of Aim's that shows it: Image, Audio, Text, Distribution, Figure.

Source: aim.sdk.objects of Aim 3.29.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from asynclog.encoding.media import file_of
from asynclog.errors import InvalidValue
from asynclog.normal.histogram import counted
from asynclog.sinks.aim.figures import cloud_figure, mesh_figure
from asynclog.sinks.strict_json import json_text
from asynclog.values import Audio, Histogram, Image, Mesh, PointCloud, Record, Rollout, Spectrogram, Table, Tensor, Video

_TENSOR_BINS: Final = 64

SEVERAL: Final = frozenset({"audio", "image", "record", "rollout", "spectrogram", "string", "table", "video"})
"""Kinds of which Aim keeps a list at a step; of the others one."""


def object_of(kind: str, value: Any) -> Any:
    """Aim's object. Raises InvalidValue for what it has no place for, or what can't be rendered."""
    make = _OBJECTS.get(kind)
    if make is None:
        raise InvalidValue(kind=kind, expected=f"what Aim has a place for: {', '.join(sorted(_OBJECTS))}", got=kind)
    return make(value)


def _picture(value: Image | Spectrogram) -> Any:
    import aim
    from PIL import Image as Pillow

    caption = getattr(value, "caption", None) or ""
    return aim.Image(Pillow.open(io.BytesIO(file_of(value, ".png"))), caption=caption, format="png")


def _film(value: Video) -> Any:
    """A moving GIF, which a page plays where it shows images. Aim's own way from one loses how long a frame stays."""
    import aim
    from aim.storage.types import BLOB
    from PIL import Image as Pillow

    content = file_of(value, ".gif")
    made = aim.Image(Pillow.open(io.BytesIO(content)).copy(), format="gif")
    made.storage["data"] = BLOB(data=content)
    return made


def _sound(value: Audio) -> Any:
    import aim

    return aim.Audio(file_of(value, ".wav"), format="wav", rate=value.sample_rate)


def _text(text: str) -> Any:
    import aim

    return aim.Text(text)


def _words(value: Rollout | Record) -> Any:
    return _text(file_of(value, ".txt").decode())


def _table(value: Table) -> Any:
    """As JSON: the pages show it as it stands, and cells keep their types."""
    rows = ",\n".join(f" {json_text(row)}" for row in value.canonical())
    return _text(f'{{"columns": {json_text(value.columns)}, "rows": [\n{rows}\n]}}')


def _bins(value: Histogram) -> Any:
    import aim

    if not np.isfinite([value.low, value.high]).all():
        raise InvalidValue(kind="histogram", expected="a finite number, which Aim needs to show one", got="none")
    return aim.Distribution(hist=value.counts, bin_range=(value.low, value.high))


def _spread(value: Tensor) -> Any:
    """How its numbers are distributed: Aim has no arrays."""
    numbers = value.canonical()
    if numbers.dtype.kind not in "biuf":
        raise InvalidValue(
            kind="tensor", expected="real numbers, whose distribution Aim can show", got=f"dtype {numbers.dtype}"
        )
    return _bins(Histogram(*counted(numbers, _TENSOR_BINS)))


def _figure(plotly_json: str) -> Any:
    import aim
    from aim.storage.types import BLOB

    # Its constructor takes a figure of an installed Plotly, and keeps of it what is put here.
    made = aim.Figure.__new__(aim.Figure)
    made.storage["source"], made.storage["version"], made.storage["format"] = "plotly", "unknown", "raw_json"
    made.storage["data"] = BLOB(data=plotly_json)
    return made


def _cloud(value: PointCloud) -> Any:
    return _figure(cloud_figure(value))


def _surface(value: Mesh) -> Any:
    return _figure(mesh_figure(value))


_OBJECTS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "audio": _sound,
    "histogram": _bins,
    "image": _picture,
    "mesh": _surface,
    "point_cloud": _cloud,
    "record": _words,
    "rollout": _words,
    "spectrogram": _picture,
    "string": _text,
    "table": _table,
    "tensor": _spread,
    "video": _film,
}

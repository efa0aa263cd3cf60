"""From what was logged under a kind to that kind's value object, as a table of functions, one a kind.

A maker looks at types, shapes and dtypes. What it raises names what was expected and what came; whose value it was is added
by ``capture``.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np

from asynclog import values
from asynclog.errors import InvalidValue
from asynclog.logger.intake import BFLOAT16, array, bits
from asynclog.logger.naming import described
from asynclog.logger.settings import plain_settings
from asynclog.values import Array, Value

Params = Mapping[str, Any]
Maker = Callable[[Any, Params], Value]


def numbers(kind: str, raw: Any, what: str = "an array of numbers") -> Array:
    """An array of numbers, or InvalidValue."""
    try:
        found = array(raw)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise InvalidValue(kind=kind, expected=what, got=f"{described(raw)} ({error})") from error
    if found.dtype.kind not in "biufc":
        raise InvalidValue(kind=kind, expected=what, got=described(raw))
    return found


def _given(kind: str, params: Params, *names: str) -> dict[str, Any]:
    """The parameters, those that are arrays made so."""
    return {name: numbers(kind, one, f"{name} as numbers") if name in names else one for name, one in params.items()}


def _image(raw: Any, params: Params) -> Value:
    given = _given("image", params, "boxes", "box_scores")
    several = given.pop("several", False)
    given["masks"] = {str(name): numbers("image", mask, "masks as numbers") for name, mask in given.get("masks", {}).items()}
    labelled = given.pop("labelled", False)
    if labelled:
        pairs = list(raw) if several else [raw]
        if not all(isinstance(one, tuple | list) and len(one) == 2 and isinstance(one[1], str) for one in pairs):
            raise InvalidValue(kind="image", expected="(image, label) with a str as label", got=described(raw))
        given["captions"] = [label for _, label in pairs]
        raw = [picture for picture, _ in pairs] if several else pairs[0][0]
    if not several:
        return values.Image(numbers("image", raw), **given)
    return values.Image(_several("image", raw), **_batch_layout(raw, given))


def _several(kind: str, raw: Any) -> "Array | tuple[Array, ...]":
    """A batch in one array, or the arrays of a sequence."""
    if isinstance(raw, list | tuple) and not raw:
        raise InvalidValue(kind=kind, expected=f"a batch of {kind}s", got="none of them")
    if isinstance(raw, list | tuple) and raw and not isinstance(raw[0], int | float):
        return tuple(numbers(kind, one) for one in raw)
    return numbers(kind, raw)


def _batch_layout(raw: Any, given: dict[str, Any]) -> dict[str, Any]:
    """A batch in one array has an N in front of what its images have; told from the shape, if nobody said."""
    if isinstance(raw, list | tuple):
        return given
    from asynclog.normal.image import layout_of

    layout = given.get("layout")
    told = layout_of(np.shape(raw), batch=True) if layout is None else f"N{layout.removeprefix('N')}"
    return {**given, "layout": told or "NCHW"}


def _audio(raw: Any, params: Params) -> Value:
    given = dict(params)
    if not given.pop("several", False):
        return values.Audio(numbers("audio", raw), **given)
    batch = _several("audio", raw)
    return values.Audio(tuple(batch) if isinstance(batch, np.ndarray) and batch.ndim else batch, **given)


def _spectrogram(raw: Any, params: Params) -> Value:
    return values.Spectrogram(numbers("spectrogram", raw), **params)


def _video(raw: Any, params: Params) -> Value:
    given = dict(params)
    if not given.pop("several", False):
        return values.Video(numbers("video", raw), **given)
    batch = _several("video", raw)
    return values.Video(tuple(batch) if isinstance(batch, np.ndarray) and batch.ndim else batch, **given)


def _histogram(raw: Any, params: Params) -> Value:
    return values.Samples(numbers("histogram", raw))


def _point_cloud(raw: Any, params: Params) -> Value:
    return values.PointCloud(numbers("point_cloud", raw), **_given("point_cloud", params, "colors", "labels", "boxes"))


def _mesh(raw: Any, params: Params) -> Value:
    given = _given("mesh", params, "faces", "normals", "colors")
    if hasattr(raw, "vertices") and hasattr(raw, "faces"):
        # trimesh, open3d and their like name the parts alike.
        visual = getattr(raw, "visual", None)
        colors = getattr(visual, "vertex_colors", None) if getattr(visual, "kind", "vertex") == "vertex" else None
        parts = {"faces": raw.faces, "colors": colors}
        given = {name: numbers("mesh", one) for name, one in parts.items() if one is not None and len(one)} | given
        raw = raw.vertices
    if "faces" not in given:
        raise InvalidValue(kind="mesh", expected="vertices and faces=", got=described(raw))
    return values.Mesh(numbers("mesh", raw), **given)


def _table(raw: Any, params: Params) -> Value:
    columns = params.get("columns")
    frame = sys.modules.get("pandas")
    if frame is not None and isinstance(raw, frame.DataFrame):
        columns, raw = list(map(str, raw.columns)), raw.values.tolist()
    rows = [raw] if isinstance(raw, Mapping) else list(raw)
    if rows and all(isinstance(one, Mapping) for one in rows):
        columns = list(columns or rows[0])
        rows = [tuple(one.get(name) for name in columns) for one in rows]
    if not columns or not all(isinstance(name, str) for name in columns) or len(set(columns)) != len(columns):
        raise InvalidValue(kind="table", expected="columns= as different str, or rows as mappings", got=described(columns))
    if any(not isinstance(one, Sequence) or isinstance(one, str) or len(one) != len(columns) for one in rows):
        wrong = next(one for one in rows if not isinstance(one, Sequence) or isinstance(one, str) or len(one) != len(columns))
        raise InvalidValue(kind="table", expected=f"rows of {len(columns)}: {', '.join(columns)}", got=described(wrong))
    plain = [tuple(map(plain_settings, one)) for one in rows]
    return values.Table.of_rows(columns, plain)


def _tensor(raw: Any, params: Params) -> Value:
    packed = bits(raw)
    if packed is not None:
        return values.Tensor(packed, BFLOAT16)
    return values.Tensor(numbers("tensor", raw))


def _rollout(raw: Any, params: Params) -> Value:
    if not isinstance(raw, Mapping):
        raise InvalidValue(kind="rollout", expected="a Rollout, or a mapping with its fields", got=described(raw))
    known = [one.name for one in fields(values.Rollout)]
    unknown = sorted(set(raw) - set(known))
    if unknown:
        raise InvalidValue(kind="rollout", expected=f"fields among {', '.join(known)}", got=", ".join(map(str, unknown)))
    given: dict[str, Any] = {}
    for name, one in raw.items():
        several = name in ("tokens", "loss_mask", "logprobs") or (name in ("advantage", "versions") and np.ndim(one))
        given[name] = numbers("rollout", one, f"{name} as numbers") if several and one is not None else plain_settings(one)
    return values.Rollout(**given)


def _record(raw: Any, params: Params) -> Value:
    if not isinstance(raw, str):
        raise InvalidValue(kind="record", expected="a str as its message", got=described(raw))
    return values.Record(raw, **{name: plain_settings(one) for name, one in params.items()})


def _string(raw: Any, params: Params) -> Value:
    if not isinstance(raw, str):
        raise InvalidValue(kind="string", expected="a str", got=described(raw))
    return values.Text(raw)


def _config(raw: Any, params: Params) -> Value:
    settings = plain_settings(raw)
    if not isinstance(settings, dict):
        raise InvalidValue(kind="config", expected="a mapping", got=described(raw))
    return values.Config(settings)


MAKERS: Final[dict[str, Maker]] = {
    "image": _image,
    "audio": _audio,
    "spectrogram": _spectrogram,
    "video": _video,
    "histogram": _histogram,
    "point_cloud": _point_cloud,
    "mesh": _mesh,
    "table": _table,
    "tensor": _tensor,
    "rollout": _rollout,
    "record": _record,
    "string": _string,
    "config": _config,
}

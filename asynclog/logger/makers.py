"""From what was logged under a kind to that kind's value object, as a table of functions, one a kind.

A maker looks at types, shapes and dtypes. What it raises names what was expected and what came; whose value it was is added
by ``capture``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from numbers import Integral
from typing import Any, Final

import numpy as np

from asynclog import values
from asynclog.errors import InvalidValue
from asynclog.logger.intake import Pixels, bits, is_torch
from asynclog.logger.naming import described, shortened
from asynclog.logger.pending_rows import Given
from asynclog.logger.settings import plain_settings
from asynclog.logger.solids import parts_of
from asynclog.logger.tabular import joined, table_of
from asynclog.normal import image
from asynclog.normal.narrow import widened
from asynclog.values import Array, Value

Params = Mapping[str, Any]
Maker = Callable[[Any, Params], Value]


def numbers(kind: str, raw: Any, what: str = "an array of numbers") -> Array:
    """An array of numbers, or InvalidValue."""
    found, narrow = numbers_or_bits(kind, raw, what)
    return found if narrow is None else widened(found, narrow)


def numbers_or_bits(kind: str, raw: Any, what: str = "an array of numbers") -> tuple[Array, str | None]:
    """The same, or the bits and the name of floating point that numpy lacks."""
    try:
        found, narrow = bits(raw)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        got = f"{described(raw)} ({shortened(str(error), 160)})"
        raise InvalidValue(kind=kind, expected=what, got=got, hint=_way_to_numbers(raw)) from error
    if found.dtype.kind not in "biufc":
        raise InvalidValue(kind=kind, expected=what, got=described(raw), hint=_way_to_numbers(raw, found.dtype.kind))
    return found, narrow


def _way_to_numbers(raw: Any, dtype_kind: str = "") -> str | None:
    """What would make numbers of something, where that can be told."""
    if isinstance(raw, bytes):
        return "np.frombuffer(value, dtype) are its numbers"
    if is_torch(raw) and str(raw.layout) != "torch.strided":
        return "to_dense() makes it one"
    if isinstance(raw, Value):
        return f"log_{raw.kind} takes it"
    if dtype_kind in ("m", "M"):
        return "astype('int64') makes them numbers"
    if isinstance(raw, list | tuple) and dtype_kind != "U":
        return "all of its rows must be of one length"
    return "astype(float) makes them numbers, if they are" if dtype_kind == "O" and hasattr(raw, "astype") else None


def _given(kind: str, params: Params, *names: str) -> dict[str, Any]:
    """The parameters, those that are arrays made so."""
    return {name: numbers(kind, one, f"{name} as numbers") if name in names else one for name, one in params.items()}


# -- pictures, sound, film -------------------------------------------------------------------------------------------


def _image(raw: Any, params: Params) -> Value:
    given = _given("image", params, "boxes", "box_scores")
    several = given.pop("several", False)
    masks = given.get("masks", {})
    given["masks"] = {str(name): numbers("image", mask, "masks as numbers") for name, mask in masks.items()}
    given["mask_labels"] = {str(name): _by_number(words) for name, words in given.get("mask_labels", {}).items()}
    labelled = given.pop("labelled", False)
    if labelled:
        pairs = _pairs(raw) if several else [raw]
        if not all(isinstance(one, tuple | list) and len(one) == 2 and isinstance(one[1], str) for one in pairs):
            raise InvalidValue(kind="image", expected="(image, label) with a str as label", got=described(raw))
        given["captions"] = [label for _, label in pairs]
        raw = [picture for picture, _ in pairs] if several else pairs[0][0]
    if several:
        return _images(raw, given)
    data = numbers("image", raw)
    return values.Image(data, **_known_axes(given, [raw], [data]))


def _pairs(raw: Any) -> list[Any]:
    """(image, label) each; of images and labels apart, which must be as many, each image with its label."""
    apart = isinstance(raw, tuple | list) and len(raw) == 2 and isinstance(raw[1], list | tuple)
    if not apart or not all(isinstance(one, str) for one in raw[1]):
        return list(raw)
    images = list(raw[0])
    if len(images) != len(raw[1]):
        raise InvalidValue(kind="image", expected=f"a label for each of {len(images)} images", got=f"{len(raw[1])} labels")
    return list(zip(images, raw[1], strict=True))


def _by_number(words: Any) -> Any:
    """Words by the numbers of a mask, also where these are numpy's."""
    if not isinstance(words, Mapping):
        return words
    return {int(number) if isinstance(number, Integral) else number: word for number, word in words.items()}


def _images(raw: Any, given: dict[str, Any]) -> Value:
    """A batch in one array has an N in front of what its images have, told from the shape if nobody said."""
    data = _several("image", raw)
    if not isinstance(data, np.ndarray):
        return values.Image(data, **_known_axes(given, raw, data))
    layout = given.get("layout")
    told = image.layout_of(data.shape, batch=True) if layout is None else f"N{str(layout).removeprefix('N')}"
    return values.Image(data, **{**given, "layout": told or "NCHW"})


def _known_axes(given: dict[str, Any], raw: Any, data: "Sequence[Array]") -> dict[str, Any]:
    """Of pictures and figures it is known which axis is what, even where a height of 3 looks like channels."""
    known = all(isinstance(one, Pixels) for one in raw) and len({one.ndim for one in data}) == 1
    if not known or "layout" in given:
        return given
    return {**given, "layout": "HW" if data[0].ndim == 2 else "HWC"}


def _several(kind: str, raw: Any) -> "Array | tuple[Array, ...]":
    """A batch in one array, or the arrays of a sequence."""
    if isinstance(raw, list | tuple) and not raw:
        raise InvalidValue(kind=kind, expected=f"a batch of {kind}s", got="none of them")
    if isinstance(raw, list | tuple) and not isinstance(raw[0], int | float):
        return tuple(numbers(kind, one) for one in raw)
    return numbers(kind, raw)


def _one_or_several(kind: str, make: type[Value], raw: Any, params: Params) -> Value:
    given = dict(params)
    if not given.pop("several", False):
        return make(numbers(kind, raw), **given)  # type: ignore[call-arg]
    batch = _several(kind, raw)
    return make(tuple(batch) if isinstance(batch, np.ndarray) and batch.ndim else batch, **given)  # type: ignore[call-arg]


def _audio(raw: Any, params: Params) -> Value:
    return _one_or_several("audio", values.Audio, raw, params)


def _spectrogram(raw: Any, params: Params) -> Value:
    return _one_or_several("spectrogram", values.Spectrogram, raw, params)


def _video(raw: Any, params: Params) -> Value:
    made = _one_or_several("video", values.Video, raw, params)
    frames = isinstance(raw, list | tuple) and all(isinstance(one, Pixels) for one in raw)
    if not frames or "layout" in params or params.get("several"):
        return made
    return replace(made, layout="THW" if raw[0].data.ndim == 2 else "THWC")  # type: ignore[call-arg]


# -- space -----------------------------------------------------------------------------------------------------------


def _point_cloud(raw: Any, params: Params) -> Value:
    given = dict(params)
    parts = parts_of(raw)
    if parts is not None:
        raw = parts.vertices
        if parts.colors is not None:
            given.setdefault("colors", parts.colors)
    return values.PointCloud(numbers("point_cloud", raw), **_given("point_cloud", given, "colors", "labels", "boxes"))


def _mesh(raw: Any, params: Params) -> Value:
    given = dict(params)
    parts = parts_of(raw)
    if parts is not None:
        raw = parts.vertices
        for name in ("faces", "normals", "colors"):
            part = getattr(parts, name)
            if part is not None:
                given.setdefault(name, part)
    if "faces" not in given:
        hint = "points alone are a point cloud, which log_point_cloud takes"
        raise InvalidValue(kind="mesh", expected="vertices and faces=", got=described(raw), hint=hint)
    return values.Mesh(numbers("mesh", raw), **_given("mesh", given, "faces", "normals", "colors"))


# -- data ------------------------------------------------------------------------------------------------------------


def _histogram(raw: Any, params: Params) -> Value:
    return values.Samples(numbers("histogram", raw))


def _table(raw: Any, params: Params) -> Value:
    """What a callable gave; what is logged row by row goes through ``row_events``."""
    found = joined(Given([[raw]], None, params.get("columns")))
    if found.faults:
        raise found.faults[0]
    return table_of(found.columns, found.rows)


def _tensor(raw: Any, params: Params) -> Value:
    data, narrow = numbers_or_bits("tensor", raw)
    return values.Tensor(data, **{"dtype": narrow, **params})


_OF_ROLLOUTS: Final = {one.name: None for one in fields(values.Rollout)}.keys()
_A_TOKEN_EACH: Final = frozenset({"tokens", "loss_mask", "logprobs"})
_ONE_OR_EACH: Final = frozenset({"advantage", "versions"})


def _rollout(raw: Any, params: Params) -> Value:
    if not isinstance(raw, Mapping):
        raise InvalidValue(kind="rollout", expected="a Rollout, or a mapping with its fields", got=described(raw))
    unknown = sorted(map(str, raw.keys() - _OF_ROLLOUTS))
    if unknown:
        raise InvalidValue(kind="rollout", expected=f"fields among {', '.join(_OF_ROLLOUTS)}", got=", ".join(unknown))
    given: dict[str, Any] = {}
    for name, one in raw.items():
        several = name in _A_TOKEN_EACH or (name in _ONE_OR_EACH and not isinstance(one, int | float))
        if one is None or not several:
            given[name] = plain_settings(one)
            continue
        found = numbers("rollout", one, f"{name} as numbers")
        given[name] = found if found.ndim or name in _A_TOKEN_EACH else found.item()
    return values.Rollout(**given)


def _record(raw: Any, params: Params) -> Value:
    if not isinstance(raw, str):
        raise InvalidValue(kind="record", expected="a str as its message", got=described(raw), hint=_way_to_text(raw))
    return values.Record(raw, **{name: plain_settings(one) for name, one in params.items()})


def _hook(raw: Any, params: Params) -> Value:
    if not isinstance(raw, str):
        raise InvalidValue(kind="hook", expected="a str as its name", got=described(raw))
    return values.Hook(raw)


def _artifact(raw: Any, params: Params) -> Value:
    raise InvalidValue(kind="artifact", expected="an Artifact", got=described(raw), hint="log_artifact takes a path")


def _string(raw: Any, params: Params) -> Value:
    if not isinstance(raw, str):
        number = isinstance(raw, int | float)
        hint = "log_scalar takes numbers" if number else _way_to_text(raw)
        raise InvalidValue(kind="string", expected="a str", got=described(raw), hint=hint)
    return values.Text(raw)


def _way_to_text(raw: Any) -> str | None:
    if raw is None:
        return None
    return "decode() makes it one" if isinstance(raw, bytes) else "str(value) is one"


def _config(raw: Any, params: Params) -> Value:
    settings = plain_settings(raw)
    if not isinstance(settings, dict):
        pairs = isinstance(raw, list | tuple) and all(isinstance(one, tuple) and len(one) == 2 for one in raw)
        hint = "dict(value) makes one" if pairs else "write {'name': value}"
        raise InvalidValue(kind="config", expected="a mapping", got=described(raw), hint=hint)
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
    "hook": _hook,
    "artifact": _artifact,
}

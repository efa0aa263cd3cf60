"""A value that a text file or a terminal can't show, in words: what it is, how large, between which bounds."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from asynclog.encoding.artifact import artifact_facts, artifact_line
from asynclog.values import (
    Array,
    Artifact,
    Audio,
    Histogram,
    Hook,
    Image,
    Mesh,
    PointCloud,
    Record,
    Rollout,
    Spectrogram,
    Table,
    Tensor,
    Value,
    Video,
)

_ORDERED = "biuf"  # dtype kinds that have a smallest and a largest item; others (complex, bytes) are given without


def described(kind: str, value: Any) -> dict[str, Any]:
    """A media value without its samples: kind, then shape, dtype, min and max of each array, then its parameters.

    The array that a value consists of describes the value itself; any other has an entry of its own. min and max leave
    NaN out, and are absent where there is nothing else. Of floating point that numpy lacks they are of its numbers.
    """
    params, arrays = _parts(value)
    found: dict[str, Any] = {"kind": kind}
    if isinstance(value, Tensor) and value.dtype is not None:
        about = _array(value.canonical()) if value.fault() is None else {"shape": list(value.data.shape)}
        return found | about | dict(params)
    if isinstance(value, Artifact):
        return found | artifact_facts(value)
    if isinstance(value, Table):
        return found | {"columns": value.columns, "rows": value.canonical()}
    for name, array in arrays.items():
        about = _array(array)
        if name in ("data", "points"):
            found.update(about)
        elif name == "counts":
            found["bins"] = len(array)
        else:
            found[name] = about
    return found | dict(params)


def in_brief(kind: str, value: Any) -> str:
    """One short line: ``image 3×64×64 uint8``, ``audio 2.5 s at 44100 Hz``."""
    if kind == "string":
        return str(value)
    if kind == "config":
        return f"config of {len(value)}"
    _, arrays = _parts(value)
    main = next(iter(arrays.values()), np.empty(0))
    match value:
        case Image(data=tuple()):
            return f"{len(value.data)} images {_shape(main.shape)} {main.dtype} …"
        case Image() if value.batch and main.ndim:
            return f"{len(main)} images {_shape(main.shape[1:])} {main.dtype}"
        case Audio(data=tuple()) | Spectrogram(data=tuple()) | Video(data=tuple()):
            return f"{len(value.data)} {kind}s {_shape(main.shape)} {main.dtype} …"
        case Mesh() if main.ndim and value.faces.ndim:
            return f"mesh of {len(main)} vertices and {len(value.faces)} faces"
        case Table():
            return f"table of {len(value)} rows: {', '.join(map(str, value.columns))}"
        case Rollout():
            worth = "" if value.reward is None else f", reward {value.reward:.4g}"
            tokens = "" if value.tokens is None else f" of {value.tokens.size} tokens"
            return f"rollout: {len(value.messages)} messages{tokens}{worth}"
        case Record():
            return value.message
        case Hook():
            return value.name
        case Artifact():
            return artifact_line(value)
        case Histogram():
            return f"histogram of {value.count}: {value.mean:.4g} ± {value.std:.4g} in [{value.low:.4g}, {value.high:.4g}]"
        case Audio() | Spectrogram() if main.ndim and isinstance(value.sample_rate, int) and value.sample_rate > 0:
            return f"{kind} {max(main.shape) / value.sample_rate:.3g} s at {value.sample_rate} Hz"
        case Video() if main.ndim and isinstance(value.fps, int | float):
            return f"video of {len(main)} frames {_shape(main.shape[1:])} at {value.fps:g} fps"
        case PointCloud() if main.ndim:
            return f"{len(main)} points"
        case Tensor() if value.dtype is not None:
            return f"{kind} {_shape(main.shape)} {value.dtype}"
    return f"{kind} {_shape(main.shape)} {main.dtype}"


def _parts(value: Any) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
    if isinstance(value, Value):
        return value.params(), value.arrays()
    # A kind of a later version comes as a mapping of its parts.
    return (
        {name: one for name, one in value.items() if not isinstance(one, np.ndarray)},
        {name: one for name, one in value.items() if isinstance(one, np.ndarray)},
    )


def _array(array: Array) -> dict[str, Any]:
    found: dict[str, Any] = {"shape": list(array.shape), "dtype": str(array.dtype)}
    if array.size and array.dtype.kind in _ORDERED:
        found |= _ends(array)
    return found


def _ends(array: Array) -> dict[str, Any]:
    # Not fmin and fmax, nor nanmin: they take a signalling NaN for an end, or for a reason to warn.
    with np.errstate(invalid="ignore"):
        low, high = array.min(), array.max()
        if low != low or high != high:
            numbers = array[~np.isnan(array)]
            if not numbers.size:
                return {}
            low, high = numbers.min(), numbers.max()
    return {"min": low.item(), "max": high.item()}


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "0-d"

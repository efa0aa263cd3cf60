"""An EVENT frame: one value with its state, as meta and payload, and back.

Arrays lie in the payload one after the other, each at a multiple of 64; dtype and shape stand in meta. Text and settings
that are too long for meta travel as an array of UTF-8 or msgpack bytes.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from operator import index
from typing import Any, Final, NamedTuple

import msgpack
import numpy as np

from asynclog.errors import DamagedFrame
from asynclog.sink import Event
from asynclog.values import KINDS, Array, Value
from asynclog.wire.codec import raw_payload
from asynclog.wire.fields import fitting
from asynclog.wire.frame import Frame
from asynclog.wire.layout import padding

INLINE_PARAMS_BYTES: Final = 16 << 10
PARAMS_BESIDE_ARRAYS_BYTES: Final = 2 << 10
"""Longer ones go where the arrays go: in meta a rollout's messages would be packed twice, and copied four times."""
_PACKED: Final = "params"  # the array that holds parameters too long for meta
_MOST_ARRAYS: Final = 4096
_MOST_DIMENSIONS: Final = 32


class ArraySpec(NamedTuple):
    """Where an array of a payload lies, and what it is."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * _itemsize(self.dtype)


@lru_cache(maxsize=256)
def _itemsize(dtype: str) -> int:
    return np.dtype(dtype).itemsize


def split(value: Value) -> "tuple[dict[str, Any], dict[str, Array]]":
    """A value as (parameters for meta, arrays for the payload). Raises ValueError for what msgpack can't hold."""
    params, arrays = value.parts()
    packed = msgpack.packb(params, use_bin_type=True)
    if len(packed) > (PARAMS_BESIDE_ARRAYS_BYTES if arrays else INLINE_PARAMS_BYTES):
        arrays[_PACKED] = np.frombuffer(packed, np.uint8)
        params = {}
    return params, arrays


def event_meta(
    *,
    kind: str,
    phase: str,
    namespace: str,
    key: str,
    step: int,
    epoch: int,
    level: str,
    elapsed_s: float | None,
    axes: Mapping[str, float],
    due: int,
    params: Mapping[str, Any],
    arrays: Sequence[ArraySpec],
) -> dict[str, Any]:
    """The meta map of an EVENT frame, without what has its default."""
    meta: dict[str, Any] = {"kind": kind, "phase": phase, "namespace": namespace, "key": key, "step": step, "due": due}
    optional = {
        "epoch": epoch,
        "level": "" if level == "batch" else level,
        "elapsed": elapsed_s,
        "axes": dict(axes),
        "params": dict(params),
        "arrays": [[one.name, one.dtype, list(one.shape)] for one in arrays],
    }
    meta.update((name, value) for name, value in optional.items() if value or (name == "elapsed" and value is not None))
    return meta


def array_specs(meta: Mapping[str, Any]) -> list[ArraySpec]:
    """The arrays that a meta map declares, from untrusted bytes. Raises DamagedFrame."""
    try:
        found = [
            ArraySpec(str(name), np.dtype(str(dtype)).str, tuple(int(length) for length in shape))
            for name, dtype, shape in meta.get("arrays", ())
        ]
    except (TypeError, ValueError, OverflowError, SyntaxError) as error:  # numpy parses a dtype's text as Python
        raise DamagedFrame(f"not a list of arrays: {error}") from error
    if len(found) > _MOST_ARRAYS or any(len(one.shape) > _MOST_DIMENSIONS or min(one.shape, default=0) < 0 for one in found):
        raise DamagedFrame("more arrays or dimensions than a value has")
    if any(np.dtype(one.dtype).hasobject or not np.dtype(one.dtype).itemsize for one in found):
        raise DamagedFrame("arrays of objects, or of items without bytes, are never read")
    return found


def specs_of(arrays: "Mapping[str, Array]") -> list[ArraySpec]:
    """What meta says of arrays: that they are little-endian, which whoever copies them makes them."""
    return [ArraySpec(name, _little_endian(one.dtype), one.shape) for name, one in arrays.items()]


@lru_cache(maxsize=256)
def _little_endian(dtype: "np.dtype[Any]") -> str:
    return dtype.newbyteorder("<").str


def payload_offsets(arrays: Sequence[ArraySpec]) -> list[int]:
    """Where each array begins in the payload; the last entry is the payload's length."""
    offsets, at = [], 0
    for one in arrays:
        at += padding(at)
        offsets.append(at)
        at += one.nbytes
    return [*offsets, at]


def read_event(frame: Frame, payload: "memoryview | None" = None) -> Event:
    """The event of an EVENT frame; ``payload`` in place of the frame's own where it came in parts. Raises DamagedFrame."""
    meta = frame.meta
    data = raw_payload(frame) if payload is None else payload
    specs = array_specs(meta)
    offsets = payload_offsets(specs)
    if offsets[-1] > len(data):
        raise DamagedFrame(f"arrays of {offsets[-1]} bytes in a payload of {len(data)}")
    params = meta.get("params", {})
    try:
        arrays = {
            one.name: np.frombuffer(data, np.dtype(one.dtype), one.nbytes // np.dtype(one.dtype).itemsize, at).reshape(
                one.shape
            )
            for one, at in zip(specs, offsets, strict=False)
        }
        if _PACKED in arrays:
            params = msgpack.unpackb(arrays.pop(_PACKED).tobytes(), raw=False, strict_map_key=False, max_ext_len=0)
        kind = str(meta["kind"])
        value = _value(kind, params, arrays)
        event = Event(
            kind,
            str(meta["phase"]),
            str(meta["namespace"]),
            str(meta["key"]),
            whole(meta["step"]),
            whole(meta.get("epoch", 0)),
            frame.time,
            dict(meta.get("axes", {})),
            value,
            str(meta.get("level", "batch")),
            meta.get("elapsed"),
        )
        # Sinks are given states: a phase that isn't one, or an axis that is no number, must not wait until they are.
        _ = event.state
        return event
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise DamagedFrame(f"not an event: {error!r}") from error


def whole(number: Any) -> int:
    """A whole number of 64 bits, as msgpack gives it. Raises TypeError or OverflowError: its unsigned ones reach further."""
    found: int = index(number)
    if not -(2**63) <= found < 2**63:
        raise OverflowError(f"{found} has more than 64 bits")
    return found


def _of(expected: type, found: Any) -> Any:
    if not isinstance(found, expected):
        raise TypeError(f"expected {expected.__name__}, found {type(found).__name__}")
    return found


def _value(kind: str, params: Mapping[str, Any], arrays: Mapping[str, Array]) -> Any:
    if kind == "scalar":
        number = params["value"]
        return number if type(number) is float else whole(number)
    if kind == "string":
        return _of(str, params["text"])
    if kind == "config":
        return _of(dict, params["config"])
    known = KINDS.get(kind)
    if known is None:
        return {**params, **arrays}  # a kind of a later version is given as its parts
    return fitting(known.from_parts(params, arrays))


def due_mask(frame: Frame) -> int:
    """Which routes an event is due for."""
    return int(frame.meta.get("due", -1))

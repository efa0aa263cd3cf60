"""Arrays of any library as numpy sees them, without a copy where there is a way, and none imported that isn't in use.

A library's values can only come in if it was imported, so it is looked up among the modules that were.
"""

import struct
import sys
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from asynclog.normal.narrow import BITS, widened
from asynclog.values import Array

PROTOCOLS: Final = ("__array__", "__array_interface__", "__dlpack__")
_SMALL_INTEGERS: Final = {"int2": np.int8, "int4": np.int8, "uint2": np.uint8, "uint4": np.uint8}


_PACKED: Final[dict[type, tuple[str, Any]]] = {int: ("q", np.int64), float: ("d", np.float64)}


@dataclass(frozen=True, slots=True)
class Pixels:
    """data: (H, W) or (H, W, C) of something that is known to be a picture, so that its axes need no guess."""

    data: Array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.data, dtype, copy=copy)


def is_torch(value: Any) -> bool:
    """Whether this is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    # Empty while another thread is still importing it.
    return torch is not None and isinstance(value, getattr(torch, "Tensor", ()))


def array(value: Any) -> Array:
    """numpy, torch, JAX, ``__array__`` (PIL, pandas …), DLPack, buffers, nested lists of numbers, sequences of arrays.

    Floating point that numpy lacks, such as bfloat16, comes as float32, which holds each of its numbers; ``bits`` is the other
    way. Masked numbers come as NaN. Raises TypeError, ValueError, RuntimeError or BufferError for what is no array.
    """
    found, narrow = bits(value)
    return found if narrow is None else widened(found, narrow)


def bits(value: Any) -> tuple[Array, str | None]:
    """The same; but of floating point that numpy lacks its bits, and its name: so it comes back bit for bit."""
    if type(value) is np.ndarray and value.dtype.isbuiltin == 1:
        return value, None
    if type(value) is list and value and type(value[0]) in _PACKED:
        return _listed(value, *_PACKED[type(value[0])]), None
    if isinstance(value, np.ndarray):
        found = _unmasked(value) if isinstance(value, np.ma.MaskedArray) else np.asarray(value)
    elif is_torch(value):
        return _of_torch(value)
    elif isinstance(value, list | tuple) and _holds_arrays(value):
        # numpy would ask each of them for its numbers one by one, and stumble over tensors that require a gradient.
        ones = [bits(one) for one in value]
        names = {narrow for _, narrow in ones}
        if len(names) == 1:
            return np.stack([one for one, _ in ones]), names.pop()
        return np.stack([array(one) for one in value]), None
    elif hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        found = np.asarray(value)
    elif hasattr(value, "__dlpack__"):
        return _of_dlpack(value)
    else:
        found = np.asarray(value)
    name = found.dtype.name
    if name in BITS:
        return found.view(BITS[name]), name
    whole = _SMALL_INTEGERS.get(name)
    return found if whole is None else found.astype(whole), None


def _listed(value: list[Any], code: str, dtype: Any) -> Array:
    """A list of Python numbers: packed in a quarter of the time that numpy takes to look at each of them, twice. Where they
    aren't all of a kind, numpy says what they are."""
    try:
        return np.frombuffer(struct.pack(f"={len(value)}{code}", *value), dtype)
    except (struct.error, TypeError, ValueError, OverflowError):
        return np.asarray(value)


def _holds_arrays(value: Any) -> bool:
    """Whether a sequence, or those in it, begins with something else than a number."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return not isinstance(value, int | float | complex | str | np.generic | list | tuple)


def _of_torch(value: Any) -> tuple[Array, str | None]:
    torch = sys.modules["torch"]
    tensor = value.detach().cpu()
    name = str(tensor.dtype).removeprefix("torch.")
    if name in BITS:
        same_width = torch.int16 if BITS[name] is np.uint16 else torch.uint8
        return tensor.contiguous().view(same_width).numpy().view(BITS[name]), name
    if name == "complex32":
        tensor = tensor.to(torch.complex64)
    return tensor.resolve_conj().resolve_neg().numpy(), None


def _of_dlpack(value: Any) -> tuple[Array, str | None]:
    if on_device(value):
        return np.from_dlpack(value, device="cpu"), None
    try:
        return np.from_dlpack(value), None
    except (RuntimeError, BufferError):
        # bfloat16, which numpy doesn't know; torch does.
        torch = sys.modules.get("torch")
        if torch is None:
            raise
        return _of_torch(torch.from_dlpack(value))


def _unmasked(value: "np.ma.MaskedArray[Any, Any]") -> Array:
    if not np.ma.is_masked(value):
        return np.asarray(value)
    if value.dtype.kind not in "fc":
        raise TypeError("only floating point can say that a number is masked; filled(…) gives it one")
    return np.asarray(value.filled(np.nan))


# -- what has to be waited for ---------------------------------------------------------------------------------------

_HOST_MEMORY: Final = frozenset({1, 3, 11, 13})  # of DLPack: the CPU's, and what a device shares with it


def on_device(value: Any) -> bool:
    """Whether reading these numbers would wait for a device, or for a computation that goes on."""
    if is_torch(value):
        return bool(value.device.type != "cpu")
    jax = sys.modules.get("jax")
    arrays: Any = getattr(jax, "Array", ())
    if isinstance(value, arrays):
        # A tracer is no array yet, and is refused as none; so is one whose memory was given away, which to ask whether it is
        # ready ends the process.
        if isinstance(value, sys.modules["jax"].core.Tracer) or value.is_deleted():
            return False
        return not (value.is_ready() and all(one.platform == "cpu" for one in value.devices()))
    where = getattr(type(value), "__dlpack_device__", None)
    return where is not None and not isinstance(value, np.ndarray) and int(where(value)[0]) not in _HOST_MEMORY


def to_host(value: Any) -> Any:
    """What lies on a device, brought to where numpy can see it."""
    if is_torch(value):
        return value.detach().cpu()
    # CuPy refuses to be taken for an array of the host's, and has a word for it.
    fetch = getattr(value, "get", None)
    if fetch is not None:
        return fetch()
    return np.asarray(value) if hasattr(value, "__array__") else np.from_dlpack(value, device="cpu")

"""What goes into a result's channels: arrays of any library, checked against a declaration where there is one."""

import math
from collections.abc import Mapping, Sequence
from operator import index
from typing import Any

import numpy as np

from asynclog.errors import InvalidValue
from asynclog.logger.capture import value_of
from asynclog.logger.intake import on_device
from asynclog.logger.naming import described
from asynclog.normal.narrow import BITS
from asynclog.values import Tensor

Declared = Mapping[str, tuple[Sequence[int], Any]]


def checked_declaration(channels: Any) -> dict[str, tuple[tuple[int, ...], str]]:
    """{name: (shape, dtype's name)}; dtype: numpy's, torch's, or a name of either. Raises InvalidValue."""
    expected = "{name: (shape, dtype)}"
    if not isinstance(channels, Mapping):
        raise InvalidValue(kind="channels", expected=expected, got=described(channels))
    declared = {}
    for name, one in channels.items():
        try:
            shape, dtype = one
            lengths = tuple(map(index, shape))
            if min(lengths, default=0) < 0:
                raise ValueError
            declared[str(name)] = lengths, _known_name(dtype)
        except (TypeError, ValueError) as error:
            raise InvalidValue(kind="channel", key=str(name), expected="(shape, dtype)", got=described(one)) from error
    return declared


def channel(name: Any, given: Any, declared: "Mapping[str, tuple[tuple[int, ...], str]] | None") -> tuple[Any, int]:
    """What is logged for a channel, and its bytes. A Python number takes the declared dtype, which it has none of its own to
    differ by; not one that would make it another number. Raises InvalidValue, naming the channel, what was expected and what
    came."""
    if not isinstance(name, str):
        raise InvalidValue(kind="channel", key=repr(name), expected="a str as its name", got=described(name))
    wanted = None
    if declared is not None:
        wanted = declared.get(name)
        if wanted is None:
            raise InvalidValue(kind="channel", key=name, expected=f"one of {', '.join(declared)}", got=f"channel {name!r}")
        if isinstance(given, bool | int | float) and wanted[1] in np.sctypeDict:
            given = _as_declared(given, wanted[1])
    if on_device(given):
        # It is fetched by the write, beside the loop.
        shape, dtype, nbytes = tuple(given.shape), _dtype_name(given.dtype), _bytes_of(given)
    else:
        made = value_of("tensor", given, {}, "", name)
        assert isinstance(made, Tensor)
        given, nbytes = made, made.data.nbytes
        shape, dtype = made.data.shape, made.dtype or made.data.dtype.name
    if wanted is not None and (shape, dtype) != wanted:
        expected = f"shape {wanted[0]}, {wanted[1]}, as declared"
        raise InvalidValue(kind="channel", key=name, expected=expected, got=f"shape {shape}, {dtype}")
    return given, nbytes


def _as_declared(given: float, dtype: str) -> Any:
    try:
        made = np.asarray(given, dtype)
    except (OverflowError, ValueError):
        return given
    return given if made.dtype.kind in "biu" and made != given else made


def _known_name(dtype: Any) -> str:
    """Raises TypeError for what is the name of no dtype."""
    name = _dtype_name(dtype)
    return name if name in BITS or name in _TORCHS_OWN else np.dtype(name).name


def _dtype_name(dtype: Any) -> str:
    """One name for what numpy, torch and those who write "float32" or "float" mean."""
    name = str(dtype).removeprefix("torch.")
    if isinstance(dtype, type | np.dtype):
        return np.dtype(dtype).name
    return _TORCH_ALIASES.get(name, name)


_TORCH_ALIASES = {"float": "float32", "double": "float64", "half": "float16", "int": "int32", "long": "int64", "short": "int16"}

_TORCHS_OWN = frozenset({"complex32"})


def _bytes_of(tensor: Any) -> int:
    itemsize = getattr(tensor.dtype, "itemsize", 8)
    return int(math.prod(tensor.shape) * itemsize)

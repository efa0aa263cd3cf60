"""What can be lent: the kinds that are one array, perhaps with others beside it that don't change.

Parameters are taken, and all is checked, by what records such a value: it is given an array of the shape and dtype that has
no memory of its own.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from operator import index
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from asynclog.errors import InvalidValue
from asynclog.logger.capture import unreadable, value_of
from asynclog.logger.kinds import Kinds
from asynclog.logger.loan import Form
from asynclog.logger.makers import MAKERS
from asynclog.logger.naming import described, shortened
from asynclog.normal.narrow import BITS
from asynclog.wire.event import payload_offsets, specs_of, split

if TYPE_CHECKING:
    from asynclog.logger.core import Core

KINDS: Final = ("tensor", "image", "images", "audio", "spectrogram", "video", "histogram", "point_cloud", "mesh")
_MOST_DIMENSIONS: Final = 32


class _Asked(Kinds):
    """Finds out what a ``log_`` method makes of its arguments."""

    def _put(self, kind: str, key: str, value: Any, namespace: str | None, **params: Any) -> None:
        self.kind = kind
        self.params = {name: one for name, one in params.items() if one is not None}


@cache
def _parameters(kind: str) -> tuple[str, ...]:
    """Of the kind's ``log_`` method."""
    found = inspect.signature(getattr(Kinds, f"log_{kind}")).parameters.values()
    return tuple(one.name for one in found if one.kind is one.KEYWORD_ONLY and one.name != "namespace")


def form_of(core: "Core", namespace: str, key: str, shape: Any, dtype: Any, kind: Any, params: Mapping[str, Any]) -> Form:
    """Raises InvalidValue, naming namespace, key, kind, expected and got."""
    try:
        asked, lengths, held, name = _asked(kind, params), _shape(shape), *_dtype(dtype)
        if name is not None and asked.kind != "tensor":
            raise _refused("a dtype of numpy's", name, "of tensors the bits can be lent")
        blank: Any = np.broadcast_to(np.zeros((), held if name is None else BITS[name]), lengths)
        given = asked.params if name is None else {"dtype": name}
        plain, arrays = split(value_of(asked.kind, blank, given, namespace, key))
    except InvalidValue as error:
        whose = {"namespace": namespace, "key": key, "kind": shortened(str(kind))}
        raise InvalidValue(**whose, expected=error.expected, got=error.got, hint=error.hint) from None
    except Exception as error:
        raise unreadable(error, kind, namespace, key) from error
    lent, *beside = arrays.values()
    assert lent.shape == lengths
    assert lent.dtype.itemsize == held.itemsize
    specs = specs_of(arrays)
    offsets = payload_offsets(specs)
    core.check_size(offsets[-1], asked.kind, namespace, key)
    kept = [(at, one.astype(spec.dtype)) for at, one, spec in zip(offsets[1:], beside, specs[1:], strict=False)]
    return Form(asked.kind, lengths, held, plain, specs, kept, offsets[-1])


def _refused(expected: str, got: str, hint: str | None = None) -> InvalidValue:
    return InvalidValue(kind="", expected=expected, got=got, hint=hint)


def _asked(kind: Any, params: Mapping[str, Any]) -> _Asked:
    if kind not in KINDS:
        hint = f"log_{kind} takes it" if isinstance(kind, str) and kind in {"scalar", *MAKERS} else None
        raise _refused(f"a kind that is one array, which can be lent: {', '.join(KINDS)}", repr(kind), hint)
    known = _parameters(kind)
    unknown = sorted(params.keys() - set(known))
    if unknown:
        raise _refused(f"parameters among {', '.join(known)}" if known else "no parameters", ", ".join(unknown))
    asked = _Asked()
    getattr(asked, f"log_{kind}")("", None, **params)
    return asked


def _shape(shape: Any) -> tuple[int, ...]:
    try:
        lengths = tuple(map(index, shape)) if isinstance(shape, Sequence) else (index(shape),)
    except TypeError:
        raise _refused("a shape, whole numbers ≥ 0", described(shape)) from None
    if min(lengths, default=0) < 0 or len(lengths) > _MOST_DIMENSIONS or prod(lengths) >= 2**60:
        raise _refused("a shape, whole numbers ≥ 0", described(shape))
    return lengths


def _dtype(dtype: Any) -> "tuple[np.dtype[Any], str | None]":
    """What the array that is lent has, and the name of what numpy has no dtype of its own for."""
    spelled = dtype if isinstance(dtype, str) else str(dtype)
    of_torch = spelled.startswith("torch.")
    name = spelled.removeprefix("torch.")
    if name in BITS and (of_torch or isinstance(dtype, str)):
        return np.dtype(BITS[name]), name
    try:
        found = np.dtype(name if of_torch else dtype)
    except TypeError:
        raise _refused("a dtype", described(dtype)) from None
    if found.name in BITS:
        return found, found.name
    if dtype is None or found.kind not in "biufc" or not found.isnative:
        hint = None if found.isnative else "newbyteorder('=') makes it so"
        raise _refused("a dtype of numbers, in this machine's byte order", "None" if dtype is None else repr(found), hint)
    return found, None

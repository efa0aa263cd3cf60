"""A value whose arrays lie on a device is made and checked with arrays in their place that have their shapes and dtypes, and
no memory: nothing more is looked at when a value is recorded. What is in the device's arrays goes straight from there to
where the value lies.

If one of the stand-ins doesn't come out as an array of the value (it was stacked with others, or made a parameter of), the
value is made in the other way: its arrays are fetched first, by a thread.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from asynclog.logger.elsewhere import elsewhere
from asynclog.shm.device import device_of
from asynclog.values import Array, Value

_DEEPEST = 3


class StandIns:
    """value, params: as they were logged, with stand-ins."""

    def __init__(self, kind: str, value: Any, params: Mapping[str, Any]) -> None:
        self._pairs: list[tuple[Array, Any]] = []
        self._strange = False
        self.params = {name: self._swapped(one, _DEEPEST) for name, one in params.items()}
        device = device_of(value)
        form = device.form(value, bits=True) if device is not None and kind == "tensor" else None
        if form is not None and form.narrow is not None:
            self.value: Any = self._stand_in(value, form.shape, form.dtype)
            self.params = {"dtype": form.narrow, **self.params}
        else:
            self.value = self._swapped(value, _DEEPEST)
        # What else takes long, a figure say, is nothing for the loop.
        self.whole = bool(self._pairs) and not self._strange and elsewhere(kind, self.value, self.params) is None

    def among(self, arrays: "Mapping[str, Array]") -> dict[int, Any] | None:
        """What stands behind which of a value's arrays, by their number; None unless each stand-in is one of them, once."""
        by_memory = {_address(one): (one, behind) for one, behind in self._pairs}
        found: dict[int, Any] = {}
        for at, array in enumerate(arrays.values()):
            one, behind = by_memory.pop(_address(array), (None, None))
            if one is not None:
                if one.shape != array.shape or one.dtype != array.dtype:
                    return None
                found[at] = behind
        return None if by_memory else found

    def _swapped(self, value: Any, deepest: int) -> Any:
        if isinstance(value, Value):
            return replace(value, **{one.name: self._swapped(getattr(value, one.name), deepest) for one in fields(value)})
        if isinstance(value, Mapping):
            return {name: self._swapped(one, deepest - 1) for name, one in value.items()} if deepest else value
        if type(value) in (list, tuple) and value and not isinstance(value[0], float | int | str):
            return type(value)(self._swapped(one, deepest - 1) for one in value) if deepest else value
        device = device_of(value)
        if device is None:
            return value
        form = device.form(value)
        if form is None:
            self._strange = True
            return value
        return self._stand_in(value, form.shape, form.dtype)

    def _stand_in(self, value: Any, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> Array:
        stand_in = np.broadcast_to(np.zeros((), dtype), shape)
        self._pairs.append((stand_in, value))
        return stand_in


def _address(array: Array) -> int:
    """Of memory of its own, which each stand-in has."""
    return int(array.__array_interface__["data"][0])

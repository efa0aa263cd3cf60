"""Events of an event file that aren't plain numbers: a tag, the plugin that shows it, and a tensor.

    Event { wall_time, step, summary { value { tag, metadata { plugin_data { plugin_name, content } }, tensor } … } }

Each plugin has a form of tensor that it takes; the modules beside this one make them. Source: the summary_v2 modules of
tensorboard.plugins, and tensorflow/core/framework/{summary,tensor}.proto.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asynclog.sinks.tensorboard.protobuf import double, number, part, parts
from asynclog.sinks.tensorboard.tfrecord import record

OURS: Final = 47_011
"""A field of the metadata that TensorBoard doesn't have, and skips: the tag's form, NUL, and the series that it shows."""
_STRING: Final = 7
_SESSION_LOG, _START = 7, 1
_NUMBERS: Final = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4}
Tensor = bytes


class Shown(NamedTuple):
    """A value as a plugin takes it. form: what a tag can hold, of which it holds one alone. suffix: of the tag, where a value
    is several tensors. pictures: encoded, where tensor is made of them once all of a write are together."""

    form: str
    plugin: str
    tensor: Tensor = b""
    content: bytes = b""
    description: str = ""
    suffix: str = ""
    pictures: tuple[bytes, ...] = ()


def strings(data: Sequence[bytes], *shape: int) -> Tensor:
    """A tensor of bytes; without a shape it is of no dimension."""
    return number(1, _STRING) + _shape(shape) + parts(8, data)


def numbers(data: NDArray[Any]) -> Tensor:
    """A tensor of float32, float64, int32 or uint8."""
    return number(1, _NUMBERS[data.dtype.name]) + _shape(data.shape) + part(4, np.ascontiguousarray(data).tobytes())


def _shape(shape: Sequence[int]) -> bytes:
    return part(2, b"".join(part(2, number(1, length)) for length in shape))


def summary_value(tag: str, series: str, shown: Shown) -> bytes:
    """One value of a summary. Its metadata is there each time, so that a file can be read from any of them."""
    # A part of a mesh says whose it is.
    content = part(2, tag) + shown.content if shown.suffix else shown.content
    metadata = part(1, part(1, shown.plugin) + part(2, content)) + part(3, shown.description)
    return part(1, tag + shown.suffix) + part(9, metadata + part(OURS, f"{shown.form}\0{series}")) + part(8, shown.tensor)


def event_record(time: float, step: int, values: Sequence[bytes]) -> bytes:
    """An event of several values, framed."""
    return record(double(1, time) + number(2, step) + part(5, parts(1, values)))


def purge_record(time: float, step: int) -> bytes:
    """The start of a session at a step: readers forget what came before it at that step or beyond. Source: SessionLog in
    tensorboard/compat/proto/event.proto, and tensorboard/backend/event_processing/plugin_event_accumulator.py."""
    return record(double(1, time) + number(2, step) + part(_SESSION_LOG, number(1, _START)))


def first_record(time: float) -> bytes:
    """What an event file begins with. Of version 2 no event is dropped for a step that was there before."""
    return record(double(1, time) + part(3, "brain.Event:2") + part(10, part(1, "asynclog")))

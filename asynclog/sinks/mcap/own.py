"""Messages of our own, for what Foxglove's schemas have no word for: numbers, histograms, tensors, and whose a message is.

They are protobuf like Foxglove's: JSON has no NaN, and its numbers lose whole ones beyond 2^53. Their definition is made
here, travels in each file, and is what any reader decodes them by.
"""

from functools import cache
from typing import Any, Final, NamedTuple

_DOUBLE, _INT64, _STRING, _BYTES, _MESSAGE, _UINT32 = 1, 3, 9, 12, 11, 13  # FieldDescriptorProto.Type
_OPTIONAL, _REPEATED = 1, 3
_FILE: Final = "asynclog/messages.proto"


class _Field(NamedTuple):
    """mapping: a map from text to doubles; bare: whether absence is told from zero."""

    name: str
    type: int
    many: bool = False
    mapping: bool = False
    bare: bool = False


_STATE: Final = (
    _Field("step", _INT64),
    _Field("epoch", _INT64),
    _Field("level", _STRING),
    _Field("elapsed_s", _DOUBLE, bare=True),
    _Field("axes", _MESSAGE, many=True, mapping=True),
)
_MESSAGES: Final = {
    "Metric": (_Field("value", _DOUBLE), *_STATE, _Field("integer", _INT64, bare=True)),
    "Event": (
        *(_Field(name, _STRING) for name in ("kind", "phase", "namespace", "key")),
        *_STATE,
        _Field("caption", _STRING),
        _Field("params", _STRING),
        _Field("crc32c", _UINT32),
    ),
    "Histogram": (
        _Field("counts", _INT64, many=True),
        *(_Field(name, _DOUBLE) for name in ("low", "high", "mean", "std")),
        *(_Field(name, _INT64) for name in ("count", "nans", "below", "above")),
    ),
    "Tensor": (_Field("dtype", _STRING), _Field("shape", _INT64, many=True), _Field("data", _BYTES)),
}


@cache
def message(name: str) -> Any:
    """The class of asynclog.Metric, asynclog.Event, asynclog.Histogram or asynclog.Tensor."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"asynclog.{name}"))


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package="asynclog", syntax="proto3")
    for name, fields in _MESSAGES.items():
        made = file.message_type.add(name=name)
        for number, one in enumerate(fields, 1):
            field = made.field.add(name=one.name, number=number, type=one.type, label=_REPEATED if one.many else _OPTIONAL)
            if one.mapping:
                entry = made.nested_type.add(name=f"{one.name.capitalize()}Entry")
                entry.options.map_entry = True
                entry.field.add(name="key", number=1, type=_STRING, label=_OPTIONAL)
                entry.field.add(name="value", number=2, type=_DOUBLE, label=_OPTIONAL)
                field.type_name = f".asynclog.{name}.{entry.name}"
            if one.bare:
                field.proto3_optional = True
                field.oneof_index = len(made.oneof_decl)
                made.oneof_decl.add(name=f"_{one.name}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool

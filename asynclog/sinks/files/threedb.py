"""3DB's layout: what a result's channels show, as images/<id>_<channel>.png, and segmentations as arrays.

A result is a record with "result_ix" among its fields and, in the same write, a tensor a channel; its id is the record's
message. Images of other runs are named by step and key.
"""

from dataclasses import replace
from typing import Any, Final, NamedTuple

from asynclog.encoding.media import file_of, npy
from asynclog.sink import Event
from asynclog.sinks.files.names import slug
from asynclog.sinks.naming import flat_name
from asynclog.values import Image, Tensor

FOLDER: Final = "images"
_CHANNELS: Final = "threedb/channels"
_SEGMENTATION: Final = "segmentation"


class Picture(NamedTuple):
    """stem: of the file's name."""

    stem: str
    suffix: str
    content: bytes


def result_id(event: Event) -> str | None:
    """The id of the result that a record tells of; None if it tells of none."""
    fields: Any = getattr(event.value, "fields", None)
    return event.value.message if event.kind == "record" and fields and "result_ix" in fields else None


def picture(event: Event, result: str | None, suffix: str) -> Picture | None:
    """The file of a channel, or of an image; None for what has no place in this layout. Raises what ``file_of`` does."""
    value, channel = event.value, event.kind == "tensor" and event.namespace.endswith(_CHANNELS)
    name = event.key if channel else flat_name(event.namespace, event.key)
    stem = f"{slug(result if channel and result is not None else str(event.step)) or event.step}_{slug(name)}"
    if isinstance(value, Image):
        if name.rpartition("/")[2] == _SEGMENTATION and not isinstance(value.data, tuple):
            return Picture(stem, ".npy", npy(value.data.squeeze()))
        return Picture(stem, suffix, file_of(replace(value, keep_resolution=True), suffix))
    if not channel or not isinstance(value, Tensor):
        return None
    shown = Image(value.canonical(), keep_resolution=True)
    if event.key == _SEGMENTATION or value.data.dtype.kind not in "fu" or shown.fault() is not None:
        array = value.canonical()
        return Picture(stem, ".npy", npy(array[0] if array.ndim == 3 and len(array) == 1 else array))
    return Picture(stem, suffix, file_of(shown, suffix))

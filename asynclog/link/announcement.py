"""The records of the control log: what the training process announces.

A record is a msgpack array that begins with its tag. Everything a frame needs is in it or referred to by it, so a consumer
makes the same frame from it every time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

from asynclog.errors import DamagedFrame
from asynclog.shm.slab import Ref


class Define(NamedTuple):
    """A SCHEMA frame: the columns of rows, or (schema 0) numbered series for SPARSE records."""

    seq: int
    time: int
    schema: int
    meta: bytes
    payload: bytes


class Rows(NamedTuple):
    """Rows (or SPARSE records, schema 0) that lie in ``ref``."""

    seq: int
    time: int
    schema: int
    rows: int
    meta: bytes
    ref: Ref


class Value(NamedTuple):
    """An event. seq: the EVENT frame's own; the ``parts`` numbers before it are its BLOBs'."""

    seq: int
    time: int
    meta: bytes
    ref: Ref | None
    parts: int


class End(NamedTuple):
    """The writer has nothing more to say. status: "finished", "failed", "exited"; or "killed", said by whoever noticed."""

    seq: int
    time: int
    status: str
    error: str | None


# One packer for all: each call of packb makes one, with a buffer of 256 KiB.
_pack: Callable[[Any], bytes] = msgpack.Packer(use_bin_type=True).pack
Announcement = Define | Rows | Value | End
_TYPES: "tuple[type[Define], type[Rows], type[Value], type[End]]" = (Define, Rows, Value, End)


def pack(announcement: Announcement) -> bytes:
    """An announcement as a control record."""
    return _pack([_TYPES.index(type(announcement)), *announcement])


def unpack(record: bytes) -> Announcement:
    """Raises DamagedFrame for anything but a record of ``pack``."""
    try:
        tag, *fields = msgpack.unpackb(record, raw=False)
        if tag in (1, 2):
            at = -1 if tag == 1 else 3
            fields[at] = None if fields[at] is None else Ref(*fields[at])
        made: Any = _TYPES[tag](*fields)
    except (ValueError, TypeError, IndexError, msgpack.UnpackException) as error:
        raise DamagedFrame(f"not a control record: {error!r}") from error
    return made  # type: ignore[no-any-return]

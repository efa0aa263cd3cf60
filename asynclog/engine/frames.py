"""From announcements to frames. The same announcement always gives the same frames, whoever makes them and however often."""

from collections.abc import Callable

import numpy as np

from asynclog.link import announcement as told
from asynclog.normal import histogram
from asynclog.shm.slab import Ref
from asynclog.values import Histogram
from asynclog.wire.event import ArraySpec, array_specs, payload_offsets
from asynclog.wire.frame import Buffer, Frame, pack_meta, unpack_meta
from asynclog.wire.layout import BLOB_PART_BYTES, Kind, padding

Lease = Callable[[Ref], memoryview]


def definition_frame(definition: told.Define) -> Frame:
    """The SCHEMA frame of a definition."""
    return Frame(
        Kind.SCHEMA,
        seq=definition.seq,
        time=definition.time,
        schema=definition.schema,
        meta_bytes=definition.meta,
        payload=definition.payload,
    )


def rows_frame(rows: told.Rows, lease: Lease) -> Frame:
    """A ROWS frame whose payload is the slab itself; a SPARSE one where the rows have no schema."""
    return Frame(
        Kind.ROWS if rows.schema else Kind.SPARSE,
        seq=rows.seq,
        time=rows.time,
        schema=rows.schema,
        count=rows.rows,
        meta_bytes=rows.meta,
        payload=lease(rows.ref),
    )


def event_frame(value: told.Value, lease: Lease) -> Frame:
    """The EVENT frame of a value, whole, however large. Samples are counted here, off the training process."""
    payload: Buffer = b"" if value.ref is None else lease(value.ref)
    meta_bytes = value.meta
    if not value.parts and b"histogram" in value.meta:
        meta_bytes, payload = _counted(value.meta, payload)
    return Frame(Kind.EVENT, seq=value.seq, time=value.time, meta_bytes=meta_bytes, payload=payload)


def in_parts(whole: Frame, parts: int) -> list[Frame]:
    """The same as it is written: the BLOBs of a large one, and then the EVENT that names them."""
    if not parts:
        return [whole]
    first = whole.seq - parts
    pieces = [whole.payload[part * BLOB_PART_BYTES : (part + 1) * BLOB_PART_BYTES] for part in range(parts)]
    blobs = [Frame(Kind.BLOB, seq=first + at, time=whole.time, payload=one) for at, one in enumerate(pieces)]
    meta = pack_meta({**unpack_meta(whole.meta_bytes), "parts": list(range(first, whole.seq))})
    return [*blobs, Frame(Kind.EVENT, seq=whole.seq, time=whole.time, meta_bytes=meta)]


def _counted(meta_bytes: bytes, payload: Buffer) -> tuple[bytes, Buffer]:
    meta = unpack_meta(meta_bytes)
    specs = array_specs(meta)
    if meta["kind"] != "histogram" or [one.name for one in specs] != ["data"]:
        return meta_bytes, payload
    (spec,) = specs
    counted = Histogram(*histogram.counted(np.frombuffer(payload, spec.dtype, spec.nbytes // np.dtype(spec.dtype).itemsize)))
    arrays = [ArraySpec(name, one.dtype.str, one.shape) for name, one in counted.arrays().items()]
    meta["params"] = counted.params()
    meta["arrays"] = [[one.name, one.dtype, list(one.shape)] for one in arrays]
    return pack_meta(meta), packed(list(counted.arrays().values()), arrays)


def packed(arrays: "list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]]", specs: list[ArraySpec]) -> bytes:
    """Arrays as one payload."""
    pieces = bytearray()
    for array, at in zip(arrays, payload_offsets(specs), strict=False):
        pieces += bytes(padding(len(pieces)))
        assert len(pieces) == at
        pieces += np.ascontiguousarray(array).tobytes()
    return bytes(pieces)

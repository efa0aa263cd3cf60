"""Frames made from plain values, in memory: what wire and flow are fed in tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from asynclog.values import Value
from asynclog.wire.event import ArraySpec, event_meta, payload_offsets, split
from asynclog.wire.frame import Frame, encode, joined, pack_meta
from asynclog.wire.layout import CHECKSUMS_AT, Kind
from asynclog.wire.schema import SPARSE_DUE, SPARSE_ELAPSED, SPARSE_HEAD, Schema, Series
from asynclog.wire.segment import Damage, Scanner
from asynclog.wire.stream import Record, StreamDecoder

NONCE = bytes(range(0xA0, 0xA8))
START_NS = 1_700_000_000_000_000_000
LOSS, ACCURACY = Series("train", "", "loss"), Series("train", "", "accuracy")
SEEN = Series("train", "data", "seen", "q")


def encoded(frame: Frame, nonce: bytes = NONCE) -> bytes:
    return joined(encode(frame, nonce))


def stream_of(frames: Sequence[Frame], nonce: bytes = NONCE) -> bytes:
    return b"".join(encoded(one, nonce) for one in frames)


def scanned(data: bytes, *, final: bool = True) -> list[Frame | Damage]:
    return list(Scanner().scan(data, final=final))


def decoded(frames: Sequence[Frame], decoder: StreamDecoder | None = None) -> list[Record]:
    """The records of frames, taken as they are."""
    decoder = decoder or StreamDecoder()
    return [record for one in frames if (record := decoder.feed(one)) is not None]


def heartbeat(seq: int = 0, time: int = START_NS) -> Frame:
    return Frame(Kind.HEARTBEAT, seq=seq, time=time)


def segment(seq: int = 0, **meta: Any) -> Frame:
    facts = {"format": 1, "run": "r", "writer": "main", "epoch": 0, "segment": 0, "routes": [], "always": -1}
    return Frame(Kind.SEGMENT, seq=seq, time=START_NS, meta_bytes=pack_meta(facts | meta))


def footer(seq: int, status: str = "finished") -> Frame:
    return Frame(Kind.FOOTER, seq=seq, time=START_NS, meta_bytes=pack_meta({"status": status}))


def rows(
    schema: Schema,
    values: Sequence[Sequence[float]],
    *,
    seq: int = 0,
    step: int = 0,
    times: Sequence[int] | None = None,
    prefixes: Sequence[Sequence[float]] | None = None,
    **meta: Any,
) -> Frame:
    """A ROWS frame. times: ns behind START_NS, by default 1, 2, 3 …; prefixes: due, elapsed, axes of each row."""
    given = list(times) if times is not None else list(range(1, len(values) + 1))
    before = prefixes or [()] * len(values)
    payload = b"".join(schema.struct.pack(step + at, *before[at], *row, START_NS + given[at]) for at, row in enumerate(values))
    return Frame(
        Kind.ROWS, seq=seq, time=START_NS + (given[-1] if given else 0), schema=schema.number, count=len(values),
        meta_bytes=pack_meta(meta), payload=payload,
    )  # fmt: skip


def sparse_record(
    step: int, time: int, numbers: Sequence[int], values: Sequence[float], *, due: int | None = None,
    elapsed: float | None = None,
) -> bytes:  # fmt: skip
    """One record. time: ns behind START_NS."""
    flags = (SPARSE_DUE if due is not None else 0) | (SPARSE_ELAPSED if elapsed is not None else 0)
    ids = np.asarray(numbers, "<u4").tobytes()
    data = SPARSE_HEAD.pack(step, len(numbers), flags)
    if due is not None:
        data += due.to_bytes(8, "little")
    if elapsed is not None:
        data += np.float64(elapsed).tobytes()
    data += ids + bytes(-len(ids) % 8) + np.asarray(values, "<f8").tobytes()
    return data + (START_NS + time).to_bytes(8, "little", signed=True)


def sparse(records: Sequence[bytes], *, seq: int = 0, **meta: Any) -> Frame:
    return Frame(Kind.SPARSE, seq=seq, time=START_NS, count=len(records), meta_bytes=pack_meta(meta), payload=b"".join(records))


def event(
    key: str,
    value: Value | float | str,
    *,
    seq: int = 0,
    step: int = 0,
    time: int = 1,
    phase: str = "train",
    namespace: str = "",
    due: int = -1,
    level: str = "batch",
    elapsed_s: float | None = None,
    axes: dict[str, float] | None = None,
    **further: Any,
) -> Frame:
    """An EVENT frame. time: ns behind START_NS."""
    if isinstance(value, Value):
        kind = value.kind
        params, arrays = split(value)
    else:
        kind = "string" if isinstance(value, str) else "scalar"
        params, arrays = {"text" if kind == "string" else "value": value}, {}
    specs = [ArraySpec(name, one.dtype.str, one.shape) for name, one in arrays.items()]
    offsets = payload_offsets(specs)
    payload = bytearray(offsets[-1])
    for at, array in zip(offsets, arrays.values(), strict=False):
        payload[at : at + array.nbytes] = array.tobytes()
    meta = event_meta(
        kind=kind, phase=phase, namespace=namespace, key=key, step=step, epoch=0, level=level, elapsed_s=elapsed_s,
        axes=axes or {}, due=due, params=params, arrays=specs,
    )  # fmt: skip
    return Frame(
        Kind.EVENT, seq=seq, time=START_NS + time, count=1, meta_bytes=pack_meta(meta | further), payload=bytes(payload)
    )


def forged(data: bytes, at: int, field: bytes) -> bytes:
    """A frame with some bytes of its header replaced and the header's checksum made to agree."""
    from asynclog.wire.frame import header_checksum

    head = bytearray(data[:64])
    head[at : at + len(field)] = field
    head[CHECKSUMS_AT : CHECKSUMS_AT + 4] = header_checksum(head).to_bytes(4, "little")
    return bytes(head) + data[64:]

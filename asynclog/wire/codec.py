"""Compression of a payload: zstd over a byte-shuffle. An extra; a reader without it says which.

Shuffling lays the first bytes of all items side by side, then the second bytes, and so on: neighbours then look alike.
Rows are shuffled by their whole stride, so that each byte of each column has a run of its own.
"""

import numpy as np

from asynclog.errors import DamagedFrame
from asynclog.wire.frame import Buffer, Frame
from asynclog.wire.layout import MAX_PAYLOAD_BYTES, Flag, Kind

_LEVEL = 1
# Below this the codec's own header outweighs what it saves.
_SMALLEST = 256


def shuffled(data: Buffer, stride: int) -> bytes:
    """Bytes of items of ``stride`` bytes, regrouped by their position within the item."""
    return np.frombuffer(data, np.uint8).reshape(-1, stride).T.tobytes()


def unshuffled(data: Buffer, stride: int) -> bytes:
    """The inverse of ``shuffled``."""
    return np.frombuffer(data, np.uint8).reshape(stride, -1).T.tobytes()


def compressed(frame: Frame) -> Frame:
    """The frame with its payload compressed, or the frame itself where that saves nothing."""
    import zstandard

    if len(frame.payload) < _SMALLEST or frame.flags & Flag.ZSTD:
        return frame
    flags, payload = Flag.ZSTD, frame.payload
    if frame.kind == Kind.ROWS and frame.count:
        payload, flags = shuffled(payload, len(payload) // frame.count), Flag.ZSTD | Flag.SHUFFLE
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(payload)
    if len(packed) >= len(frame.payload):
        return frame
    return Frame(
        frame.kind,
        seq=frame.seq,
        time=frame.time,
        schema=frame.schema,
        count=frame.count,
        flags=frame.flags | flags,
        meta_bytes=frame.meta_bytes,
        payload=packed,
        raw_length=len(frame.payload),
    )


def raw_payload(frame: Frame) -> memoryview:
    """The payload as it was before compression. Raises DamagedFrame, or ImportError naming the extra."""
    if not frame.flags & Flag.ZSTD:
        return memoryview(frame.payload)
    try:
        import zstandard
    except ImportError as error:
        raise ImportError("this run is compressed; reading it needs the extra: pip install 'asynclog-stream[zstd]'") from error
    if frame.raw_length > MAX_PAYLOAD_BYTES:
        raise DamagedFrame(f"claims {frame.raw_length} bytes uncompressed")
    try:
        # zstd takes the memory that its own header asks for, whatever limit it is given: ask first.
        if zstandard.frame_content_size(frame.payload) not in (-1, frame.raw_length):
            raise DamagedFrame(f"zstd promises other than {frame.raw_length} bytes")
        raw = zstandard.ZstdDecompressor().decompress(frame.payload, max_output_size=frame.raw_length)
    except zstandard.ZstdError as error:
        raise DamagedFrame(f"zstd: {error}") from error
    if len(raw) != frame.raw_length:
        raise DamagedFrame(f"{len(raw)} bytes uncompressed, {frame.raw_length} expected")
    if frame.flags & Flag.SHUFFLE:
        if not frame.count or len(raw) % frame.count:
            raise DamagedFrame("shuffled payload that its count does not divide")
        raw = unshuffled(raw, len(raw) // frame.count)
    return memoryview(raw)

"""What is left of a segment's end that the disk refused to sync: frames whose checksums still hold, and the gaps between."""

from asynclog.wire.codec import raw_payload
from asynclog.wire.frame import Frame
from asynclog.wire.layout import NUMBERED, Flag
from asynclog.wire.segment import Scanner


def frames_in(data: bytes, start: int, nonce: bytes) -> list[Frame]:
    """The numbered frames of a segment's bytes from ``start`` on that can be read, to be written once more."""
    found = Scanner(start, nonce).scan(data, final=True)
    return [_uncompressed(one) for one in found if isinstance(one, Frame) and one.kind in NUMBERED]


def _uncompressed(frame: Frame) -> Frame:
    """The frame as it was added, to be written (and compressed) once more."""
    return Frame(
        frame.kind,
        seq=frame.seq,
        time=frame.time,
        schema=frame.schema,
        count=frame.count,
        flags=frame.flags & ~(Flag.ZSTD | Flag.SHUFFLE),
        meta_bytes=frame.meta_bytes,
        payload=raw_payload(frame),
    )


def spans(numbers: set[int]) -> list[tuple[int, int]]:
    """(first, last) of each run of consecutive numbers."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found

"""Where the epochs of a stream went back to, as their first frames say."""

from collections.abc import Mapping
from pathlib import Path

from asynclog.engine.rundir import segments
from asynclog.errors import DamagedFrame
from asynclog.wire.frame import Header, decode
from asynclog.wire.layout import HEADER_BYTES, Kind
from asynclog.wire.rewind import Steps, lowest, steps_told


def rewinds(stream: Path) -> dict[int, Steps]:
    """By epoch, of those that began with a rewind; one whose first frame isn't there yet, or can't be read, says nothing."""
    found: dict[int, Steps] = {}
    for epoch, _, path in segments(stream):
        if epoch not in found:
            steps = began_with(path)
            if steps is not None:
                found[epoch] = steps
    return {epoch: steps for epoch, steps in found.items() if steps}


def began_with(segment: Path) -> Steps | None:
    """What a segment says of the rewind that its epoch began with: nothing for none; None if it doesn't say anything yet."""
    with segment.open("rb") as file:
        try:
            head = file.read(HEADER_BYTES)
            header = Header(head)
            frame = decode(header, head + file.read(header.length - HEADER_BYTES))
            return steps_told(frame.meta) if frame.kind == Kind.SEGMENT else None
        except DamagedFrame:
            return None


def since(epoch: int, rewinds: Mapping[int, Steps]) -> Steps | None:
    """What of what was delivered up to this epoch still holds after the rewinds of later ones; None if none came."""
    return lowest(steps for later, steps in rewinds.items() if later > epoch) or None

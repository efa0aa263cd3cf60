"""What travels comes back as it was; anything else is refused as damage."""

import msgpack
import pytest

from asynclog.errors import DamagedFrame
from asynclog.link import announcement
from asynclog.link.announcement import Announcement, Define, End, Rows, Value
from asynclog.link.messages import (
    TYPES,
    Ack,
    Doorbell,
    Finished,
    Flush,
    Flushed,
    Gone,
    Hold,
    Lines,
    Message,
    Moved,
    Pressure,
    Ready,
    Release,
    Report,
    Said,
    Sample,
    Sampled,
    Skipped,
    Slab,
    Stock,
    Tap,
    Trouble,
    Unflush,
    Untap,
    Untapped,
    decode,
    encode,
)
from asynclog.shm.slab import Ref

MESSAGES: list[Message] = [
    Slab(3, 2, 1 << 40),
    Gone(3),
    Doorbell(2**63),
    Flush(1, 77),
    Pressure(),
    Ready(123),
    Ack(2**40),
    Release([(1, 2, 3), (4, 5, 6)]),
    Hold("sink", True),
    Flushed(1, {"sink": 4}, None),
    Report({"routes": {"sink": {"offered": 1}}, "seq": 5, 7: None}),
    Trouble("", "the disk — full", False),
    Finished({}),
    Unflush(1),
    Skipped(7),
    Said("wandb", 30, "wandb.sdk", "it is slow"),
    Stock({"slabs": 3}),
    Tap("stdout", 2**40, 3, 4, "strip"),
    Untap("stdout", 2**40),
    Lines("stdout", [["a line", 7], ["", 8]]),  # type: ignore[list-item]  # a tuple comes back as a list
    Untapped("stdout"),
    Moved("stdout"),
    Sample(10.0, 123, "runs/x"),
    Sampled({"cpu/percent": 3.5}),
]
ANNOUNCEMENTS: list[Announcement] = [
    Define(5, 0, 2, b"meta", b"payload"),
    Rows(6, -1, 2, 100, b"", Ref(1, 2, 64, 4800)),
    Value(9, 2**62, b"meta", Ref(1, 2, 64, 4800), 2),
    Value(9, 2**62, b"meta", None, 0),
    End(10, 7, "failed", "Traceback …"),
    End(10, 7, "finished", None),
]


def test_every_type_of_message_is_examined() -> None:
    assert [type(one) for one in MESSAGES] == list(TYPES)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_messages_come_back_as_they_were(message: Message) -> None:
    arrived = decode(encode(message))
    assert type(arrived) is type(message)
    # msgpack has no tuples: pieces come as lists of three.
    assert arrived == message or arrived == Release([[1, 2, 3], [4, 5, 6]])  # type: ignore[list-item]


@pytest.mark.parametrize("one", ANNOUNCEMENTS, ids=lambda one: type(one).__name__)
def test_announcements_come_back_as_they_were(one: Announcement) -> None:
    arrived = announcement.unpack(announcement.pack(one))
    assert type(arrived) is type(one)
    assert arrived == one
    assert not isinstance(arrived, Rows) or isinstance(arrived.ref, Ref)


JUNK = [
    b"",
    b"\xc1",
    msgpack.packb([]),
    msgpack.packb(7),
    msgpack.packb([99, 1]),
    msgpack.packb(["x", 1]),
    msgpack.packb([2, 1, 2, 3, 4, 5, 6, 7]),
    msgpack.packb([1]),
    encode(Gone(1)) + b"more",
    encode(Gone(1))[:-1],
]


@pytest.mark.parametrize("data", JUNK)
def test_what_is_no_message_is_damage(data: bytes) -> None:
    with pytest.raises(DamagedFrame, match="not a message"):
        decode(data)


@pytest.mark.parametrize("data", [*JUNK, msgpack.packb([1, 1, 2, 3, 4, b"", [1, 2]])])
def test_what_is_no_announcement_is_damage(data: bytes) -> None:
    with pytest.raises(DamagedFrame, match="not a control record"):
        announcement.unpack(data)

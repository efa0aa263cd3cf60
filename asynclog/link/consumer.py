"""The consumer's end of the link: what was announced, in order, as announcements; leases on the memory they refer to; and,
after the writer's death, what it had committed but not announced.

It only reads shared memory. What it sends is Ack (never announce this to a successor) and Release (this piece may be
overwritten), both gathered over a turn.
"""

from collections import Counter, deque
from collections.abc import Iterator
from functools import partial
from typing import Final

from asynclog.link import announcement as told
from asynclog.link.announcement import Announcement
from asynclog.link.channel import Channel, SocketChannel
from asynclog.link.messages import Ack, Doorbell, Flush, Gone, Message, Release, Slab
from asynclog.shm.control import ControlReader
from asynclog.shm.lease import Lease
from asynclog.shm.memory import Mapping
from asynclog.shm.rows import recover
from asynclog.shm.slab import Ref, Role
from asynclog.state import LEVELS
from asynclog.wire.frame import pack_meta
from asynclog.wire.schema import sparse_records

RELEASES_A_MESSAGE: Final = 4096


class Consumer:
    """position, next_seq: where a successor goes on, or 0 and 0. skip: a position whose record is left out, because it
    headed two deaths."""

    def __init__(self, channel: Channel, *, position: int = 0, next_seq: int = 0) -> None:
        self.channel = channel
        self.next_seq = next_seq
        self.last_time = 0
        self.ended = False
        self._target = position
        self._control = ControlReader(position)
        self._slabs: dict[int, tuple[Role, Mapping]] = {}
        self._announced: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self._returned: deque[Ref] = deque()
        self._acked = position
        self._owns_descriptors = isinstance(channel, SocketChannel)
        self._most_acked: int | None = None

    @property
    def position(self) -> int:
        return self._control.position

    @property
    def behind(self) -> bool:
        """Whether something was announced that has not been read yet."""
        return self._control.position < self._target

    def receive(self) -> list[Message]:
        """Take in what the writer sent; gives back what is not the link's own business."""
        rest: list[Message] = []
        for message, mapping in self.channel.receive():
            if isinstance(message, Slab):
                assert mapping is not None
                self._slabs[message.number] = (Role(message.role), mapping)
                if message.role != Role.ARRAYS and self._owns_descriptors:
                    # Of the others nothing is passed on.
                    mapping.close()
                if message.role == Role.CONTROL:
                    self._control.add(message.number, mapping.view)
            elif isinstance(message, Gone):
                gone = self._slabs.pop(message.number, None)
                if gone is not None and self._owns_descriptors:
                    gone[1].close()
                self._control.forget(message.number)
            elif isinstance(message, Doorbell):
                self._target = max(self._target, message.position)
            else:
                if isinstance(message, Flush):
                    self._target = max(self._target, message.position)
                rest.append(message)
        return rest

    def take(self, most_bytes: int) -> Iterator[Announcement]:
        """The next announcements, about ``most_bytes`` of data at the most."""
        taken = 0
        before = self._control.position
        for position, record in self._control.read(self._target):
            announcement = told.unpack(record)
            if isinstance(announcement, told.End):
                # Never acknowledged: a successor must be told of the end again, or it would wait for it for ever.
                self._most_acked = before
            before = position
            self._note(announcement)
            yield announcement
            taken += len(record)
            if isinstance(announcement, told.Rows | told.Value) and announcement.ref is not None:
                taken += announcement.ref.nbytes
            if taken >= most_bytes:
                return

    def _note(self, announcement: Announcement) -> None:
        self.last_time = max(self.last_time, announcement.time)
        if isinstance(announcement, told.Rows):
            ref = announcement.ref
            ranges = self._announced.get((ref.slab, ref.generation))
            if ranges is None:
                # Ranges of older generations can never be asked for again.
                for key in [one for one in self._announced if one[0] == ref.slab]:
                    del self._announced[key]
                ranges = self._announced[ref.slab, ref.generation] = []
            ranges.append((ref.offset, ref.offset + ref.nbytes))
        if isinstance(announcement, told.Rows | told.Value):
            self.next_seq = max(self.next_seq, announcement.seq + 1)
        if isinstance(announcement, told.End):
            self.ended = True

    def lease(self, ref: Ref) -> memoryview:
        """The bytes of ``ref``, read-only; they are given back when the last view of them is gone."""
        _, mapping = self._slabs[ref.slab]
        return memoryview(Lease(mapping, ref, self._returned.append).array())  # type: ignore[arg-type]

    def holds(self, ref: Ref | None) -> bool:
        """Whether the memory of ``ref``, if any, was passed on."""
        return ref is None or ref.slab in self._slabs

    def step_of(self, rows: told.Rows) -> int | None:
        """After the writer's death: the step of the last of some rows; None if their memory has been used again."""
        if rows.ref.slab not in self._slabs:
            return None
        view, end = self._slabs[rows.ref.slab][1].view, rows.ref.offset + rows.ref.nbytes
        if int.from_bytes(view[end - 8 : end], "little", signed=True) != rows.time:
            return None
        if rows.schema:
            at = end - rows.ref.nbytes // rows.rows
            return int.from_bytes(view[at : at + 8], "little", signed=True)
        return sparse_records(view[rows.ref.offset : end])[-1].step

    def log_is_cut(self) -> bool:
        """After the writer's death: whether it told of more, in memory that was never passed on."""
        return self._control.cut()

    def writer_died(self) -> None:
        """From now on, what memory holds counts, not what was announced."""
        self._target = max(self._target, self._control.committed())

    def recover(self) -> Iterator[told.Rows]:
        """Rows that were committed to memory and never announced. To be called when nothing announced is left."""
        for number, (role, mapping) in self._slabs.items():
            if role is not Role.ROWS:
                continue
            view = mapping.view
            for found in recover(view, partial(self._told, number, view)):
                meta = {"epoch": found.epoch, "level": LEVELS[found.level]}
                plain = not found.epoch and LEVELS[found.level] == "batch"
                yield told.Rows(
                    self.next_seq,
                    found.last_time,
                    found.schema,
                    found.rows,
                    b"" if plain else pack_meta(meta),
                    Ref(number, found.generation, found.offset, found.nbytes),
                )
                self.next_seq += 1
                self.last_time = max(self.last_time, found.last_time)

    def _told(self, slab: int, view: memoryview, generation: int, block: int) -> int:
        size = int.from_bytes(view[block + 12 : block + 16], "little")
        ranges = self._announced.get((slab, generation), ())
        return max((end for start, end in ranges if block <= start < block + size), default=0)

    def send(self, message: Message) -> None:
        """From any thread: a sink's own tells of its troubles."""
        self.channel.send(message)

    def flush(self) -> bool:
        """Send what waits; True if nothing waits any more."""
        return self.channel.flush()

    def close(self) -> None:
        """Nothing is sent any more; whoever still tries does nothing."""
        self.channel.close()
        if self._owns_descriptors:
            for _, mapping in self._slabs.values():
                mapping.close()

    def ack(self) -> None:
        """Tell how far the log was taken, and which pieces nobody looks at any more: in one go, since each time the writer's
        link thread wakes costs the loop a switch of the GIL."""
        messages: list[Message] = []
        position = self._control.position if self._most_acked is None else self._most_acked
        if position > self._acked:
            self._acked = position
            messages.append(Ack(self._acked))
        pieces: Counter[tuple[int, int]] = Counter()
        while self._returned:
            ref = self._returned.popleft()
            pieces[ref.slab, ref.generation] += 1
            if len(pieces) >= RELEASES_A_MESSAGE:
                break
        if pieces:
            messages.append(Release([(slab, generation, count) for (slab, generation), count in pieces.items()]))
        if messages:
            self.channel.send_all(messages)

"""One event file: what is in it already, and what is added to it, each once.

Delivery is at least once. What a crash left half written is cut off on opening; the last records before it are remembered,
and those that are delivered again are recognised by their bytes, which hold tag, step, time and value.
"""

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from asynclog.sinks.growing import GrowingFile
from asynclog.sinks.tensorboard.protobuf import fields
from asynclog.sinks.tensorboard.scalars import constant_of_scalar
from asynclog.sinks.tensorboard.shown import IN_SPACE, SUFFIXES
from asynclog.sinks.tensorboard.summaries import OURS, first_record, purge_record
from asynclog.sinks.tensorboard.tags import Owner, Tags
from asynclog.sinks.tensorboard.tfrecord import HEAD, TAIL, is_sound, records

REPEATS_BYTES: Final = 16 << 20
"""How far back it remembers: a crash may lose the cursor's last moves, a few batches of 4 MiB at the most."""
_STEP, _SUMMARY, _VALUE = 2, 5, 1
_TAG, _METADATA = 1, 9


class EventFile(GrowingFile):
    """``begin``, ``add``, ``accept``, as a file that grows by whole batches. tags: of its directory."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.tags = Tags()
        self._repeats: frozenset[bytes] = frozenset()

    async def start(self, time: float, *, resumed: bool, then: Iterable[bytes] = ()) -> None:
        """Open; of a new file write what it begins with. time: of its first event. then: records to follow."""
        await self.open(self._survey if resumed else None)
        if not self.accepted:
            await self.append(b"".join([first_record(time), *then]))
            self.accept()

    async def add(self, data: bytes) -> None:
        """Whole records, without those that an earlier epoch has written."""
        if data:
            await self.append(self._once(data) if self._repeats else data)

    async def go_back(self, time: float, last: int) -> None:
        """Have readers forget what is here at steps beyond ``last``. What comes again from there on is new."""
        await self.begin()
        await self.append(purge_record(time, last + 1))
        self.accept()
        self._repeats = frozenset(one for one in self._repeats if _step_of(one) <= last)

    def _once(self, data: bytes) -> bytes:
        view = memoryview(data)
        new = [one for one in (bytes(view[start:end]) for start, end in records(view)) if one not in self._repeats]
        size = sum(map(len, new))
        if size == len(data):
            # What comes again comes first.
            self._repeats = frozenset()
        return b"".join(new)

    def _survey(self, old: BinaryIO) -> int:
        """Where the last whole record ends."""
        size = old.seek(0, 2)
        if not size:
            return 0
        with mmap.mmap(old.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as file:
            return self._surveyed(file)

    def _surveyed(self, file: memoryview) -> int:
        known: set[bytes] = set()
        recent: list[bytes] = []
        start = end = 0
        for start, end in records(file):
            constant = constant_of_scalar(file[start:end])
            if constant is None or constant not in known:
                self._learn(file[start + HEAD.size : end - TAIL.size])
            if constant is not None:
                known.add(constant)
            if end > len(file) - REPEATS_BYTES:
                recent.append(bytes(file[start:end]))
        if end and not is_sound(file, start, end):
            recent.pop()
            end = start
        self._repeats = frozenset(recent)
        return end

    def _learn(self, event: memoryview) -> None:
        """Whose tags these are."""
        for field, summary in fields(event):
            if field == _SUMMARY and isinstance(summary, memoryview):
                for inner, value in fields(summary):
                    if inner == _VALUE and isinstance(value, memoryview):
                        self._learn_value(dict(fields(value)))

    def _learn_value(self, value: "dict[int, int | memoryview]") -> None:
        tag = _text(value.get(_TAG))
        metadata = value.get(_METADATA)
        if not isinstance(metadata, memoryview):
            self.tags.learn(tag, "", Owner("scalar", tag))
            return
        ours = _text(dict(fields(metadata)).get(OURS))
        form, _, series = ours.partition("\0")
        suffix = next((one for one in SUFFIXES if form in IN_SPACE and tag.endswith(one)), "")
        self.tags.learn(tag.removesuffix(suffix), suffix, Owner(form, series))


def _step_of(record: bytes) -> int:
    step = dict(fields(memoryview(record)[HEAD.size : -TAIL.size])).get(_STEP, 0)
    assert isinstance(step, int)
    return step - (1 << 64) if step >= 1 << 63 else step


def _text(data: "int | memoryview | None") -> str:
    return bytes(data).decode() if isinstance(data, memoryview) else ""

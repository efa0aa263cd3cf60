"""One .rrd file: begun, grown by whole batches, ended; and one that a crash left without its end.

The SDK can write a file by itself, but says nobody of a full disk: a flush then waits for ever, and so does the end. So it
writes into memory, and what it made of a batch goes to the file from there. It makes a whole recording each time: a header of
12 bytes, then messages, each of kind and length, 8 bytes each, little-endian, and so many bytes; kind 1 says which recording
this is, and kind 0 is its end, with an index. Of all but the first only what is between goes to the file. The file gets its
end, with the index of all, when it is finished.
"""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Any, Final

from asynclog.sinks.batch_file import BatchFile

_HEADER: Final = 12
_MESSAGE: Final = Struct("<QQ")
_END, _WHICH = 0, 1
APPLICATION: Final = "asynclog"


class Recording:
    """A file that is being written."""

    def __init__(self, path: Path, recording_id: str) -> None:
        import rerun as rr

        self._path, self._id = path, recording_id
        self.stream = rr.RecordingStream(APPLICATION, recording_id=recording_id)
        self.stream.set_log_time_enabled(False)
        self.stream.set_log_tick_enabled(False)
        self._memory = rr.binary_stream(self.stream)
        self._file = BatchFile(path)

    def complete_batch(self) -> None:
        """What was logged is a batch."""
        self._file.write(_between(self._memory.read() or b"", first=not self._file.tell()))

    def accept(self) -> None:
        """It is in the file. Raises OSError."""
        self._file.accept()

    def sync(self) -> None:
        """Return when it is on the disk."""
        self._file.sync()

    def finish(self) -> None:
        """The end, with the index."""
        self.stream.disconnect()
        self._file.accept()
        self._file.close()
        complete(self._path, self._id)


def _between(made: bytes, *, first: bool) -> bytes:
    """The messages of a recording that go on in the file."""
    found, at = [made[:_HEADER]] if first else [], _HEADER
    while at + _MESSAGE.size <= len(made):
        kind, length = _MESSAGE.unpack_from(made, at)
        if kind == _END:
            break
        if first or kind != _WHICH:
            found.append(made[at : at + _MESSAGE.size + length])
        at += _MESSAGE.size + length
    return b"".join(found)


def complete(path: Path, recording_id: str) -> None:
    """Give a file its end; what was being written at a crash is cut off. Its time stays. One with nothing in it is removed."""
    length, ended = _whole(path)
    if ended:
        return
    if length <= _HEADER:
        path.unlink()
        return
    at = path.stat().st_mtime_ns
    os.truncate(path, length)
    draft = path.with_name(f".{path.name}.part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has no end is why we are here
        reader().RrdReader(path).stream().write_rrd(draft, application_id=APPLICATION, recording_id=recording_id)
    os.replace(draft, path)
    os.utime(path, ns=(at, at))


def chunks(path: Path) -> Iterator[Any]:
    """What a file holds: (entity, a batch of Arrow) each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a file that is being written has no end
        for one in reader().RrdReader(path).stream() if _whole(path)[0] > _HEADER else ():
            yield one.entity_path, one.to_record_batch()


def identities(path: Path) -> Iterator[tuple[Any, ...]]:
    """What names each value in a file: (entity, time_ns, CRC of its content); 0 for a number's."""
    for entity, batch in chunks(path):
        names = batch.schema.names
        if "time" not in names:
            continue
        times = batch.column("time").cast("int64").to_pylist()
        if "Scalars:scalars" in names:
            yield from ((entity, time, 0) for time in times)
        if "asynclog:crc32c" in names:
            sums = batch.column("asynclog:crc32c").to_pylist()
            yield from ((entity, time, one[0]) for time, one in zip(times, sums, strict=True) if one)


def last_time_ns(path: Path) -> int:
    """When the file was last written, which no value in it is later than."""
    return path.stat().st_mtime_ns


def reader() -> Any:
    """The SDK's module of readers."""
    import rerun.chunk

    return rerun.chunk


def _whole(path: Path) -> tuple[int, bool]:
    """(length of the whole messages with their header, whether the last is the end)."""
    with path.open("rb") as file:
        size, at = file.seek(0, 2), _HEADER
        while at + _MESSAGE.size <= size:
            file.seek(at)
            kind, length = _MESSAGE.unpack(file.read(_MESSAGE.size))
            if at + _MESSAGE.size + length > size:
                break
            at += _MESSAGE.size + length
            if kind == _END:
                return size, True
        return min(at, size), False

"""One .rrd file: begun, grown by whole batches, ended; and one that a crash left without its end.

The SDK writes from a thread of its own, and says of a full disk only that a flush didn't succeed; its file is then of no use
any more. So the file is cut to what was accepted, and the batch that comes again begins a next one.

A file is a header of 12 bytes, then messages: kind and length, 8 bytes each, little-endian, and so many bytes. Kind 0 is the
last, with the index of all others.
"""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Any, Final

_HEADER: Final = 12
_MESSAGE: Final = Struct("<QQ")
_END: Final = 0
APPLICATION: Final = "asynclog"


class Recording:
    """A file that is being written."""

    def __init__(self, path: Path, recording_id: str) -> None:
        import rerun as rr

        self.path = path
        self.stream = rr.RecordingStream(APPLICATION, recording_id=recording_id)
        self.stream.set_log_time_enabled(False)
        self.stream.set_log_tick_enabled(False)
        self.stream.save(path)
        self._accepted = 0

    def accept(self) -> None:
        """What was logged is in the file. Raises OSError: then this recording is over, and the file as it was before."""
        try:
            self.stream.flush()
        except RuntimeError as error:
            self.stream.disconnect()
            os.truncate(self.path, self._accepted)
            raise OSError(f"{self.path}: {error}") from error
        self._accepted = self.path.stat().st_size

    def sync(self) -> None:
        """Return when it is on the disk."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def finish(self) -> None:
        """The end, with the index."""
        self.stream.disconnect()


def complete(path: Path, recording_id: str) -> None:
    """Give a file that a crash left its end; what was being written then is cut off. Its time stays."""
    length, ended = _whole(path)
    if ended:
        return
    at = path.stat().st_mtime_ns
    os.truncate(path, length)
    if length > _HEADER:
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

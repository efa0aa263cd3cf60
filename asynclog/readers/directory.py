"""A run's directory: which streams lie in it, in which segments, and whether somebody still writes them.

What is found there is not trusted: only regular files whose names a journal gives are opened, so that a pipe, a device
or a link to one can't hang or mislead a reader.
"""

import json
import mmap
import os
import re
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from asynclog.errors import DamagedFrame, RunNotFound
from asynclog.wire.frame import Header
from asynclog.wire.layout import ALIGNMENT, HEADER_BYTES, Kind

if sys.platform != "win32":
    import fcntl

_SEGMENT_NAME: Final = re.compile(r"(\d{4,9})-(\d{6,12})\.alog")
_MOST_FACTS_BYTES: Final = 1 << 20
# Below this a read is quicker than a mapping, which costs a file descriptor as long as a view of it lives.
_MAP_ABOVE: Final = 256 << 10
# A footer's meta holds a status and an error's text; one that lies farther back is found by the scan all the same.
_TAIL_BYTES: Final = 16 << 10


class StreamName(NamedTuple):
    """One process's recording: a writer, and how often it had begun before."""

    writer: str
    epoch: int


class SegmentFile(NamedTuple):
    """One file of a stream, and its place among them."""

    path: Path
    number: int


def run_directory(path: "str | os.PathLike[str]") -> Path:
    """The directory of a run, from its path. Raises RunNotFound, naming the runs below it if there are any."""
    found = Path(path)
    if (found / "streams").is_dir() or (found / "run.json").is_file():
        return found
    if not found.exists():
        raise RunNotFound(f"there is no {found}")
    if not found.is_dir():
        raise RunNotFound(f"{found} is a file, not a run's directory")
    below = sorted(one.parent.name for one in found.glob("*/run.json"))
    hint = f"; below it lie {', '.join(below[:5])}{', …' if len(below) > 5 else ''}" if below else ""
    raise RunNotFound(f"{found} holds no run{hint}")


def facts(run: Path) -> dict[str, Any]:
    """What run.json says; nothing where it is missing, too long or no JSON object."""
    path = run / "run.json"
    if not path.is_file() or path.stat().st_size > _MOST_FACTS_BYTES:
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def streams(run: Path) -> dict[StreamName, list[SegmentFile]]:
    """The segments of every stream, oldest first; streams by writer, then epoch."""
    found: dict[StreamName, list[SegmentFile]] = {}
    base = run / "streams"
    if not base.is_dir():
        return found
    for writer in sorted(one for one in base.iterdir() if one.is_dir()):
        with os.scandir(writer) as entries:
            for entry in entries:
                name = _SEGMENT_NAME.fullmatch(entry.name)
                if name is not None and entry.is_file(follow_symlinks=False):
                    stream = StreamName(writer.name, int(name[1]))
                    found.setdefault(stream, []).append(SegmentFile(Path(entry.path), int(name[2])))
    return {stream: sorted(found[stream], key=lambda one: one.number) for stream in sorted(found)}


class Listed(NamedTuple):
    """The streams of a run, and which of them may still grow."""

    files: dict[StreamName, list[SegmentFile]]
    growing: frozenset[StreamName]


def listed(run: Path) -> Listed:
    """The streams, and of each writer the newest if a process holds the writer's lock.

    Locks are asked first, then files are listed, then read: each is complete as of the one before it, so whoever finds a
    lock free has seen everything that will come. An epoch that begins in between was claimed by somebody: it grows.
    """
    before = streams(run)
    written = {writer for writer in {name.writer for name in before} if is_written(run, writer)}
    found = streams(run)
    return Listed(found, growing(before, written, found))


def growing(before: Collection[StreamName], written: Collection[str], found: Iterable[StreamName]) -> frozenset[StreamName]:
    """Of the streams found, in order, those that may grow. before: those there were; written: whose locks were held then."""
    newest = {name.writer: name for name in found}
    return frozenset(one for one in newest.values() if one.writer in written or one not in before)


def is_written(run: Path, writer: str) -> bool:
    """Whether a live process of this machine, the writer's or its recorder, holds the writer's lock.

    The question takes the shared lock for a moment, so a writer that starts just now must try twice.
    """
    if sys.platform == "win32":
        return False
    try:
        descriptor = os.open(run / "streams" / writer / "lock", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def segment_bytes(path: Path, *, growing: bool) -> memoryview:
    """A segment's bytes, mapped where that is safe. A file that may still be cut back is copied: touching a mapped page
    that lies behind a file's end kills the process."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _MAP_ABOVE or (growing and not _ends_in_footer(file.fileno(), size)):
            return memoryview(file.read(size))
        if sys.version_info >= (3, 13):
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ, trackfd=False))
        return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))


def _ends_in_footer(descriptor: int, size: int) -> bool:
    if size % ALIGNMENT:
        return False
    start = max(size - _TAIL_BYTES, 0)
    tail = os.pread(descriptor, size - start, start)
    for at in range(len(tail) - HEADER_BYTES, -1, -ALIGNMENT):
        try:
            header = Header(tail[at : at + HEADER_BYTES])
        except DamagedFrame:
            continue
        return header.kind == Kind.FOOTER and at + header.length == len(tail)
    return False

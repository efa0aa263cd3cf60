"""What a path holds that is to be kept: a file, or the files of a directory and of those below it.

Links are followed, as a copy of a directory of links to checkpoints is worth nothing. What isn't a file would hang its reader,
or has no end: it is refused by name, before anything is copied.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from asynclog.errors import InvalidValue

_WORDS: Final = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a directory"),
)


class SourceFile(NamedTuple):
    """A file that is to be copied. path: below the directory, with "/"; "" for a file that is the whole."""

    path: str
    where: str
    size_bytes: int


class Found(NamedTuple):
    """directory: whether it is one; empty directories in it aren't kept."""

    directory: bool
    files: list[SourceFile]

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.files)


def found_at(path: Path) -> Found:
    """Raises InvalidValue for what can't be kept, and OSError."""
    about = os.stat(path)
    if stat.S_ISDIR(about.st_mode):
        return Found(True, sorted(_below(os.fspath(path), "", ())))
    if not stat.S_ISREG(about.st_mode):
        raise not_a_file(os.fspath(path), about)
    return Found(False, [SourceFile("", os.fspath(path), about.st_size)])


def _below(directory: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[SourceFile]:
    about = os.stat(directory)
    this = (about.st_dev, about.st_ino)
    if this in above:
        raise InvalidValue(kind="artifact", expected="a directory that ends", got=f"{directory!r}, which leads back up")
    with os.scandir(directory) as entries:
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if not entry.name.isprintable():
                raise InvalidValue(kind="artifact", expected="files whose names can be read", got=repr(path))
            found = entry.stat()
            if stat.S_ISDIR(found.st_mode):
                yield from _below(entry.path, f"{path}/", (*above, this))
            elif stat.S_ISREG(found.st_mode):
                yield SourceFile(path, entry.path, found.st_size)
            else:
                raise not_a_file(entry.path, found)


def not_a_file(path: str, about: os.stat_result) -> InvalidValue:
    """What is said of a pipe, say."""
    what = next((words for is_one, words in _WORDS if is_one(about.st_mode)), "something else")
    return InvalidValue(kind="artifact", expected="a file, or a directory of files", got=f"{path!r}, which is {what}")

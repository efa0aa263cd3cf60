"""A run's directory: what lies where, and who may write it. Runs have no coordinator: every file has one owner.

run.json                               written once, by whoever came first
streams/<writer>/lock                  flocked by the writer's process and its recorder
streams/<writer>/<epoch>-<n>.alog      segments; an epoch is claimed by creating its first, which must not exist
cursors/<route>/<writer>.json          renamed into place by the route's owner
recorder.log                           what the recorder process printed, if anything
"""

import contextlib
import fcntl
import json
import os
import platform
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from asynclog.errors import RunInUse, RunUnwritable

FORMAT: Final = 1
SEGMENT_NAME: Final = re.compile(r"(\d{4,})-(\d{6,})\.alog")
_PATIENCE_S: Final = 10.0
_GLANCE_S: Final = 0.1
"""A reader that asks whether a stream is alive holds its lock for a few microseconds."""


def segment_name(epoch: int, number: int) -> str:
    """The file name of an epoch's n-th segment."""
    return f"{epoch:04d}-{number:06d}.alog"


def segments(stream: Path) -> list[tuple[int, int, Path]]:
    """(epoch, number, path) of a stream's segments, in order. A link or a pipe is none, as in readers: whoever opens a pipe may
    wait for ever."""
    found = ((epoch, number, Path(one.path)) for epoch, number, one in _named(stream) if one.is_file(follow_symlinks=False))
    return sorted(found)


def _named(stream: Path) -> Iterator[tuple[int, int, os.DirEntry[str]]]:
    """Whatever has a segment's name."""
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(stream):
            if match := SEGMENT_NAME.fullmatch(entry.name):
                yield int(match[1]), int(match[2]), entry


def open_run(directory: Path) -> dict[str, Any]:
    """Make the run's directory and description if need be; returns the description. Raises RunUnwritable."""
    try:
        for name in ("streams", "cursors"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        path = directory / "run.json"
        if not path.exists():
            description = {
                "format": FORMAT,
                "id": secrets.token_hex(8),
                "name": directory.resolve().name,
                "created_ns": time.time_ns(),
                "host": platform.node(),
            }
            draft = directory / f".run-{secrets.token_hex(4)}"
            draft.write_text(json.dumps(description, indent=2) + "\n")
            # A link fails where a rename would replace what another process was quicker to write.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        description = json.loads(path.read_text())
        if not isinstance(description, dict) or not description.keys() >= {"id", "name"}:
            raise ValueError("it names no run")
        return description
    except (FileExistsError, NotADirectoryError) as error:
        raise RunUnwritable(f"run {str(directory)!r}: a file is in the way ({error.filename or directory})") from error
    except OSError as error:
        raise _unwritable(directory, error) from error
    except ValueError as error:
        raise RunUnwritable(f"run {str(directory)!r}: run.json is not one of ours: {error}") from error


@dataclass
class Claim:
    """A writer's hold on its stream: the epoch that is its own, and the locked file."""

    stream: Path
    epoch: int
    lock_fd: int

    def release(self) -> None:
        os.close(self.lock_fd)


def claim_epoch(directory: Path, writer: str) -> Claim:
    """Lock a writer's stream and claim its next epoch. Raises RunInUse if another live process writes it."""
    stream = directory / "streams" / writer
    try:
        stream.mkdir(parents=True, exist_ok=True)
        fd = os.open(stream / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _unwritable(directory, error) from error
    try:
        _lock(fd, directory, writer)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        epoch = max((one for one, _, _ in _named(stream)), default=-1) + 1
        first = os.open(stream / segment_name(epoch, 0), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        os.close(first)
    except RunInUse:
        os.close(fd)
        raise
    except OSError as error:
        os.close(fd)
        raise _unwritable(directory, error) from error
    return Claim(stream, epoch, fd)


def _unwritable(directory: Path, error: OSError) -> RunUnwritable:
    return RunUnwritable(f"run {str(directory)!r} can't be written: {error.strerror or error}")


def _lock(fd: int, directory: Path, writer: str) -> None:
    """The recorder of a process that died may still be finishing its stream: wait for it, but never for a live writer."""
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            owner = os.pread(fd, 32, 0).decode(errors="replace").strip()
            waited = time.monotonic() - began
            if waited > _PATIENCE_S or (_alive(owner) and waited > _GLANCE_S):
                raise RunInUse(
                    f"run {str(directory)!r} is in use: process {owner or '?'} writes its stream {writer!r}; choose another "
                    "run directory, or pass the logger itself (pickled) to a process that is to write the same run"
                ) from None
            time.sleep(0.02)


def _alive(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        # A zombie writes nothing any more.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True

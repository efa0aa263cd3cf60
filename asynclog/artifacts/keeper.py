"""The writing side: a path becomes a version of an artifact, whole or not at all.

copied     into ``staging/<writer>``, which is this process's alone while it holds the writer's lock
durable    the disk has the copies, unless the journal isn't synced either
published  under the lock of all writers: content goes to its digest's place, then the version is linked to the next number

Whatever ends it in between leaves content that nothing refers to, at the most: the next life of the writer clears it away.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Final

from asynclog.artifacts.asked import Asked, Place
from asynclog.artifacts.copying import copy_file, digest_file
from asynclog.artifacts.durable import ONE_BY_ONE, sync_all, sync_folders
from asynclog.artifacts.layout import (
    FOLDER,
    Kept,
    Listed,
    content_path,
    listing,
    names,
    packed,
    unpacked,
    versions_of,
    versions_path,
)
from asynclog.artifacts.room import DROPPED, Room
from asynclog.artifacts.settings import Artifacts
from asynclog.artifacts.source import Found, found_at
from asynclog.artifacts.stored import near
from asynclog.errors import InvalidValue
from asynclog.values.artifact import Artifact, name_fault

_LONGEST_CHAIN: Final = 40
"""Symlinks to symlinks, as the operating system counts them."""


@dataclass
class _Staged:
    """Copies that wait to be published, by their digests, and what they make."""

    copies: dict[str, Path]
    digest: str
    size_bytes: int
    files: int | None


class Keeper:
    """run: its directory. durable: whether what is kept survives a power loss. delivered(kept): whether every route has a
    version. For one thread; blocks."""

    def __init__(
        self, run: Path, writer: str, epoch: int, settings: Artifacts, *, durable: bool, delivered: Callable[[Kept], bool]
    ) -> None:
        self._home = run / FOLDER
        self._staging = self._home / "staging" / writer
        self._writer, self._epoch, self._durable = writer, epoch, durable
        self._room = Room(self._home, settings, writer, delivered)
        self._keeps_all = settings.keep is None
        self._newest: dict[str, int] = {}
        self._serial = count()

    def sweep(self) -> None:
        """Clear away what an earlier life of this writer left unfinished. Raises OSError."""
        if self._staging.exists() and any(self._staging.iterdir()):
            with self._locked():
                self._room.collect()
                self._room.drop_old()
            shutil.rmtree(self._staging)

    def keep(self, name: str, asked: Asked, place: Place, given_up: Callable[[], bool], *, waits: bool = True) -> Artifact:
        """Make a version; the newest one again where it would be its like.

        given_up(): whether nobody waits any more. waits: whether it may wait for room. Raises InvalidValue for a bad name, what
        can't be copied, a name that is taken, and no room; GivenUp.
        """
        fault = name_fault(name)
        if fault is not None:
            raise InvalidValue(kind="artifact", expected=fault.expected, got=fault.got, hint=fault.hint)
        try:
            if asked.path is None:
                return self._published(name, asked, place, _Staged({}, "", 0, None))
            found = found_at(Path(asked.path))
            needed = found.size_bytes
            if not self._room.has(needed):
                needed = self._new_bytes(found, given_up)
            self._room.have(needed, given_up, self._drop_old, waits=waits)
            with self._scratch() as folder:
                staged = self._staged(found, folder, given_up)
                return self._published(name, asked, place, staged)
        except OSError as error:
            where = f"{error.filename!r}: " if error.filename else ""
            got = f"{where}{error.strerror or error}"
            raise InvalidValue(kind="artifact", expected="a file or directory that can be copied", got=got) from error

    # -- copies -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        folder = self._staging / f"{os.getpid()}-{next(self._serial)}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def _staged(self, found: Found, folder: Path, given_up: Callable[[], bool]) -> _Staged:
        one_by_one = self._durable and len(found.files) <= ONE_BY_ONE
        copies: dict[str, Path] = {}
        files: list[Listed] = []
        draft = folder / "draft"
        for number, source in enumerate(found.files):
            copied = copy_file(source.where, os.fspath(draft), given_up, durable=one_by_one)
            files.append(Listed(source.path, *copied))
            # The next one is written over one that is there already: to delete a file just written takes 3 ms on ext4.
            if copied.digest not in copies:
                copies[copied.digest] = draft.rename(folder / str(number))
        size = sum(one.size_bytes for one in files)
        if not found.directory:
            staged = _Staged(copies, files[0].digest, size, None)
        else:
            text = listing(files)
            staged = _Staged(copies, sha256(text).hexdigest(), size, len(files))
            copies[staged.digest] = folder / "listing"
            self._write(copies[staged.digest], text)
        if self._durable and not one_by_one:
            sync_all(folder)
        return staged

    def _write(self, path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            if self._durable:
                os.fsync(file.fileno())

    # -- versions ---------------------------------------------------------------------------------------------------

    def _published(self, name: str, asked: Asked, place: Place, staged: _Staged) -> Artifact:
        with self._locked():
            if asked.target is not None:
                self._check_target(name, asked.target)
            made = Artifact(
                name,
                digest=staged.digest,
                size_bytes=staged.size_bytes,
                files=staged.files,
                metadata=dict(asked.metadata),
                target=asked.target,
                overwrite=asked.overwrite,
            )
            newest = self._newest_of(name)
            alike = newest is not None and self._is_like(made, newest)
            if newest is not None and not alike and not asked.overwrite:
                raise InvalidValue(
                    kind="artifact",
                    expected="a name that is free, as overwrite=False",
                    got=f"{name!r}, of which there is version {newest}",
                    hint="overwrite=True adds a version",
                )
            self._shelve(staged.copies)
            if newest is not None and alike:
                return replace(made, version=newest)
            version = self._linked(name, made, place, 0 if newest is None else newest + 1)
            if not self._keeps_all:
                self._room.drop_old()
            return replace(made, version=version)

    def _is_like(self, made: Artifact, version: int) -> bool:
        last = unpacked(self._versions(made.name) / f"{version}.json").value
        return last == replace(made, version=version, overwrite=last.overwrite)

    def _shelve(self, copies: Mapping[str, Path]) -> None:
        changed: set[Path] = set()
        for digest, copy in copies.items():
            target = content_path(self._home, digest)
            if target.exists() and target.stat().st_size == copy.stat().st_size:
                continue
            if not target.parent.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                changed.add(target.parent.parent)
            copy.rename(target)
            changed.add(target.parent)
        if self._durable and len(changed) > ONE_BY_ONE:
            sync_all(self._home)
        elif self._durable:
            sync_folders(changed)

    def _linked(self, name: str, made: Artifact, place: Place, version: int) -> int:
        folder = self._versions(name)
        new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        draft = self._staging / f"version-{os.getpid()}"
        self._staging.mkdir(parents=True, exist_ok=True)
        kept = Kept(replace(made, version=version), *place, self._writer, self._epoch)
        self._write(draft, packed(kept))
        # A rename would replace what another process has numbered so, were there no lock.
        os.link(draft, folder / f"{version}.json")
        draft.unlink()
        self._newest[name] = version
        if self._durable:
            sync_folders([folder, folder.parent, self._home, self._home.parent] if new else [folder])
        return version

    def _versions(self, name: str) -> Path:
        return versions_path(self._home, name)

    def _newest_of(self, name: str) -> int | None:
        """Listed once; other writers' versions are looked for behind the last one known."""
        folder = self._versions(name)
        newest = self._newest.get(name)
        if newest is None:
            held = versions_of(folder)
            newest = held[-1] if held else -1
        while (folder / f"{newest + 1}.json").exists() or (folder / DROPPED / f"{newest + 1}.json").exists():
            newest += 1
        if newest < 0:
            return None
        self._newest[name] = newest
        return newest

    def _check_target(self, name: str, target: str) -> None:
        """Raises InvalidValue for one that isn't there, or leads back to the name."""
        fault = name_fault(target)
        if fault is not None:
            raise InvalidValue(kind="artifact", expected=fault.expected, got=fault.got, hint=fault.hint)
        at: str | None = target
        for _ in range(_LONGEST_CHAIN):
            if at is None:
                return
            newest = None if at == name else self._newest_of(at)
            if newest is None:
                expected = "a target that was logged before" if at != name else "a target that doesn't lead back to the symlink"
                raise InvalidValue(kind="artifact", expected=expected, got=f"{target!r}{near(target, names(self._home))}")
            at = unpacked(self._versions(at) / f"{newest}.json").value.target
        raise InvalidValue(kind="artifact", expected=f"at most {_LONGEST_CHAIN} symlinks in a row", got=repr(target))

    # -- room -------------------------------------------------------------------------------------------------------

    def _new_bytes(self, found: Found, given_up: Callable[[], bool]) -> int:
        """How much room it takes, as equal bytes are kept once. Reads all of it, so only asked where room is short."""
        new = dict(digest_file(one.where, given_up) for one in found.files)
        return sum(size for digest, size in new.items() if not content_path(self._home, digest).exists())

    def _drop_old(self) -> bool:
        with self._locked():
            return self._room.drop_old()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

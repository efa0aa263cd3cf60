"""How much a run's artifacts take, and what of it can go: versions that are old and delivered, content that none refers to."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from asynclog.artifacts.copying import GivenUp
from asynclog.artifacts.layout import Kept, content_path, listed, unpacked, versions_of
from asynclog.artifacts.settings import Artifacts
from asynclog.errors import DamagedArtifact, InvalidValue

_LOOK_S: Final = 0.05
DROPPED: Final = "dropped"
"""The folder, below a name's, of versions whose bytes are gone."""


class Room:
    """delivered(kept): whether every route has a version. Everything but ``have`` is done by whoever holds the lock."""

    def __init__(self, home: Path, settings: Artifacts, writer: str, delivered: Callable[[Kept], bool]) -> None:
        self._home, self._settings, self._writer, self._delivered = home, settings, writer, delivered

    def has(self, size_bytes: int) -> bool:
        """Whether there is room for so many bytes now."""
        quota = self._settings.quota
        return quota is None or size_bytes + self._held_bytes() <= quota

    def have(self, size_bytes: int, given_up: Callable[[], bool], drop_old: Callable[[], bool], *, waits: bool) -> None:
        """Return when there is room for so many bytes. drop_old(): drop what can be; whether something will be, later. Raises
        InvalidValue where there is none, and none will come, GivenUp."""
        quota = self._settings.quota
        if quota is None or not size_bytes:
            return
        while size_bytes + (held := self._held_bytes()) > quota:
            more_to_come = self._settings.keep is not None and drop_old()
            if size_bytes + self._held_bytes() <= quota:
                return
            if size_bytes > quota or not (more_to_come and waits and self._settings.full == "wait"):
                raise InvalidValue(
                    kind="artifact",
                    expected=f"at most {quota} bytes of artifacts in this run",
                    got=f"{size_bytes} bytes beside {held} that are there",
                    hint="Artifacts(quota=…) is how much there may be, keep=… how many versions stay",
                )
            if given_up():
                raise GivenUp
            time.sleep(_LOOK_S)

    def _held_bytes(self) -> int:
        held = 0
        for one in _contents(self._home):
            # Another writer may be dropping it.
            with suppress(FileNotFoundError):
                held += one.stat().st_size
        return held

    def drop_old(self) -> bool:
        """Drop the bytes of this writer's versions that are old and delivered; whether others are old and not yet delivered."""
        keep = self._settings.keep
        if keep is None:
            return False
        waiting = dropped = False
        for folder in _folders(self._home):
            for number in versions_of(folder)[:-keep]:
                kept = _known(folder / f"{number}.json")
                if kept is None or kept.writer != self._writer:
                    continue
                if self._delivered(kept):
                    (folder / DROPPED).mkdir(exist_ok=True)
                    (folder / f"{number}.json").rename(folder / DROPPED / f"{number}.json")
                    dropped = True
                else:
                    waiting = True
        if dropped:
            self.collect()
        return waiting

    def collect(self) -> None:
        """Drop content that no version refers to. Where a version can't be read, nobody knows what it refers to."""
        wanted: set[str] = set()
        for folder in _folders(self._home):
            for number in versions_of(folder):
                kept = _known(folder / f"{number}.json")
                if kept is None:
                    return
                wanted.add(kept.value.digest)
                if kept.value.files is not None:
                    try:
                        wanted.update(one.digest for one in listed(content_path(self._home, kept.value.digest).read_bytes()))
                    except (DamagedArtifact, OSError):
                        return
        for one in _contents(self._home):
            if one.name not in wanted:
                os.unlink(one.path)


def _folders(home: Path) -> list[Path]:
    base = home / "versions"
    return [one for one in base.iterdir() if one.is_dir()] if base.is_dir() else []


def _known(path: Path) -> Kept | None:
    try:
        return unpacked(path)
    except (DamagedArtifact, OSError):
        return None


def _contents(home: Path) -> "Iterator[os.DirEntry[str]]":
    base = home / "content"
    for folder in base.iterdir() if base.is_dir() else ():
        with os.scandir(folder) as entries:
            yield from entries

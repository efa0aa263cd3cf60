"""The reading side: what a run's artifacts are, where their bytes lie, and copies of them whose digests are checked."""

import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO, Final

from asynclog.artifacts.layout import FOLDER, Kept, Listed, content_path, listed, names, unpacked, versions_of, versions_path
from asynclog.artifacts.room import DROPPED
from asynclog.errors import ArtifactNotFound, DamagedArtifact
from asynclog.values.artifact import Artifact, name_fault

_CHUNK_BYTES: Final = 1 << 20
_LONGEST_CHAIN: Final = 40


@dataclass(frozen=True)
class StoredArtifact:
    """A version in a run. value: what was recorded of it. step, phase, time_ns: where it was logged. dropped: whether its bytes
    were let go of, as ``Artifacts(keep=…)`` had it."""

    run: Path
    value: Artifact
    step: int
    phase: str
    time_ns: int
    writer: str
    dropped: bool = False

    @property
    def name(self) -> str:
        return self.value.name

    @property
    def version(self) -> int:
        return self.value.version

    @property
    def digest(self) -> str:
        return self.value.digest

    @property
    def size_bytes(self) -> int:
        return self.value.size_bytes

    @property
    def metadata(self) -> Any:
        return self.value.metadata

    @property
    def target(self) -> str | None:
        """The name that a symlink stands for."""
        return self.value.target

    @property
    def path(self) -> Path:
        """Where the bytes of a file lie: to read, not to change. Raises IsADirectoryError, DamagedArtifact if they are gone."""
        if self.value.files is not None:
            raise IsADirectoryError(f"{self.value.label} is a directory: files are its files, download(to) a copy")
        return self.content(self.digest)

    @property
    def files(self) -> dict[str, Path]:
        """Where the bytes of each file of a directory lie, by its path there. Raises DamagedArtifact, NotADirectoryError."""
        return {one.path: self.content(one.digest) for one in self.listing()}

    def listing(self) -> list[Listed]:
        """The files of a directory. Raises DamagedArtifact, NotADirectoryError."""
        if self.value.files is None:
            raise NotADirectoryError(f"{self.value.label} is a file: path is where it lies")
        content = self.content(self.digest).read_bytes()
        if sha256(content).hexdigest() != self.digest:
            raise DamagedArtifact(f"the listing of {self.value.label} is not what was recorded")
        return listed(content)

    def open(self) -> BinaryIO:
        """The bytes of a file, to read. Raises as ``path`` does."""
        return self.path.open("rb")

    def download(self, to: "str | os.PathLike[str]") -> Path:
        """Copy it to where nothing is, or into a directory that is there, under its last name; returns where. What is there in
        the end has the digest that was recorded.

        Raises FileExistsError, DamagedArtifact, OSError; then nothing was made.
        """
        target = Path(to)
        if target.is_dir():
            target /= self.name.rpartition("/")[2]
        if target.exists():
            raise FileExistsError(f"{target} is there already")
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name[:100]}.{token_hex(4)}.part")
        try:
            if self.value.files is None:
                checked_copy(self.path, draft, self.digest, self.value.label)
            else:
                draft.mkdir()
                for one in self.listing():
                    inner = draft / one.path
                    inner.parent.mkdir(parents=True, exist_ok=True)
                    checked_copy(self.content(one.digest), inner, one.digest, f"{self.value.label}, {one.path}")
            draft.rename(target)
        except BaseException:
            if draft.is_dir():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)
            raise
        return target

    def faults(self) -> Iterator[tuple[Path, str]]:
        """(path, what is wrong) for each file of it whose bytes are gone or aren't what was recorded."""
        if self.dropped or self.target is not None:
            return
        home = self.run / FOLDER
        try:
            digests = {self.digest, *(one.digest for one in self.listing())} if self.value.files is not None else {self.digest}
        except (DamagedArtifact, OSError) as error:
            yield content_path(home, self.digest), str(error)
            return
        for digest in sorted(digests):
            path = content_path(home, digest)
            if not path.is_file():
                yield path, f"the bytes of {self.value.label} are gone"
            elif digest_of(path) != digest:
                yield path, f"the bytes of {self.value.label} are not what was recorded"

    def content(self, digest: str) -> Path:
        """Where the bytes of a digest lie, which is the artifact's or one of its files'. Raises DamagedArtifact."""
        if self.target is not None:
            raise DamagedArtifact(f"{self.value.label} is a symlink to {self.target!r}")
        if self.dropped:
            raise DamagedArtifact(f"the bytes of {self.value.label} were dropped: newer versions are kept")
        path = content_path(self.run / FOLDER, digest)
        if not path.is_file():
            raise DamagedArtifact(f"the bytes of {self.value.label} are gone: there is no {path}")
        return path


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def checked_copy(source: Path, target: Path, digest: str, label: str) -> None:
    """Copy a file. Raises DamagedArtifact if its bytes aren't those of the digest."""
    found = sha256()
    with source.open("rb") as reading, target.open("xb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):
            found.update(chunk)
            writing.write(chunk)
    if found.hexdigest() != digest:
        raise DamagedArtifact(f"the bytes of {label} are not what was recorded")


def all_artifacts(run: Path) -> list[StoredArtifact]:
    """Every version of every artifact, by name, then version. Raises DamagedArtifact."""
    home = run / FOLDER
    found = []
    for name in names(home):
        folder = versions_path(home, name)
        kept = [(number, folder, False) for number in versions_of(folder)]
        gone = [(number, folder / DROPPED, True) for number in versions_of(folder / DROPPED)]
        for number, where, dropped in sorted(gone + kept):
            found.append(_stored(run, unpacked(where / f"{number}.json"), dropped=dropped))
    return found


def one_artifact(run: Path, name: str, version: int | None = None, *, follow: bool = True) -> StoredArtifact:
    """A version, the newest one by default; of a symlink what it stands for, unless a version of itself is asked for, or not to
    follow it. Raises ArtifactNotFound, with near names, DamagedArtifact."""
    home = run / FOLDER
    at = name
    for _ in range(_LONGEST_CHAIN):
        folder = None if name_fault(at) is not None else versions_path(home, at)
        held = versions_of(folder) if folder is not None else []
        if folder is None or not held:
            raise ArtifactNotFound(f"no artifact {at!r} in {run}{near(at, names(home))}")
        wanted = held[-1] if version is None else version
        path = folder / f"{wanted}.json"
        dropped = not path.exists()
        try:
            stored = _stored(run, unpacked(folder / DROPPED / path.name if dropped else path), dropped=dropped)
        except FileNotFoundError:
            raise ArtifactNotFound(f"no version {wanted} of artifact {at!r}, but {', '.join(map(str, held))}") from None
        if stored.target is None or version is not None or not follow:
            return stored
        at = stored.target
    raise ArtifactNotFound(f"artifact {name!r} is a symlink that leads back to itself")


def _stored(run: Path, kept: Kept, *, dropped: bool) -> StoredArtifact:
    return StoredArtifact(run, kept.value, kept.step, kept.phase, kept.time_ns, kept.writer, dropped)


def near(name: str, known: Collection[str]) -> str:
    """What stands behind a name that isn't there: the nearest that is, or all if they are few."""
    close = get_close_matches(name, known, 1, 0.5)
    if close:
        return f"; the nearest is {close[0]!r}"
    return f"; there are {', '.join(map(repr, sorted(known)))}" if 0 < len(known) <= 5 else ""

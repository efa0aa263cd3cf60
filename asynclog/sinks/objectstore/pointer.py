"""What a store has under a name: a small object of JSON beside the bytes, so that they can be found, checked, and not replaced
unasked.

    <prefix>/best.pt                        the newest version of a file, as whoever looks for it expects it
    <prefix>/data/…                         of a directory, a file each
    <prefix>/latest.symlink                 of a symlink, the name that it stands for, as text
    <prefix>/.asynclog/names/best.pt.json   the pointer: version, digest, files, and which run it is of
    <prefix>/.asynclog/versions/…           every version's pointer, and
    <prefix>/.asynclog/content/<digest>     its bytes, where they are asked for
"""

import json
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote

from asynclog.artifacts.layout import Listed, inner_fault
from asynclog.artifacts.stored import StoredArtifact
from asynclog.errors import DamagedArtifact
from asynclog.values.artifact import Artifact

_OWN: Final = ".asynclog"


@dataclass(frozen=True)
class Pointer:
    """value: the version. run: the id of the run it is of. complete: whether its bytes are there; before that it claims the
    name. files: of a directory."""

    value: Artifact
    run: str
    complete: bool
    files: tuple[Listed, ...] = ()

    @classmethod
    def of(cls, stored: StoredArtifact, run: str, *, complete: bool) -> Self:
        """The pointer to a version of a run's. Raises DamagedArtifact where the run lacks its listing."""
        files = tuple(stored.listing()) if stored.value.files is not None else ()
        return cls(stored.value, run, complete, files)

    def same(self, other: "Pointer") -> bool:
        """Whether both are of one run and have the same bytes."""
        mine, theirs = self.value, other.value
        return (self.run, mine.digest, mine.target) == (other.run, theirs.digest, theirs.target)

    def packed(self) -> bytes:
        """As the store keeps it."""
        content: dict[str, Any] = {**self.value.params(), "version": self.value.version}
        content |= {"run": self.run, "complete": self.complete, "listing": [list(one) for one in self.files]}
        return json.dumps(content, default=str).encode()

    @classmethod
    def unpacked(cls, content: bytes, key: str) -> Self:
        """The inverse, of what a store holds. Raises DamagedArtifact."""
        try:
            found = json.loads(content)
            value = Artifact.from_parts(found, {})
            files = tuple(Listed(str(path), str(digest), int(size)) for path, digest, size in found.get("listing", ()))
            if value.fault() is not None or any(inner_fault(one.path) for one in files):
                raise ValueError("it names what can't be")
            return cls(value, str(found.get("run", "")), bool(found.get("complete")), files)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedArtifact(f"{key} is no pointer of ours: {error}") from error


class Keys:
    """Where things lie below a prefix."""

    def __init__(self, prefix: str) -> None:
        self._base = f"{prefix}/" if prefix else ""

    def pointer(self, name: str) -> str:
        return f"{self._base}{_OWN}/names/{quote(name, safe=' ')}.json"

    def version(self, name: str, version: int) -> str:
        return f"{self._base}{_OWN}/versions/{quote(name, safe=' ')}/{version}.json"

    def content(self, digest: str) -> str:
        return f"{self._base}{_OWN}/content/{digest}"

    @property
    def probe(self) -> str:
        return f"{self._base}{_OWN}/run.json"

    def objects(self, pointer: Pointer) -> dict[str, Listed]:
        """The objects under a version's own name, each with its content; of a symlink, the pointer object alone."""
        value = pointer.value
        if value.target is not None:
            return {f"{self._base}{value.name}.symlink": Listed("", "", 0)}
        if value.files is None:
            return {f"{self._base}{value.name}": Listed("", value.digest, value.size_bytes)}
        return {f"{self._base}{value.name}/{one.path}": one for one in pointer.files}

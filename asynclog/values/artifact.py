"""A file or a directory that a run keeps: what is recorded of it. Its bytes lie beside the journal, under their digest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from asynclog.normal.layouts import Fault
from asynclog.values.value import Value

LONGEST_NAME: Final = 1000
LONGEST_PART: Final = 200
"""Bytes: file systems end at 255, and destinations add to a name."""
_OUTSIDE: Final = frozenset({"", ".", ".."})
_HEX: Final = frozenset("0123456789abcdef")
_DIGEST_LENGTH: Final = 64


def name_fault(name: Any) -> Fault | None:
    """What keeps a name from being an artifact's, or a path from lying below a directory: "a/b", never "../b" or "/b"."""
    expected = "a name such as 'checkpoints/best.pt'"
    if not isinstance(name, str):
        return Fault(expected, f"{type(name).__name__} {name!r}")
    parts = name.split("/")
    if not _OUTSIDE.isdisjoint(parts):
        return Fault(expected, repr(name), "a name has no empty parts, and none that is '.' or '..'")
    if any(not one.isprintable() for one in name):
        return Fault(expected, repr(name), "a name is made of characters that can be seen")
    if len(name.encode()) > LONGEST_NAME or any(len(one.encode()) > LONGEST_PART for one in parts):
        return Fault(f"a name of {LONGEST_NAME} bytes at most, {LONGEST_PART} between two '/'", f"{len(name.encode())} bytes")
    return None


@dataclass(frozen=True, eq=False)
class Artifact(Value):
    """A version of an artifact.

    name: the whole of it, with its namespace. version: from 0. digest: SHA-256 of the file, in hexadecimal; of a directory
    that of its listing. size_bytes: of its files together. files: how many a directory has; None for a file. metadata: what was
    said of it. target: the name that a symlink stands for, whatever its newest version is; a symlink has no digest.
    overwrite: whether a destination may replace what else has this name.
    """

    kind: ClassVar[str] = "artifact"
    name: str
    version: int = 0
    digest: str = ""
    size_bytes: int = 0
    files: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    target: str | None = None
    overwrite: bool = False

    def fault(self) -> Fault | None:
        if self.target is not None:
            return name_fault(self.name) or name_fault(self.target)
        if len(self.digest) != _DIGEST_LENGTH or not _HEX.issuperset(self.digest):
            return Fault("a digest of 64 hexadecimal digits", repr(self.digest), "log_artifact takes a path, and makes one")
        return name_fault(self.name)

    @property
    def label(self) -> str:
        """Name and version: "best.pt:v3"."""
        return f"{self.name}:v{self.version}"

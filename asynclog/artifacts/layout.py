"""What lies where under a run's ``artifacts/``, and the two kinds of files that say what there is."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from asynclog.errors import DamagedArtifact
from asynclog.values.artifact import Artifact, name_fault

FOLDER: Final = "artifacts"
_LONGEST_FOLDER: Final = 200
_MOST_BYTES: Final = 256 << 20
"""Of a version's file or a listing, which is not trusted to be short."""


class Listed(NamedTuple):
    """A file of a directory: its path from there, with "/", and its content."""

    path: str
    digest: str
    size_bytes: int


class Kept(NamedTuple):
    """A version as its file has it: the value, and where in the training it was logged."""

    value: Artifact
    step: int
    phase: str
    time_ns: int
    writer: str
    epoch: int


def content_path(home: Path, digest: str) -> Path:
    """home: ``artifacts/``. Raises DamagedArtifact for what is no digest."""
    if len(digest) != 64 or not digest.isalnum():
        raise DamagedArtifact(f"{digest!r} is no digest")
    return home / "content" / digest[:2] / digest


def versions_path(home: Path, name: str) -> Path:
    """The folder of a name's versions."""
    folder = quote(name, safe=" ").replace(".", "%2E").replace("~", "%7E")
    if len(folder) > _LONGEST_FOLDER:
        folder = f"{folder[:100].rstrip('%')}~{sha256(name.encode()).hexdigest()[:32]}"
    return home / "versions" / folder


def versions_of(folder: Path) -> list[int]:
    """The versions that a folder has, in order."""
    try:
        return sorted(int(one.stem) for one in folder.iterdir() if one.suffix == ".json" and one.stem.isdigit())
    except FileNotFoundError:
        return []


def packed(kept: Kept) -> bytes:
    """A version's file."""
    content = {**kept.value.params(), "version": kept.value.version}
    where = {"step": kept.step, "phase": kept.phase, "time_ns": kept.time_ns, "writer": kept.writer, "epoch": kept.epoch}
    return json.dumps({**content, "logged": where}, indent=1, default=str).encode() + b"\n"


def unpacked(path: Path) -> Kept:
    """The inverse, from a file that may hold anything. Raises DamagedArtifact, FileNotFoundError."""
    if not path.is_file():
        raise FileNotFoundError(path)
    if path.stat().st_size > _MOST_BYTES:
        raise DamagedArtifact(f"{path} is too long to be a version")
    try:
        content = json.loads(path.read_bytes())
        value = _value(content)
        where = content.get("logged", {})
        whole = {name: int(where.get(name, 0)) for name in ("step", "time_ns", "epoch")}
        return Kept(value, phase=str(where.get("phase", "")), writer=str(where.get("writer", "")), **whole)
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise DamagedArtifact(f"{path} is not a version: {error}") from error


def _value(content: Mapping[str, Any]) -> Artifact:
    value = Artifact.from_parts(content, {})
    for name, kind in (("version", int), ("size_bytes", int), ("metadata", Mapping), ("digest", str)):
        if not isinstance(getattr(value, name), kind):
            raise TypeError(f"{name} is a {type(getattr(value, name)).__name__}")
    fault = value.fault()
    if fault is not None:
        raise ValueError(f"expected {fault.expected}, got {fault.got}")
    return value


def listing(files: list[Listed]) -> bytes:
    """A directory's listing: a line of JSON a file, by path. Its digest is the directory's."""
    return b"".join(
        json.dumps({"path": one.path, "digest": one.digest, "size_bytes": one.size_bytes}).encode() + b"\n"
        for one in sorted(files)
    )


def listed(content: bytes) -> list[Listed]:
    """The inverse, of bytes whose digest was checked. Raises DamagedArtifact, also for a path that leads out."""
    try:
        found = [Listed(one["path"], one["digest"], one["size_bytes"]) for one in map(json.loads, content.splitlines())]
        lead_out = next((one for one in found if inner_fault(one.path) or not isinstance(one.size_bytes, int)), None)
    except (TypeError, KeyError, ValueError, RecursionError) as error:
        raise DamagedArtifact(f"not a directory's listing: {error!r}") from error
    if lead_out is not None:
        raise DamagedArtifact(f"a listing names {lead_out.path!r}, which is no path below a directory")
    return found


def inner_fault(path: Any) -> bool:
    """Whether a path in a directory isn't one below it."""
    if not isinstance(path, str) or "\0" in path:
        return True
    return not {"", ".", ".."}.isdisjoint(path.split("/"))


def names(home: Path) -> list[str]:
    """Every name that has a version, in order; those too long for a folder's name are read from their versions."""
    found = set()
    base = home / "versions"
    for folder in base.iterdir() if base.is_dir() else ():
        held = versions_of(folder)
        if not held:
            continue
        name = unquote(folder.name)
        if "~" in folder.name:
            name = unpacked(folder / f"{held[-1]}.json").value.name
        if name_fault(name) is None:
            found.add(name)
    return sorted(found)

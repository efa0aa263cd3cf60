"""The index: a line of JSON a file, from which each value is found again with its true name.

    {"file": "image/00000012-samples_recon.png", "kind": "image", "phase": "valid", "namespace": "samples", "key": "recon",
     "step": 3, "time": 1700000000.000137000, "bytes": 812, "crc32c": 305419896, "epoch": 1, "caption": "a cat",
     "about": {"shape": [3, 64, 64], "dtype": "uint8", "min": 0, "max": 255}}

kind, phase, namespace, key, step, time, bytes, crc32c    always there; time in seconds since 1970, with all nine digits
epoch, level, elapsed_s, axes    where they aren't 0, "batch", absent, empty
caption    of the value, where it has one; about: shape, dtype, range and parameters of what was recorded
"""

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, NamedTuple

from asynclog.errors import InvalidConfiguration
from asynclog.sink import Event
from asynclog.sinks.strict_json import json_text
from asynclog.sinks.summary import described

NAME: Final = "index.jsonl"
_ABOUT: Final = frozenset({"image", "audio", "spectrogram", "video", "histogram", "point_cloud", "mesh", "tensor"})
_BEGINNING: Final = '{"file": '


class Line(NamedTuple):
    """A line of the index. facts: all it says but the file's name; equal for a value that is delivered again."""

    file: str
    facts: str

    @property
    def text(self) -> bytes:
        return f"{_BEGINNING}{json_text(self.file)}, {self.facts}\n".encode()

    @property
    def identity(self) -> bytes:
        return _identity(self.facts.encode())


def facts(event: Event, content: bytes) -> str:
    """What the index says of an event and its file."""
    import crc32c

    said: dict[str, Any] = {
        "kind": event.kind,
        "phase": event.phase,
        "namespace": event.namespace,
        "key": event.key,
        "step": event.step,
    }
    more: dict[str, Any] = {"bytes": len(content), "crc32c": crc32c.crc32c(content)}
    more |= {"epoch": event.epoch} if event.epoch else {}
    more |= {"level": event.level} if event.level != "batch" else {}
    more |= {"elapsed_s": event.elapsed_s} if event.elapsed_s is not None else {}
    more |= {"axes": dict(event.axes)} if event.axes else {}
    caption = getattr(event.value, "caption", None)
    more |= {} if caption is None else {"caption": caption}
    if event.kind in _ABOUT:
        more["about"] = {
            name: one for name, one in described(event.kind, event.value).items() if name not in ("kind", "caption")
        }
    seconds, rest = divmod(event.time_ns, 10**9)
    return f'{json_text(said)[1:-1]}, "time": {seconds}.{rest:09d}, {json_text(more)[1:]}'


class Found(NamedTuple):
    """An index as it lies there. end: of its last whole line; identities: of its lines."""

    end: int
    files: list[str]
    identities: frozenset[bytes]


def survey(old: BinaryIO) -> Found:
    """Reads an index to its last whole line. Raises InvalidConfiguration for a file that isn't one."""
    end, identities = 0, set()
    files: list[str] = []
    for line in old:
        if not line.endswith(b"\n"):
            break
        end += len(line)
        try:
            text = line.decode()
            if not text.startswith(f'{_BEGINNING}"'):
                raise ValueError("it names no file")
            name, facts_at = json.JSONDecoder().raw_decode(text, len(_BEGINNING))
        except ValueError as error:
            where = f"line {len(files) + 1}: {error}"
            raise InvalidConfiguration(f"{old.name} is no index of this sink; name another directory ({where})") from error
        files.append(str(name))
        identities.add(_identity(text[facts_at + 2 : -1].encode()))
    return Found(end, files, frozenset(identities))


def files_of(directory: Path) -> Iterator[Path]:
    """The files that an index names, in its directory and nowhere else."""
    path = directory / NAME
    if not path.exists():
        return
    with path.open("rb") as old:
        for name in survey(old).files:
            place = PurePosixPath(name)
            if "\0" in name or place.is_absolute() or ".." in place.parts:
                continue
            file = directory / place
            # A folder may be a link to anywhere, and the index may name a folder: it came with the run, which is not trusted.
            if file.parent.resolve().is_relative_to(directory.resolve()) and (file.is_symlink() or file.is_file()):
                yield file


def _identity(facts: bytes) -> bytes:
    return blake2b(facts, digest_size=16).digest()

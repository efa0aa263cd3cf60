"""A directory that a person can look through: each value a file of its customary kind, numbers in one table.

    files/index.jsonl                         a line a file (``index``)
    files/scalars.csv                         all numbers, a row each
    files/image/00000012-samples_recon.png    a folder a kind; numbers in the order of the writes

A file is written under another name and renamed, then the index tells of it, a batch at a time. What a crash leaves that the
index doesn't tell of is written again under the same name when it is delivered again.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final, Literal, NamedTuple

from asynclog.encoding.media import ENCODERS, file_of, suffixes
from asynclog.errors import InvalidConfiguration, InvalidValue
from asynclog.sink import Batch, Event, Place, RunInfo, Write
from asynclog.sinks.csv import CSV
from asynclog.sinks.files import index, threedb
from asynclog.sinks.files.names import UniqueNames, numbered
from asynclog.sinks.growing import GrowingFile, path_in_run
from asynclog.sinks.naming import flat_name
from asynclog.sinks.summary import described
from asynclog.values import KINDS, Image

Layout = Literal["numbered", "threedb"]
SCALARS: Final = "scalars.csv"
_TYPES: Final[Mapping[str, type]] = {**KINDS, "string": str, "config": dict}
_OTHER: Final = "other"


class Files:
    """A file a value, below ``path`` (relative: in the run's directory; rank n: ``<path>.rank<n>``).

    formats: suffix by kind, {"image": ".webp", "audio": ".flac", "mesh": ".glb"}, for others than the customary ones: .png
    (image, spectrogram, histogram), .wav, .mp4, .ply (point_cloud, mesh), .npy (tensor), .csv (table), .json (rollout, record,
    config), .txt (string). None: no file, and none of the kind in the index; "scalar" is ".csv" or None. A value that can't be
    of this format is written in another that can, and rejected if there is none.
    layout: "numbered", or "threedb": images and a result's channels as images/<id>_<channel>.png, segmentations as .npy, all
    else as before. keep_resolution: images in full; else at about 250², as everywhere, unless they were logged so.

    A resumed run goes on, and a value that is delivered again, told by its content and the digits of its time, has one file
    and one line. A new run replaces the files that the old index names.

    Raises InvalidConfiguration for a kind or suffix that there isn't, ImportError, naming the extra, for a library that is
    missing.
    """

    default_place: ClassVar[Place] = "process"

    def __init__(
        self,
        path: str | Path = "files",
        *,
        formats: Mapping[str, str | None] | None = None,
        layout: Layout = "numbered",
        keep_resolution: bool = False,
    ) -> None:
        if layout not in ("numbered", "threedb"):
            raise InvalidConfiguration(f"a layout of files is 'numbered' or 'threedb', not {layout!r}")
        self.path, self.layout, self.keep_resolution = Path(path), layout, keep_resolution
        self.formats = {kind: _checked(kind, suffix) for kind, suffix in (formats or {}).items()}
        self._directory = Path()
        self._index: GrowingFile | None = None
        self._scalars: CSV | None = None
        self._names = UniqueNames()
        self._number = 0
        self._known: frozenset[bytes] = frozenset()
        self._result: tuple[int, str] | None = None
        self._told: tuple[str, int, int] | None = None
        self._rejected: list[str] = []

    async def open(self, run: RunInfo) -> None:
        self._directory = path_in_run(self.path, run)
        if not run.resumed:
            for old in index.files_of(self._directory):
                old.unlink(missing_ok=True)
        self._index = GrowingFile(self._directory / index.NAME)
        await self._index.open(self._survey if run.resumed else None)
        if self.formats.get("scalar", ".csv") is not None:
            self._scalars = CSV((self._directory / SCALARS).absolute(), layout="long")
            await self._scalars.open(replace(run, rank=0))

    async def write(self, batch: Batch, /) -> None:
        this = (batch.writer, batch.epoch, batch.seq)
        if self._told != this:
            self._rejected = []
            await self._tell(batch)
            self._told = this
        for why in self._rejected:
            batch.reject(why)
        if self._scalars is not None:
            await self._scalars.write(_Numbers(batch))  # type: ignore[arg-type]

    async def flush(self) -> None:
        assert self._index is not None, "open() comes first"
        await self._index.flush()
        if self._scalars is not None:
            await self._scalars.flush()

    async def aclose(self) -> None:
        if self._index is not None:
            await self._index.aclose()
        if self._scalars is not None:
            await self._scalars.aclose()

    async def _tell(self, batch: Batch) -> None:
        """The batch's files, then its lines."""
        assert self._index is not None, "open() comes first"
        await self._index.begin()
        number, lines, taken = self._number, [], set[str]()
        for event in batch.others():
            if self.formats.get(event.kind, "") is None:
                continue
            self._result = _result_of(event) or self._result
            try:
                file = self._file(event, number)
            except InvalidValue as error:
                self._rejected.append(f"no file can show this {event.kind}: {error}")
                continue
            line = index.Line("", index.facts(event, file.content))
            if line.identity in self._known:
                continue
            name = file.name or self._names.free(threedb.FOLDER, file.stem, file.suffix, taken)
            self._put(name, file.content)
            lines.append(line._replace(file=name))
            number += 1
        await self._index.append(b"".join(line.text for line in lines))
        self._index.accept()
        self._number = number
        for line in lines:
            self._names.note(line.file)

    def _file(self, event: Event, number: int) -> "_File":
        wanted = self.formats.get(event.kind)
        if self.layout == "threedb":
            at, result = self._result or (0, None)
            suffix = self.formats.get("image") or ".png"
            made = threedb.picture(event, result if at == event.time_ns else None, suffix)
            if made is not None:
                return _File("", *made)
        suffix, content = self._encoded(event, wanted)
        kind = event.kind if event.kind in KINDS else _OTHER
        return _File(numbered(kind, number, flat_name(event.namespace, event.key), suffix), "", suffix, content)

    def _encoded(self, event: Event, wanted: str | None) -> tuple[str, bytes]:
        value = event.value if event.kind in KINDS else described(event.kind, event.value)
        if self.keep_resolution and isinstance(value, Image):
            value = replace(value, keep_resolution=True)
        first: InvalidValue | None = None
        for suffix in dict.fromkeys([wanted or suffixes(value)[0], *suffixes(value)]):
            try:
                return suffix, file_of(value, suffix)
            except InvalidValue as error:
                first = first or error
        assert first is not None, "each kind has a suffix"
        raise first

    def _put(self, name: str, content: bytes) -> None:
        path = self._directory / name
        draft = path.with_name(f".{path.name}.part")
        try:
            draft.write_bytes(content)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content)
        os.replace(draft, path)

    def _survey(self, old: BinaryIO) -> int:
        found = index.survey(old)
        self._known, self._number = found.identities, len(found.files)
        for name in found.files:
            self._names.note(name)
        return found.end


class _File(NamedTuple):
    """name: below the directory; empty where the stem is to become one that is free."""

    name: str
    stem: str
    suffix: str
    content: bytes


class _Numbers:
    """A batch's numbers alone."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def writes(self) -> Iterator[Write]:
        for one in self._batch.writes():
            numbers = [event for event in one.events if event.kind == "scalar"]
            if numbers:
                yield one._replace(events=numbers)


def _result_of(event: Event) -> tuple[int, str] | None:
    found = threedb.result_id(event)
    return None if found is None else (event.time_ns, found)


def _checked(kind: str, suffix: str | None) -> str | None:
    can: Any = {".csv": None} if kind == "scalar" else ENCODERS.get(_TYPES.get(kind, object), {})
    if not can:
        raise InvalidConfiguration(f"formats: there is no kind {kind!r}; there are scalar, {', '.join(KINDS)}")
    if suffix is not None and suffix not in can:
        raise InvalidConfiguration(f"formats: a {kind} can be {', '.join(can)} or None, not {suffix!r}")
    return suffix

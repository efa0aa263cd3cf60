"""Neptune, by the offline mode of its client: an SQLite file that ``neptune sync`` brings to a server.

The hosted service closed in March 2026; what is written here can be read by the client's own code, and goes to a server of
one's own. Its series want steps from 0 to 10^12 and numbers of 64 bits floating point.
"""

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from asynclog.encoding.media import checked, file_of
from asynclog.errors import InvalidConfiguration, InvalidValue
from asynclog.sink import Batch, Event, Place, RunInfo, Write
from asynclog.sinks.coded import coded, series_name, shortened
from asynclog.sinks.naming import without_collisions
from asynclog.sinks.placeless import reject_placeless, with_place
from asynclog.sinks.repeats import Repeats
from asynclog.values import Histogram, Record, Rollout

_PLACELESS: Final = frozenset({"artifact"})
_STEPS: Final = range(10**12)
LONGEST_NAME: Final = 1024
"""Bytes of a name: Neptune drops a value with a longer one."""
_LONGEST_TEXT: Final = 1 << 20
_MOST_BINS: Final = 512
_FILES: Final = {
    "image": (".png", "image/png"),
    "spectrogram": (".png", "image/png"),
    "audio": (".wav", "audio/wav"),
    "video": (".mp4", "video/mp4"),
    "point_cloud": (".ply", "model/ply"),
    "mesh": (".glb", "model/gltf-binary"),
    "table": (".csv", "text/csv"),
    "tensor": (".npy", "application/octet-stream"),
}


class Neptune:
    """A run of Neptune in a directory of files.

    project: "workspace/project". tags: words. directory: where the files will lie; None: the sink's own directory in the run.

    The run there has the id of the run here, and every rank but the first one of its own. Each process that delivers makes a
    file; they are synced in order. Raises InvalidConfiguration if neptune-scale isn't installed.
    """

    default_place: ClassVar[Place] = "process"

    def __init__(self, project: str, *, tags: Iterable[str] = (), directory: str | Path | None = None) -> None:
        if not all(project.partition("/")):
            raise InvalidConfiguration(f"Neptune's project is 'workspace/project', not {project!r}")
        self.project, self.tags = project, tuple(tags)
        self.directory = None if directory is None else Path(directory)
        self._info: RunInfo | None = None
        self._place = Path()
        self._repeats = Repeats(None)
        self._id = ""
        self._run: Any = None

    async def open(self, run: RunInfo) -> None:
        _require_neptune()
        self._info = run
        self._id = run.id or secrets.token_hex(8)
        if run.rank or run.writer not in ("main", "rank0"):
            self._id += f"-{run.writer}"
        own = run.sink_directory("neptune")
        self._place = own if self.directory is None else self.directory.expanduser()
        self._place.mkdir(parents=True, exist_ok=True)
        if run.directory is not None:
            identity = blake2b(f"{self.project}/{self._id}".encode(), digest_size=8).hexdigest()
            given = own / f"{identity}.given"
            given.mkdir(exist_ok=True)
            self._repeats = Repeats(given)

    async def write(self, batch: Batch, /) -> None:
        reject_placeless(batch, _PLACELESS, "Neptune")
        for one in self._repeats.left_of(batch):
            for group in without_collisions(with_place(one.events, _PLACELESS)):
                self._log(one, group, batch)

    async def run_ended(self, status: str, error: str | None) -> None:
        if self._run is None and self._repeats.ended:
            return
        self._begun(None).log_configs({"status": status} | ({"error": error} if error else {}))
        self._close()
        self._repeats.end()

    async def aclose(self) -> None:
        self._close()
        self._repeats.close()

    def _log(self, write: Write, events: list[Event], batch: Batch) -> None:
        from neptune_scale.types import Histogram as Counts

        step, time = write.state.step, datetime.fromtimestamp(write.time_ns / 1e9, UTC)
        numbers: dict[str, float] = {}
        texts: dict[str, str] = {}
        counts: dict[str, Any] = {}
        files: dict[str, Any] = {}
        for event in events:
            if event.kind == "config":
                self._begun(write).log_configs(dict(_flat(event.value, "config")))
                continue
            if step not in _STEPS:
                batch.reject(f"Neptune's steps are from 0 to 10^12, not {step}")
                continue
            name = shortened(series_name(event.phase, event.namespace, event.key), LONGEST_NAME)
            try:
                if event.kind == "scalar":
                    numbers[name] = float(event.value)
                elif event.kind == "histogram":
                    counts[name] = Counts(*_counted(event.value))
                elif event.kind in _FILES:
                    files[name] = self._file(name, event)
                else:
                    texts[name] = _text(event)
            except InvalidValue as error:
                batch.reject(f"Neptune can't show a value: {error}")
        for method, data in (
            ("log_metrics", numbers),
            ("log_string_series", texts),
            ("log_histograms", counts),
            ("log_files", files),
        ):
            if data:
                getattr(self._begun(write), method)(data, step=step, timestamp=time)

    def _file(self, name: str, event: Event) -> Any:
        from neptune_scale.types import File

        suffix, mime_type = _FILES[event.kind]
        content = file_of(event.value, suffix)
        # Of its own making, one name and step have one place: a second image would replace the first.
        identity = blake2b(content, key=f"{event.time_ns}".encode(), digest_size=8).hexdigest()
        place = blake2b(name.encode(), digest_size=8).hexdigest()
        return File(content, mime_type=mime_type, destination=f"{coded(self._id)}/{place}/{identity}{suffix}")

    def _begun(self, write: Write | None) -> Any:
        if self._run is None:
            from neptune_scale import Run

            assert self._info is not None, "open() comes first"
            self._run = Run(
                run_id=self._id,
                project=self.project,
                mode="offline",
                experiment_name=self._info.name or None,
                creation_time=None if write is None else datetime.fromtimestamp(write.time_ns / 1e9, UTC),
                log_directory=self._place,
                enable_console_log_capture=False,
                source_tracking_config=None,
            )
            if self.tags:
                self._run.add_tags(list(self.tags))
        return self._run

    def _close(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.close()


def _require_neptune() -> None:
    try:
        import neptune_scale  # noqa: F401
    except ImportError as error:
        raise InvalidConfiguration("the sink Neptune needs neptune-scale: pip install 'asynclog-stream[neptune]'") from error


def _text(event: Event) -> str:
    value = event.value
    if isinstance(value, Record | Rollout):
        text = file_of(value, ".txt").decode()
    elif isinstance(value, str):
        text = value
    else:
        raise InvalidValue(kind=event.kind, expected="a kind that Neptune can show", got=event.kind)
    if len(text.encode()) > _LONGEST_TEXT:
        raise InvalidValue(kind=event.kind, expected=f"at most {_LONGEST_TEXT} bytes of text", got=f"{len(text)} characters")
    return text


def _counted(value: Histogram) -> tuple[list[float], list[int]]:
    """(bin edges, counts), at most 512 bins."""
    checked(value)
    counts = value.counts
    while len(counts) > _MOST_BINS and len(counts) % 2 == 0:
        counts = counts.reshape(-1, 2).sum(axis=1)
    if len(counts) > _MOST_BINS:
        raise InvalidValue(kind="histogram", expected=f"at most {_MOST_BINS} bins, or an even number", got=f"{len(counts)}")
    # Of nothing there are no bounds, and Neptune wants some.
    low, high = (value.low, value.high) if value.low <= value.high else (0.0, 1.0)
    edges = np.linspace(low, high, len(counts) + 1).tolist()
    return edges, counts.tolist()


def _flat(settings: Mapping[Any, Any], above: str) -> Iterable[tuple[str, Any]]:
    """Settings by their paths, "config/optimizer/lr"; what Neptune has no type for, as text."""
    for name, value in settings.items():
        path = shortened(coded(f"{above}/{name}"), LONGEST_NAME)
        if isinstance(value, Mapping) and value:
            yield from _flat(value, path)
        elif isinstance(value, bool | float | str) or (isinstance(value, int) and -(2**63) <= value < 2**63):
            yield path, value
        else:
            yield path, repr(value)

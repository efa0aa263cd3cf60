"""A recording for Foxglove, and for all that reads MCAP: numbers to plot, pictures, films, sound, clouds and meshes to play.

Every value is a message on the topic /phase/namespace/key at the time it was written. Foxglove's schemas have no place for
steps: a number has them in its own message, and every other value one on /asynclog/events at the same time, with its
name, step, epoch, axes, caption and parameters.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import repeat
from pathlib import Path
from struct import Struct
from typing import Any, Final

from asynclog.errors import InvalidValue
from asynclog.sink import Batch, Block, Event, RunInfo
from asynclog.sinks.mcap.own import message
from asynclog.sinks.mcap.recording import EVENTS, Message, Name, Recording, complete, identities, is_finished, last_time_ns
from asynclog.sinks.mcap.shown import messages
from asynclog.sinks.naming import flat_name
from asynclog.sinks.recordings import RecordingSink
from asynclog.sinks.strict_json import json_text
from asynclog.sinks.successive import Earlier, Identities
from asynclog.sinks.summary import described

_VALUE: Final = Struct("<Bd")
_VALUE_TAG: Final = 1 << 3 | 1  # field 1 of Metric, a double
_PARAMS: Final = frozenset({"image", "audio", "spectrogram", "video", "histogram", "point_cloud", "mesh", "tensor"})


class MCAP(RecordingSink[Recording]):
    """A file of MCAP at ``path`` (relative: in the run's directory; rank n: ``<stem>.rank<n><suffix>``).

    Each batch is a chunk, which is in the file when it is accepted. A resumed run finishes the file that a crash left without
    its end, and goes on in a next one, ``<stem>.1<suffix>``, since a finished file can't grow; values that are delivered
    again, told by their content and time, are there once. A new run replaces its files.

    Raises ImportError, naming the extra, where mcap or Foxglove's schemas are missing.
    """

    def __init__(self, path: str | Path = "run.mcap") -> None:
        super().__init__(path)

    def _require(self) -> None:
        _check_installed()

    def _ended(self, there: list[Path], run: RunInfo) -> Earlier:
        for one in there:
            if not is_finished(one):
                complete(one)
        return Earlier(there, last_time_ns, identities)

    def _begun(self, path: Path, run: RunInfo) -> Recording:
        recording = Recording(path)
        about = {"id": run.id, "name": run.name, "writer": run.writer, "epoch": run.epoch, "rank": run.rank}
        recording.metadata("asynclog.run", {name: str(one) for name, one in about.items()})
        if run.config:
            recording.metadata("asynclog.config", _settings(run.config))
        return recording

    def _take(self, recording: Recording, batch: Batch, known: Identities) -> None:
        configs = [one.value for one in batch.others() if one.kind == "config"]
        for one in list(self._messages(batch, known)):
            recording.add(one)
        recording.complete_batch()
        for config in configs:
            recording.metadata("asynclog.config", _settings(config))

    async def run_ended(self, status: str, error: str | None) -> None:
        said = {"status": status} | ({} if error is None else {"error": error})
        self._opened.metadata("asynclog.end", said)

    def _messages(self, batch: Batch, known: Identities) -> Iterator[Message]:
        for block in batch.blocks():
            yield from _metrics(block, known)
        for event in batch.others():
            try:
                yield from _event(event, known)
            except InvalidValue as error:
                self._rejected.append(f"MCAP can't show this {event.kind}: {error}")


def _metrics(block: Block, known: Identities) -> Iterator[Message]:
    """A row's state is encoded once for all its numbers: the fields of a message may come in any order, and in parts."""
    metric = message("Metric")
    times, states = block.time_ns.tolist(), list(_states(block))
    for (namespace, key), values in zip(block.series, block.values, strict=True):
        name = Name("scalar", block.phase, _valid(namespace), _valid(key))
        numbers = [_VALUE.pack(_VALUE_TAG, value) for value in values.tolist()]
        if values.dtype.kind == "i":
            whole = (metric(integer=value).SerializeToString() for value in values.tolist())
            numbers = [number + one for number, one in zip(numbers, whole, strict=True)]
        for time, number, state in zip(times, numbers, states, strict=True):
            if not known or (*name[:4], time, 0) not in known:
                yield Message(name, metric, time, number + state)


def _states(block: Block) -> Iterator[bytes]:
    """A row's step, epoch, level, elapsed time and axes."""
    metric = message("Metric")
    elapsed = repeat(None) if block.elapsed_s is None else block.elapsed_s.tolist()
    axes = [_valid(name) for name in block.axes]
    held = zip(*(one.tolist() for one in block.axes.values()), strict=True) if axes else repeat(())
    for step, seconds, numbers in zip(block.step.tolist(), elapsed, held, strict=False):
        made = metric(step=step, epoch=block.epoch, level=block.level)
        if seconds is not None:
            made.elapsed_s = seconds
        for axis, number in zip(axes, numbers, strict=True):
            made.axes[axis] = number
        data: bytes = made.SerializeToString(deterministic=True)
        yield data


def _event(event: Event, known: Identities) -> Iterable[Message]:
    """The event's messages, and last what says whose they are: a chunk may end between them."""
    import crc32c

    name = Name(event.kind, event.phase, _valid(event.namespace), _valid(event.key))
    frame_id = flat_name(name.namespace, name.key)
    made, checksum = [], 0
    for one in messages(event, frame_id):
        json = isinstance(one.message, bytes)
        data = one.message if json else one.message.SerializeToString(deterministic=True)
        checksum = crc32c.crc32c(data, checksum)
        schema = f"asynclog.{event.kind.capitalize()}" if json else type(one.message)
        made.append(Message(name._replace(part=one.part), schema, event.time_ns + one.after_ns, data))
    if (*name[:4], event.time_ns, checksum) in known:
        return []
    return [*made, Message(EVENTS, message("Event"), event.time_ns, _said(event, name, checksum))]


def _said(event: Event, name: Name, checksum: int) -> bytes:
    made = message("Event")(
        kind=name.kind,
        phase=name.phase,
        namespace=name.namespace,
        key=name.key,
        step=event.step,
        epoch=event.epoch,
        level=event.level,
        caption=_valid(getattr(event.value, "caption", None) or ""),
        params="",
        crc32c=checksum,
    )
    if event.elapsed_s is not None:
        made.elapsed_s = event.elapsed_s
    for axis, held in event.axes.items():
        made.axes[_valid(axis)] = held
    if event.kind in _PARAMS:
        made.params = _valid(json_text(described(event.kind, event.value)))
    data: bytes = made.SerializeToString(deterministic=True)
    return data


def _settings(config: Any) -> dict[str, str]:
    """One level of names, each setting as JSON; a text as it is."""
    found: dict[str, str] = {}
    for name, one in config.items():
        inner = _settings(one) if isinstance(one, dict) and one else None
        if inner is None:
            found[_valid(str(name))] = _valid(one if isinstance(one, str) else json_text(one))
        else:
            found |= {f"{_valid(str(name))}.{below}": held for below, held in inner.items()}
    return found


def _valid(text: str) -> str:
    """Half a surrogate pair, as file names may hold, by its escape: MCAP's text is UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _check_installed() -> None:
    for module in ("mcap.writer", "mcap_protobuf.schema", "foxglove_schemas_protobuf"):
        try:
            import_module(module)
        except ImportError as error:
            raise ImportError("this needs mcap and Foxglove's schemas: pip install 'asynclog-stream[mcap]'") from error

"""A recording for Rerun's viewer: numbers as columns, pictures, films, sound, clouds and meshes, on every timeline they have.

The entity is /phase/namespace/key. Timelines: step, epoch, time, elapsed where the states have it, and each axis of whole
numbers. Beside each value lie components of our own, "asynclog:kind" and others; an entity's true name is its static
"asynclog:namespace" and "asynclog:key".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from asynclog.errors import InvalidValue
from asynclog.sink import Batch, Block, Event, RunInfo
from asynclog.sinks.recordings import RecordingSink
from asynclog.sinks.rerun.entities import entity, state_of, timelines, told
from asynclog.sinks.rerun.recording import Recording, complete, identities, last_time_ns
from asynclog.sinks.rerun.shown import Shown, archetypes
from asynclog.sinks.strict_json import json_text
from asynclog.sinks.successive import Earlier, Identities
from asynclog.values import Value


class Rerun(RecordingSink[Recording]):
    """An .rrd file at ``path`` (relative: in the run's directory; rank n: ``<stem>.rank<n><suffix>``).

    The application is "asynclog" and the recording's id is the run's, so that the files of all its ranks and processes are one
    recording in the viewer. A batch is in the file when it is accepted; the viewer reads along. A resumed run gives the file
    that a crash left its end, and goes on in a next one, ``<stem>.1<suffix>``; values that are delivered again, told by their
    content and time, are there once. A new run replaces its files. Whole numbers beyond 2^53 are rounded, since Rerun's are
    float64.

    Raises ImportError, naming the extra, without the SDK.
    """

    def __init__(self, path: str | Path = "run.rrd") -> None:
        super().__init__(path)
        self._named: set[str] = set()

    def _require(self) -> None:
        try:
            import rerun.chunk  # noqa: F401
        except ImportError as error:
            raise ImportError("this needs rerun-sdk: pip install 'asynclog-stream[rerun]'") from error

    def _ended(self, there: list[Path], run: RunInfo) -> Earlier:
        for one in there:
            complete(one, run.id)
        return Earlier([one for one in there if one.exists()], last_time_ns, identities)

    def _begun(self, path: Path, run: RunInfo) -> Recording:
        recording = Recording(path, run.id)
        recording.stream.send_recording_name(run.name)
        return recording

    async def run_ended(self, status: str, error: str | None) -> None:
        recording = self._opened
        recording.stream.send_property("asynclog", told({"status": status} | ({} if error is None else {"error": error})))
        recording.complete_batch()
        recording.accept()

    def _take(self, recording: Recording, batch: Batch, known: Identities) -> None:
        stream = recording.stream
        with _strict():
            for block in batch.blocks():
                self._numbers(stream, block, known)
            for event in batch.others():
                try:
                    shown = archetypes(event)
                except InvalidValue as error:
                    self._rejected.append(f"Rerun can't show this {event.kind}: {error}")
                else:
                    self._event(stream, event, shown, known)
        recording.complete_batch()

    def _numbers(self, stream: Any, block: Block, known: Identities) -> None:
        import rerun as rr

        for name, values in zip(block.series, block.values, strict=True):
            path = entity(block.phase, *name)
            part = block._replace(series=[name], values=[values])
            if known:
                fresh = np.array([(path, time, 0) not in known for time in block.time_ns.tolist()], np.bool_)
                part = _rows(part, fresh)
            if not len(part.step):
                continue
            self._name(stream, path, block.phase, *name)
            times, axes = timelines(part)
            columns = [*rr.Scalars.columns(scalars=np.ascontiguousarray(part.values[0], np.float64))]
            if axes:
                columns += rr.DynamicArchetype.columns(
                    "asynclog", components={f"axis.{axis}": held for axis, held in axes.items()}
                )
            stream.send_columns(path, times, columns)

    def _event(self, stream: Any, event: Event, shown: list[Shown], known: Identities) -> None:
        import rerun as rr

        path, checksum = entity(event.phase, event.namespace, event.key), _checksum(event)
        if (path, event.time_ns, checksum) in known:
            return
        self._name(stream, path, event.phase, event.namespace, event.key)
        times, axes = timelines(state_of(event))
        said: dict[str, Any] = {"kind": event.kind, "crc32c": np.uint32(checksum), "level": event.level}
        caption = getattr(event.value, "caption", None)
        said |= {} if caption is None else {"caption": caption}
        said |= {f"axis.{axis}": float(held[0]) for axis, held in axes.items()}
        for at, one in enumerate(shown):
            where = path if not one.below else entity(event.phase, event.namespace, event.key, *one.below)
            if one.after_ns is None:
                values = [one.archetype, told(said)] if at == 0 else [one.archetype]
                stream.send_columns(where, times, [column for value in values for column in _one_row(value)])
            else:
                moment = np.array([event.time_ns + one.after_ns], "datetime64[ns]")
                stream.send_columns(where, [rr.TimeColumn("time", timestamp=moment)], _one_row(one.archetype))

    def _name(self, stream: Any, path: str, phase: str, namespace: str, key: str) -> None:
        if path not in self._named:
            self._named.add(path)
            stream.log(path, told({"phase": phase, "namespace": namespace, "key": key}), static=True)


def _one_row(archetype: Any) -> Iterator[Any]:
    """An archetype's components as columns of one row."""
    from rerun import ComponentColumn

    for one in archetype.as_component_batches():
        yield ComponentColumn(one.component_descriptor(), one, lengths=[len(one.as_arrow_array())])


def _rows(block: Block, which: "np.ndarray[Any, np.dtype[np.bool_]]") -> Block:
    return block._replace(
        step=block.step[which],
        time_ns=block.time_ns[which],
        elapsed_s=None if block.elapsed_s is None else block.elapsed_s[which],
        axes={name: held[which] for name, held in block.axes.items()},
        values=[one[which] for one in block.values],
    )


def _checksum(event: Event) -> int:
    """Of the value as recorded."""
    import crc32c

    value = event.value
    params, arrays = value.parts() if isinstance(value, Value) else ({"value": value}, {})
    found = crc32c.crc32c(json_text(params).encode("utf-8", "backslashreplace"))
    for array in arrays.values():
        found = crc32c.crc32c(np.ascontiguousarray(array).tobytes(), found)
    return int(found)


@contextmanager
def _strict() -> Iterator[None]:
    """What the SDK can't take is an error here; by itself it would print a warning and drop it."""
    from rerun.error_utils import catch_and_log_exceptions

    with catch_and_log_exceptions("asynclog", strict=True):
        yield

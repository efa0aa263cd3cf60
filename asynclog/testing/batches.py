"""Real batches from a few lines: states and values are encoded into frames and read back as a sink gets them.

batch_of([(State(0), {"loss": 0.5, ("optim", "lr"): 1e-3}), (State(1), {"recon": Image(pixels)})])
"""

import gc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from asynclog.state import State
from asynclog.values import Array, Config, Text, Value
from asynclog.wire.batch import Batch, Events, Rows
from asynclog.wire.event import ArraySpec, event_meta, payload_offsets, split
from asynclog.wire.frame import Frame, encode, pack_meta
from asynclog.wire.layout import NONCE_BYTES, Kind
from asynclog.wire.schema import FLOAT, INTEGER, Schema, Series
from asynclog.wire.segment import Damage, Scanner
from asynclog.wire.stream import Record, StreamDecoder

Name = str | tuple[str, str]
Values = Mapping[Any, Any] | Sequence[tuple[Name, Any]]
Entry = tuple[State, Values]

FIRST_TIME_NS: Final = 1_700_000_000_000_000_137
"""No multiple of a microsecond, so that a sink that rounds times is found out."""
STEP_NS: Final = 1_000_003
_NONCE: Final = bytes(range(NONCE_BYTES))


@dataclass
class Lent:
    """A batch over memory that its owner takes back, as the engine's slabs are."""

    batch: Batch | None
    memory: bytearray

    def scribble(self) -> None:
        """Overwrite the memory under the batch, as the next values do."""
        self.memory[:] = b"\xa5" * len(self.memory)

    def is_released(self) -> bool:
        """Drop the batch; whether nothing else still looks at its memory."""
        self.batch = None
        gc.collect()
        try:
            self.memory.append(0)
        except BufferError:
            return False
        return True


def batch_of(
    entries: Iterable[Entry],
    *,
    writer: str = "test",
    epoch: int = 0,
    seq: int = 0,
    first_time_ns: int = FIRST_TIME_NS,
) -> Batch:
    """A batch of one write an entry: a State, and its values by key or (namespace, key), as a mapping or as pairs.

    Numbers, str and dict (settings) stand for themselves, all else is a value object; given as pairs, an Image may
    occur twice under one name. Writes are ``STEP_NS`` apart. Numbers come before other values of their write.
    """
    lent = lend(entries, writer=writer, epoch=epoch, seq=seq, first_time_ns=first_time_ns)
    assert lent.batch is not None
    return lent.batch


def lend(
    entries: Iterable[Entry],
    *,
    writer: str = "test",
    epoch: int = 0,
    seq: int = 0,
    first_time_ns: int = FIRST_TIME_NS,
) -> Lent:
    """The same, with the memory that the batch is a view of."""
    framing = _Framing(seq)
    for count, (state, values) in enumerate(entries):
        framing.take(state, values, first_time_ns + count * STEP_NS)
    framing.end_rows()
    memory = bytearray(b"".join(bytes(part) for frame in framing.frames for part in encode(frame, _NONCE)))
    decoder = StreamDecoder(last_seq=seq - 1)
    records: list[Record] = []
    for found in Scanner().scan(memory, final=True):
        assert not isinstance(found, Damage), found
        record = decoder.feed(found)
        if record is not None:
            records.append(record)
    parts: list[Rows | Events] = [one.part for one in records]
    frames = [one.frame for one in records]
    return Lent(Batch(parts, writer=writer, epoch=epoch, seq=seq, frames=frames, nonce=_NONCE), memory)


@dataclass
class _Framing:
    """Writes become frames: neighbours with the same numbers share one, any other value has its own."""

    seq: int
    frames: list[Frame] = field(default_factory=list)
    _schemas: dict[Any, Schema] = field(default_factory=dict)
    _open: tuple[Schema, int, str] | None = None
    _rows: list[bytes] = field(default_factory=list)
    _rows_time: int = 0

    def take(self, state: State, values: Values, time: int) -> None:
        pairs = [
            (("", name) if isinstance(name, str) else name, value)
            for name, value in (values.items() if isinstance(values, Mapping) else values)
        ]
        numbers = {name: value for name, value in pairs if isinstance(value, int | float)}
        if numbers:
            self._row(state, numbers, time)
        for (namespace, key), value in pairs:
            if not isinstance(value, int | float):
                self.end_rows()
                self._event(state, namespace, key, _value(value), time)

    def end_rows(self) -> None:
        if self._open is None:
            return
        schema, epoch, level = self._open
        meta = ({"epoch": epoch} if epoch else {}) | ({"level": level} if level != "batch" else {})
        self.frames.append(
            Frame(
                Kind.ROWS,
                seq=self.seq,
                time=self._rows_time,
                schema=schema.number,
                count=len(self._rows),
                meta_bytes=pack_meta(meta),
                payload=b"".join(self._rows),
            )
        )
        self.seq += 1
        self._open, self._rows = None, []

    def _row(self, state: State, numbers: Mapping[tuple[str, str], Any], time: int) -> None:
        codes = tuple(INTEGER if isinstance(value, int) else FLOAT for value in numbers.values())
        schema = self._schema(state, tuple(numbers), codes, time)
        if self._open != (schema, state.epoch, state.level):
            self.end_rows()
            self._open, self._rows_time = (schema, state.epoch, state.level), time
        elapsed = () if state.elapsed_s is None else (state.elapsed_s,)
        self._rows.append(schema.struct.pack(state.step, *elapsed, *state.axes.values(), *numbers.values(), time))

    def _schema(self, state: State, names: tuple[tuple[str, str], ...], codes: tuple[str, ...], time: int) -> Schema:
        identity = (state.phase, names, codes, state.elapsed_s is None, tuple(state.axes))
        schema = self._schemas.get(identity)
        if schema is None:
            self.end_rows()
            schema = self._schemas[identity] = Schema(
                len(self._schemas) + 1,
                tuple(Series(state.phase, *name, code) for name, code in zip(names, codes, strict=True)),
                elapsed=state.elapsed_s is not None,
                axes=tuple(state.axes),
            )
            self.frames.append(schema.frame(self.seq, time))
        return schema

    def _event(self, state: State, namespace: str, key: str, value: Value, time: int) -> None:
        params, arrays = split(value)
        specs = [ArraySpec(name, array.dtype.str, array.shape) for name, array in arrays.items()]
        meta = event_meta(
            kind=value.kind,
            phase=state.phase,
            namespace=namespace,
            key=key,
            step=state.step,
            epoch=state.epoch,
            level=state.level,
            elapsed_s=state.elapsed_s,
            axes=state.axes,
            due=1,
            params=params,
            arrays=specs,
        )
        payload = _payload(specs, arrays)
        self.frames.append(Frame(Kind.EVENT, seq=self.seq, time=time, count=1, meta_bytes=pack_meta(meta), payload=payload))
        self.seq += 1


def _payload(specs: list[ArraySpec], arrays: Mapping[str, Array]) -> bytes:
    offsets = payload_offsets(specs)
    payload = bytearray(offsets[-1])
    for spec, start in zip(specs, offsets, strict=False):
        payload[start : start + spec.nbytes] = np.ascontiguousarray(arrays[spec.name]).tobytes()
    return bytes(payload)


def _value(value: Any) -> Value:
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, dict):
        return Config(value)
    assert isinstance(value, Value), f"a number, a str, a dict or a value object, not {type(value).__name__}"
    return value

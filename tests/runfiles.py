"""Run directories made frame by frame, without an engine: a test says which bytes a reader meets."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asynclog.values import Value
from asynclog.wire.codec import compressed
from asynclog.wire.event import ArraySpec, event_meta, payload_offsets, split
from asynclog.wire.frame import Frame, encode, joined, pack_meta
from asynclog.wire.layout import NUMBERED, Kind
from asynclog.wire.schema import SPARSE_HEAD, Schema, Series, series_frame

START_NS = 1_700_000_000_000_000_000
MILLISECOND = 1_000_000


def make_run(directory: Path, *, name: str = "digits", run_id: str = "abc123") -> Path:
    """A run directory without streams."""
    (directory / "streams").mkdir(parents=True)
    facts = {"format": 1, "id": run_id, "name": name, "created_ns": START_NS, "host": "here"}
    (directory / "run.json").write_text(json.dumps(facts))
    return directory


class StreamWriter:
    """Writes one (writer, epoch), segment by segment. ``frames``: (path, offset, length, frame) of each."""

    def __init__(self, run: Path, writer: str = "main", epoch: int = 0, *, zstd: bool = False, rewound_to: Any = None) -> None:
        self.run, self.writer, self.epoch, self.zstd = run, writer, epoch, zstd
        self.about = {} if rewound_to is None else {"rewound_to": rewound_to}
        self.directory = run / "streams" / writer
        self.directory.mkdir(parents=True, exist_ok=True)
        self.seq, self.segment, self.events = 0, -1, 0
        self.time = START_NS + epoch * 10**12
        self.schemas: dict[int, Schema] = {}
        self.frames: list[tuple[Path, int, int, Frame]] = []
        self.open_segment()

    def open_segment(self) -> None:
        """Begin the next segment, defining again what was defined before."""
        self.segment += 1
        self.path = self.directory / f"{self.epoch:04d}-{self.segment:06d}.alog"
        self.nonce = os.urandom(8)
        self.path.touch()
        meta = {
            "format": 1, "run": "abc123", "writer": self.writer, "epoch": self.epoch, "segment": self.segment,
            "rank": 0, "host": "here", "pid": os.getpid(), "routes": [], "always": 0, "wall_ns": self.time, **self.about,
        }  # fmt: skip
        self.write(Frame(Kind.SEGMENT, seq=self.seq, time=self.time, meta_bytes=pack_meta(meta)))
        for schema in self.schemas.values():
            self.write(schema.frame(self.seq, self.time))

    def write(self, frame: Frame) -> Frame:
        """Append a frame as it is."""
        if self.zstd and frame.kind in (Kind.ROWS, Kind.EVENT):
            frame = compressed(frame)
        data = joined(encode(frame, self.nonce))
        at = self.path.stat().st_size
        with self.path.open("ab") as file:
            file.write(data)
        self.frames.append((self.path, at, len(data), frame))
        if frame.kind in NUMBERED:
            self.seq = frame.seq + 1
        return frame

    def schema(self, *series: Series, number: int = 1, **options: Any) -> Schema:
        """Define a schema in this and every following segment."""
        self.schemas[number] = Schema(number, series, **options)
        self.write(self.schemas[number].frame(self.seq, self.time))
        return self.schemas[number]

    def rows(
        self,
        schema: Schema,
        values: Sequence[Sequence[float]],
        *,
        first_step: int = 0,
        prefix: Sequence[float] = (),
        epoch: int = 0,
        times: Sequence[int] | None = None,
    ) -> Frame:
        """One ROWS frame; a row a millisecond unless ``times`` says otherwise. prefix: due, elapsed, axes of each."""
        given = list(times) if times is not None else [self.time + (at + 1) * MILLISECOND for at in range(len(values))]
        payload = b"".join(
            schema.struct.pack(first_step + at, *prefix, *row, time)
            for at, (row, time) in enumerate(zip(values, given, strict=True))
        )
        return self.packed(schema, payload, len(values), given[-1], epoch)

    def matrix(self, schema: Schema, values: np.ndarray[Any, Any], *, first_step: int = 0) -> Frame:
        """One ROWS frame of a (rows, columns) float64 matrix, fast."""
        count = len(values)
        fields = np.empty((count, values.shape[1] + 2))
        fields[:, 1:-1] = values
        fields[:, 0].view(np.int64)[:] = np.arange(first_step, first_step + count)
        fields[:, -1].view(np.int64)[:] = self.time + MILLISECOND * np.arange(1, count + 1)
        return self.packed(schema, fields.tobytes(), count, self.time + MILLISECOND * count, 0)

    def packed(self, schema: Schema, payload: bytes, count: int, time: int, epoch: int) -> Frame:
        self.time = max(self.time, time)
        self.events += count * len(schema.series)
        meta = pack_meta({"epoch": epoch} if epoch else {})
        frame = Frame(Kind.ROWS, seq=self.seq, time=time, schema=schema.number, count=count, meta_bytes=meta, payload=payload)
        return self.write(frame)

    def name_series(self, numbers: list[int], series: list[Series]) -> None:
        """Number series for SPARSE records."""
        self.write(series_frame(numbers, series, self.seq, self.time))

    def sparse(self, step: int, numbers: Sequence[int], values: Sequence[float]) -> Frame:
        """One SPARSE frame of one record."""
        self.time += MILLISECOND
        ids = np.asarray(numbers, "<u4").tobytes()
        payload = SPARSE_HEAD.pack(step, len(numbers), 0) + ids + bytes(-len(ids) % 8)
        payload += np.asarray(values, "<f8").tobytes() + self.time.to_bytes(8, "little", signed=True)
        self.events += len(numbers)
        return self.write(Frame(Kind.SPARSE, seq=self.seq, time=self.time, count=len(numbers), payload=payload))

    def event(
        self,
        key: str,
        value: Value | str | dict[str, Any] | float,
        *,
        step: int = 0,
        phase: str = "train",
        namespace: str = "",
        parts: int = 0,
        axes: Mapping[str, float] | None = None,
    ) -> Frame:
        """One EVENT frame; its payload goes ahead in ``parts`` BLOB frames if that is not 0."""
        self.time += MILLISECOND
        kind, params, arrays = _taken_apart(value)
        specs = [ArraySpec(name, array.dtype.str, array.shape) for name, array in arrays.items()]
        offsets = payload_offsets(specs)
        payload = bytearray(offsets[-1])
        for at, array in zip(offsets, arrays.values(), strict=False):
            payload[at : at + array.nbytes] = array.tobytes()
        meta = event_meta(
            kind=kind, phase=phase, namespace=namespace, key=key, step=step, epoch=0, level="batch", elapsed_s=None,
            axes=axes or {}, due=-1, params=params, arrays=specs,
        )  # fmt: skip
        if parts:
            share = -(-len(payload) // parts)
            meta["parts"] = [
                self.write(Frame(Kind.BLOB, seq=self.seq, time=self.time, payload=bytes(payload[at : at + share]))).seq
                for at in range(0, len(payload), share)
            ]
            payload = bytearray()
        self.events += 1
        frame = Frame(Kind.EVENT, seq=self.seq, time=self.time, count=1, meta_bytes=pack_meta(meta), payload=bytes(payload))
        return self.write(frame)

    def heartbeat(self, time_ns: int) -> Frame:
        return self.write(Frame(Kind.HEARTBEAT, seq=self.seq, time=time_ns))

    def gap(self, from_seq: int, to_seq: int, reason: str = "disk full") -> Frame:
        meta = pack_meta({"reason": reason, "events": to_seq - from_seq + 1, "from_seq": from_seq, "to_seq": to_seq})
        self.seq = to_seq + 1
        return self.write(Frame(Kind.GAP, seq=self.seq, time=self.time, meta_bytes=meta))

    def footer(self, status: str = "finished", **meta: Any) -> Frame:
        packed = pack_meta({"status": status, "events": self.events, **meta})
        return self.write(Frame(Kind.FOOTER, seq=self.seq, time=self.time, meta_bytes=packed))

    def rotate(self) -> None:
        """Close this segment and go on in the next."""
        self.footer("open")
        self.open_segment()


def _taken_apart(value: Value | str | dict[str, Any] | float) -> tuple[str, dict[str, Any], dict[str, Any]]:
    if isinstance(value, str):
        return "string", {"text": value}, {}
    if isinstance(value, dict):
        return "config", {"config": value}, {}
    if isinstance(value, float | int):
        return "scalar", {"value": value}, {}
    return value.kind, *split(value)


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Turn one bit of a file over."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def million(directory: Path, *, columns: int = 10, rows: int = 100_000, frame_bytes: int = 64 << 10) -> Path:
    """A finished run of one schema, as a fast loop leaves it behind."""
    run = make_run(directory)
    writer = StreamWriter(run)
    schema = writer.schema(*(Series("train", "", f"m{at}") for at in range(columns)))
    values = np.random.default_rng(0).random((rows, columns))
    share = frame_bytes // schema.stride
    for at in range(0, rows, share):
        writer.matrix(schema, values[at : at + share], first_step=at)
    writer.footer()
    return run

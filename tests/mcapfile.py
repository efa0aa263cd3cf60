"""MCAP files as a program sees them that knows the format and Foxglove's schemas, and of asynclog its topic of events."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Logged(NamedTuple):
    """A value. messages: as decoded. value: a number; None for anything else."""

    kind: str
    phase: str
    namespace: str
    key: str
    step: int
    time_ns: int
    messages: list[Any]
    value: Any = None


def decoded(path: Path) -> Iterator[tuple[Any, Any, Any]]:
    """(channel, message record, what it says) in the order of the file, which is whole or cut."""
    from mcap.exceptions import EndOfFile
    from mcap.records import Channel, Message, Schema
    from mcap.stream_reader import StreamReader
    from mcap_protobuf.decoder import DecoderFactory

    decoders = DecoderFactory()
    schemas: dict[int, Any] = {}
    channels: dict[int, Any] = {}
    with path.open("rb") as file:
        records = StreamReader(file, validate_crcs=True).records
        while True:
            try:
                record = next(records, None)
            except EndOfFile:
                return
            if record is None:
                return
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Message):
                channel = channels[record.channel_id]
                if channel.message_encoding == "json":
                    yield channel, record, json.loads(record.data)
                else:
                    decode = decoders.decoder_for("protobuf", schemas[channel.schema_id])
                    assert decode is not None
                    yield channel, record, decode(record.data)


def files(directory: Path) -> list[Path]:
    """A run's, in their order."""
    return sorted(directory.glob("run*.mcap"), key=lambda path: (len(path.name), path.name))


def logged(directory: Path) -> Iterator[Logged]:
    """All values of a run's files."""
    for path in files(directory):
        pending: dict[tuple[str, ...], list[Any]] = {}
        for channel, record, said in decoded(path):
            about = channel.metadata
            name = tuple(about.get(field, "") for field in ("kind", "phase", "namespace", "key"))
            if channel.topic == "/asynclog/events":
                its = (said.kind, said.phase, said.namespace, said.key)
                yield Logged(*its, said.step, record.log_time, pending.pop(its))
            elif name[0] == "scalar":
                value = said.integer if said.HasField("integer") else said.value
                yield Logged(*name, said.step, record.log_time, [said], value)
            else:
                pending.setdefault(name, []).append(said)

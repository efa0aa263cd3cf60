"""One MCAP file: begun, grown by whole batches, finished; and one that a crash left unfinished, made whole.

The library's writer can't take back what a full disk refused: hence a ``BatchFile`` under it.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from struct import Struct
from typing import Any, Final, NamedTuple

from asynclog.sinks.batch_file import BatchFile
from asynclog.sinks.mcap.own import message

_MAGIC: Final = b"\x89MCAP0\r\n"
_RECORD: Final = Struct("<BQ")
EVENTS_TOPIC: Final = "/asynclog/events"
_JSON_SCHEMA: Final = b'{"type": "object"}'
_LIBRARY: Final = "asynclog"


class Name(NamedTuple):
    """What a channel is for. part: which of an event's several topics."""

    kind: str
    phase: str
    namespace: str
    key: str
    part: str = ""


EVENTS: Final = Name("", "", "", "")
"""Of the messages that say whose the others are."""


class Message(NamedTuple):
    """schema: a protobuf class; the name of a JSON object where it is a text. data: encoded."""

    name: Name
    schema: Any
    time_ns: int
    data: bytes


class Recording:
    """A file that is being written."""

    def __init__(self, path: Path) -> None:
        from mcap.writer import Writer

        self._file = BatchFile(path)
        self._writer: Any = Writer(self._file)  # type: ignore[arg-type]
        self._writer.start(library=_LIBRARY)
        self._schemas: dict[str, int] = {}
        self._channels: dict[Name, int] = {}
        self._topics: dict[str, int] = {}
        self._count = 0

    def metadata(self, name: str, said: Mapping[str, str]) -> None:
        """Facts of the whole file."""
        self._writer.add_metadata(name, dict(said))

    def add(self, one: Message) -> None:
        """Into the batch that is being made."""
        self._count = (self._count + 1) % (1 << 32)
        self._writer.add_message(self._channel(one), one.time_ns, one.data, one.time_ns, self._count)

    def complete_batch(self) -> None:
        """What was added is a chunk."""
        self._writer.flush()

    def accept(self) -> None:
        """It is in the file. Raises OSError."""
        self._file.accept()

    def sync(self) -> None:
        """Return when it is on the disk."""
        self._file.sync()

    def finish(self) -> None:
        """The summary, by which readers find their way."""
        self._writer.finish()
        self._file.accept()
        self._file.close()

    def topic(self, name: Name, schema: int) -> str:
        """/phase/namespace/key; with the kind behind it where another kind has this topic."""
        wanted = "/".join(("", *filter(None, (name.phase, name.namespace, name.key, name.part))))
        for topic in (wanted, f"{wanted} ({name.kind})", f"{wanted} ({name.kind} {name.part})"):
            if self._topics.setdefault(topic, schema) == schema:
                return topic
        return wanted

    def _channel(self, one: Message) -> int:
        name = one.name
        number = self._channels.get(name)
        if number is None:
            json = isinstance(one.schema, str)
            schema = self._schema(one.schema)
            topic = EVENTS_TOPIC if name == EVENTS else self.topic(name, schema)
            metadata = {field: held for field, held in name._asdict().items() if held}
            encoding = "json" if json else "protobuf"
            number = self._channels[name] = self._writer.register_channel(topic, encoding, schema, metadata)
        return number

    def _schema(self, schema: Any) -> int:
        name = schema if isinstance(schema, str) else schema.DESCRIPTOR.full_name
        number = self._schemas.get(name)
        if number is None:
            if isinstance(schema, str):
                number = self._writer.register_schema(name, "jsonschema", _JSON_SCHEMA)
            else:
                from mcap_protobuf.schema import register_schema

                number = register_schema(self._writer, schema)
            self._schemas[name] = number
        return number


def is_finished(path: Path) -> bool:
    """Whether the file has its end."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - len(_MAGIC), 0))
        return size > 2 * len(_MAGIC) and file.read() == _MAGIC


def complete(path: Path) -> None:
    """Give a file that a crash left its end: all its whole chunks, in a new file that takes its place."""
    from mcap.records import Channel, Metadata, Schema
    from mcap.records import Message as Read
    from mcap.writer import Writer

    os.truncate(path, _whole(path))
    draft = path.with_name(f".{path.name}.part")
    schemas: dict[int, int] = {0: 0}
    channels: dict[int, int] = {}
    with draft.open("wb") as file:
        writer: Any = Writer(file)
        writer.start(library=_LIBRARY)
        for record in records(path):
            if isinstance(record, Schema) and record.id not in schemas:
                schemas[record.id] = writer.register_schema(record.name, record.encoding, record.data)
            elif isinstance(record, Channel) and record.id not in channels:
                channels[record.id] = writer.register_channel(
                    record.topic, record.message_encoding, schemas[record.schema_id], record.metadata
                )
            elif isinstance(record, Read):
                writer.add_message(
                    channels[record.channel_id], record.log_time, record.data, record.publish_time, record.sequence
                )
            elif isinstance(record, Metadata):
                writer.add_metadata(record.name, record.metadata)
        writer.finish()
    os.replace(draft, path)


def _whole(path: Path) -> int:
    """The length of the magic and of the whole records behind it: a kind of one byte, a length of eight, and so many bytes."""
    with path.open("rb") as file:
        size, at = file.seek(0, 2), len(_MAGIC)
        while at + _RECORD.size <= size:
            file.seek(at)
            _, length = _RECORD.unpack(file.read(_RECORD.size))
            if at + _RECORD.size + length > size:
                break
            at += _RECORD.size + length
        return min(at, size)


def records(path: Path) -> Iterator[Any]:
    """A file's records, whether or not it has its end."""
    from mcap.exceptions import EndOfFile
    from mcap.stream_reader import StreamReader

    if path.stat().st_size <= len(_MAGIC):
        return  # killed before its first batch
    with path.open("rb") as file:
        found = StreamReader(file, validate_crcs=True).records
        while True:
            try:
                record = next(found, None)
            except EndOfFile:
                return
            if record is None:
                return
            yield record


def identities(path: Path) -> Iterator[tuple[Any, ...]]:
    """What names each value in a file: (kind, phase, namespace, key, time_ns, CRC of its messages); 0 for a number's."""
    from mcap.records import Channel
    from mcap.records import Message as Read

    event = message("Event")
    names: dict[int, Mapping[str, str]] = {}
    for record in records(path):
        if isinstance(record, Channel):
            names[record.id] = record.metadata if record.topic != EVENTS_TOPIC else {}
        elif isinstance(record, Read):
            name = names[record.channel_id]
            if not name:
                one = event.FromString(record.data)
                yield one.kind, one.phase, one.namespace, one.key, record.log_time, one.crc32c
            elif name.get("kind") == "scalar":
                yield "scalar", name["phase"], name.get("namespace", ""), name.get("key", ""), record.log_time, 0


def last_time_ns(path: Path) -> int:
    """The latest time in a finished file."""
    from mcap.reader import make_reader

    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    return 0 if summary is None or summary.statistics is None else summary.statistics.message_end_time

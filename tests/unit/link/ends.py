"""Both ends of a link in one process, with nothing between them but what is between two processes."""

import gc
import socket
from collections.abc import Iterable
from typing import Any

import numpy as np

from asynclog.link.announcement import Announcement
from asynclog.link.channel import Channel, LocalChannel, SocketChannel
from asynclog.link.consumer import Consumer
from asynclog.link.links import Link
from asynclog.link.messages import Message
from asynclog.link.producer import Producer
from asynclog.shm.memory import create_anonymous, create_shared
from asynclog.shm.slab import Ref
from asynclog.state import State
from asynclog.wire.frame import pack_meta
from asynclog.wire.schema import Schema, Series, groups_of

START_NS = 1_700_000_000_000_000_000
LOSS = Schema(1, (Series("train", "", "loss"), Series("train", "", "lr")))
WIDE = Schema(2, (Series("valid", "", "accuracy"),))


class Ends:
    """A producer with one consumer. A dead consumer is replaced with ``replace``."""

    def __init__(self, *, quota: int = 64 << 20, threads: bool = False, create: Any = None) -> None:
        self.threads = threads
        self.heard: list[Message] = []
        self.rooms = 0
        self.time = START_NS
        self.producer = Producer(
            quota=quota,
            create=create or (create_anonymous if threads else create_shared),
            on_room=self._room,
            on_message=lambda link, message: self.heard.append(message),
        )
        self.link: Link = self.producer.attach("recorder")
        self.consumer = self.replace()
        self.defined: set[int] = set()

    def _room(self) -> None:
        self.rooms += 1

    def replace(self) -> Consumer:
        """Connect a new consumer, which goes on where the link was acknowledged."""
        here: Channel
        there: Channel
        here, there = LocalChannel.pair() if self.threads else map(SocketChannel, socket.socketpair())  # type: ignore[assignment]
        self.consumer = Consumer(there, position=self.link.acked)
        with self.producer.lock:
            self.producer.connect(self.link, here)
        return self.consumer

    def die(self, *, heard: bool = True) -> None:
        """The consumer is killed; the producer notices. heard: what it said last arrived."""
        self.consumer.channel.close()
        if heard:
            self.hear()
        self.consumer = None  # type: ignore[assignment]
        gc.collect()
        with self.producer.lock:
            self.producer.disconnect(self.link)

    def define(self, schema: Schema) -> None:
        if schema.number not in self.defined:
            self.defined.add(schema.number)
            self.producer.define(schema, groups_of(schema.series))

    def rows(self, count: int, schema: Schema = LOSS, *, state: State | None = None, key: Any = ("main",)) -> None:
        """Pack rows as the hot path does; nobody is told of them yet. Their first number is their time's last digits."""
        self.define(schema)
        key = (*key, schema.number)
        context = (state or State(0))._context
        block = self.producer.blocks.get(key)
        for _ in range(count):
            if block is None or not block.has_room(schema.stride):
                block = self.producer.open_block(key, schema, context)
            self.time += 1
            number = float(self.time - START_NS)
            numbers = [number] + [0.0] * (len(schema.series) - 1)
            schema.struct.pack_into(block.buffer, block.offset, self.time - START_NS, *numbers, self.time)
            block.offset += schema.stride

    def event(self, payload: bytes = b"", meta: bytes | None = None) -> Ref | None:
        """Announce an event, with its arrays in memory if there are any."""
        ref = None
        if payload:
            ref = self.producer.pool.allocate(len(payload))
            self.producer.pool.view(ref)[:] = payload
        self.time += 1
        self.producer.event(self.time, meta if meta is not None else pack_meta({"kind": "test"}), ref)
        self.producer.ring()
        return ref

    def hear(self) -> None:
        """The producer takes in what the consumer sent."""
        assert self.link.channel is not None
        for message, _ in self.link.channel.receive():
            with self.producer.lock:
                self.producer.received(self.link, message)

    def take(self, most_bytes: int = 1 << 30) -> list[Announcement]:
        """What the consumer is told of now."""
        while self.link.channel is not None and not self.link.channel.flush():
            self.consumer.receive()
        self.consumer.receive()
        found: list[Announcement] = []
        while self.consumer.behind:
            found.extend(self.consumer.take(most_bytes))
        return found

    def settle(self) -> None:
        """Everything the consumer let go of and took is known to the producer."""
        self.consumer.ack()
        self.consumer.channel.flush()
        self.hear()

    def numbers(self, ref: Ref, schema: Schema = LOSS) -> list[float]:
        """The first numbers of rows, and the piece is given back."""
        fields = np.frombuffer(self.consumer.lease(ref), np.float64).reshape(-1, schema.stride // 8)
        return list(map(float, fields[:, schema.first_column]))

    def all_numbers(self, found: Iterable[Any], schema: Schema = LOSS) -> list[float]:
        return [number for one in found if getattr(one, "schema", 0) == schema.number and hasattr(one, "ref")
                for number in self.numbers(one.ref, schema)]  # fmt: skip

    def close(self) -> None:
        if self.consumer is not None:
            self.consumer.channel.close()
        self.producer.close()

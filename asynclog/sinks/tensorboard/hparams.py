"""The run's settings, for the dashboard of hyperparameters: a session with its start, its settings, its end.

TensorBoard keeps the first that it reads of a session, and further settings, or a run that goes on, have to become that. So
they have a small event file of their own, which is written anew each time; its name comes before the other file's. Whoever
looks on live has read it, or is past it: for them the same stands in the other file as well. Source:
tensorboard.plugins.hparams.plugin_data.proto.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiofiles
import aiofiles.os
import numpy as np

from asynclog.sinks.tensorboard.markdown import flat
from asynclog.sinks.tensorboard.protobuf import double, fields, number, part, parts
from asynclog.sinks.tensorboard.summaries import OURS, event_record, first_record, numbers
from asynclog.sinks.tensorboard.tfrecord import HEAD, TAIL, record, records

_START, _END = "_hparams_/session_start_info", "_hparams_/session_end_info"
_NOTHING: Final = numbers(np.zeros(1, np.float32))  # what is said stands in the metadata
_SUCCESS, _FAILURE = 1, 2
_EXACT: Final = 2**53


class HyperparameterFile:
    """``learn`` what an earlier epoch has written; ``update`` and ``end`` write it anew."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._name = name
        self._settings: dict[str, Any] = {}
        self._start = 0.0
        self._latest = 0.0
        self._status: int | None = None

    async def learn(self) -> None:
        """Go on where an earlier epoch ended."""
        if not await aiofiles.os.path.exists(self.path):
            return
        async with aiofiles.open(self.path, "rb") as file:
            held = memoryview(await file.read())
        for start, end in records(held):
            for field, value in fields(held[start + HEAD.size : end - TAIL.size]):
                if field == OURS and isinstance(value, memoryview):
                    known = json.loads(bytes(value))
                    self._settings, self._start, self._latest = known["settings"], known["start"], known["latest"]

    async def update(self, config: Mapping[str, Any], time: float) -> bytes:
        """Settings of the run; later ones over earlier ones. The records for whoever looks on live."""
        settings = self._settings | {name: _plain(value) for name, value in flat(config)}
        if settings == self._settings:
            return b""
        self._settings, self._start = settings, self._start or time
        await self._write()
        return self._start_record()

    async def end(self, *, success: bool, time: float) -> bytes:
        """The run has ended, at this time or at a later one that is known. The records for whoever looks on live."""
        self._status, self._latest = _SUCCESS if success else _FAILURE, max(time, self._latest)
        if not self._settings:
            return b""
        await self._write()
        return self._end_record()

    async def _write(self) -> None:
        """In one step, so that no reader sees a part."""
        ours = json.dumps({"settings": self._settings, "start": self._start, "latest": self._latest})
        data = [
            first_record(self._start),
            self._start_record(),
            self._end_record(),
            record(double(1, self._start) + part(OURS, ours)),
        ]
        draft = self.path.with_name(f".{self.path.name.replace('tfevents', 'draft')}")
        async with aiofiles.open(draft, "wb") as file:
            await file.write(b"".join(data))
        await aiofiles.os.replace(draft, self.path)

    def _start_record(self) -> bytes:
        settings = [part(1, name) + part(2, _value(value)) for name, value in sorted(self._settings.items())]
        return _record(_START, self._start, part(3, part(4, self._name) + double(5, self._start) + parts(1, settings)))

    def _end_record(self) -> bytes:
        if self._status is None:
            return b""
        return _record(_END, self._latest, part(4, number(1, self._status) + double(2, self._latest)))


def _record(tag: str, time: float, data: bytes) -> bytes:
    value = part(1, tag) + part(9, part(1, part(1, "hparams") + part(2, data))) + part(8, _NOTHING)
    return event_record(time, 0, [value])


def _plain(value: Any) -> bool | float | str:
    """As the dashboard knows it: true or false, a number that it can compare, or text."""
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _EXACT):
        return value
    # Its JSON has no infinities.
    return value if isinstance(value, float) and value - value == 0 else str(value)


def _value(value: bool | float | str) -> bytes:
    """A google.protobuf.Value."""
    if isinstance(value, bool):
        return number(4, value)
    return part(3, value) if isinstance(value, str) else double(2, float(value))

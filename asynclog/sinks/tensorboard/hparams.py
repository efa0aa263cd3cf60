"""The run's settings, for the dashboard of hyperparameters: a session with its start, its settings, its end.

They have a small event file of their own, which is written anew when a setting comes, or the end: TensorBoard keeps the
first that it reads of them, and another setting, or a run that goes on, has to become that. Its name comes before the other
file's. Source: tensorboard.plugins.hparams.plugin_data.proto.
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
from asynclog.sinks.tensorboard.summaries import OURS, first_record, numbers
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
        self._ended: tuple[int, float] | None = None

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
                    self._settings, self._start = known["settings"], known["start"]

    async def update(self, config: Mapping[str, Any], time: float) -> None:
        """Settings of the run; later ones over earlier ones."""
        settings = self._settings | {name: _plain(value) for name, value in flat(config)}
        if settings != self._settings:
            self._settings, self._start = settings, self._start or time
            await self._write()

    async def end(self, *, success: bool, time: float) -> None:
        """The run has ended."""
        self._ended = (_SUCCESS if success else _FAILURE, time)
        if self._settings:
            await self._write()

    async def _write(self) -> None:
        """In one step, so that no reader sees a part."""
        session = part(4, self._name) + double(5, self._start)
        session += parts(1, [part(1, name) + part(2, _value(value)) for name, value in sorted(self._settings.items())])
        values = [_summary(_START, part(3, session))]
        if self._ended is not None:
            status, time = self._ended
            values.append(_summary(_END, part(4, number(1, status) + double(2, time))))
        ours = json.dumps({"settings": self._settings, "start": self._start})
        data = [first_record(self._start), *(record(double(1, self._start) + part(5, part(1, one))) for one in values)]
        draft = self.path.with_name(f".{self.path.name.replace('tfevents', 'draft')}")
        async with aiofiles.open(draft, "wb") as file:
            await file.write(b"".join([*data, record(double(1, self._start) + part(OURS, ours))]))
        await aiofiles.os.replace(draft, self.path)


def _summary(tag: str, data: bytes) -> bytes:
    return part(1, tag) + part(9, part(1, part(1, "hparams") + part(2, data))) + part(8, _NOTHING)


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

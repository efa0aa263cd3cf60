"""Batches that hold results, as a logger's route gives them, without a run around."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asynclog.integrations.threedb.hosting import HostedLogger
from asynclog.integrations.threedb.item import CHANNELS, INSIDE, ITEMS, taken_apart
from asynclog.sink import RunInfo
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.batches import STEP_NS
from asynclog.values import Record, Tensor
from asynclog.wire.batch import Batch

FIRST_NS = 1_700_000_000_000_000_137


def pairs(ix: int, item: Mapping[Any, Any], channels: Mapping[str, Any]) -> list[tuple[tuple[str, str], Any]]:
    """The values of a result's write, in the order in which they are recorded."""
    taken = taken_apart(item)
    fields = {**taken.fields, "result_ix": ix, "channels": list(channels)}
    record = Record(str(item.get("id", ix)), logger="threedb", fields=fields)
    return [
        ((ITEMS, "result"), record),
        *(((CHANNELS, name), Tensor(np.asarray(one))) for name, one in channels.items()),
        *(((INSIDE, str(at)), Tensor(np.asarray(one))) for at, one in enumerate(taken.arrays)),
    ]


def batch(results: Iterable[tuple[int, Mapping[Any, Any], Mapping[str, Any]]], *, seq: int = 0, epoch: int = 0) -> Batch:
    """Result ix is written at FIRST_NS + ix * STEP_NS."""
    listed = list(results)
    entries = [(State(ix, "test"), pairs(ix, item, channels)) for ix, item, channels in listed]
    return batch_of(entries, seq=seq, epoch=epoch, first_time_ns=FIRST_NS + listed[0][0] * STEP_NS)


def cut(ix: int, item: Mapping[Any, Any], channels: Mapping[str, Any], at: int) -> tuple[Batch, Batch]:
    """One result in two batches: its first ``at`` values, and the rest."""
    values = pairs(ix, item, channels)
    time = FIRST_NS + ix * STEP_NS
    first = batch_of([(State(ix, "test"), values[:at])], first_time_ns=time)
    return first, batch_of([(State(ix, "test"), values[at:])], seq=at, first_time_ns=time)


def simple(*numbers: int) -> list[tuple[int, dict[str, Any], dict[str, Any]]]:
    return [(ix, {"id": f"r{ix}"}, {"rgb": np.full((2, ix + 1), ix)}) for ix in numbers]


def run_info(directory: Path | None, **fields: Any) -> RunInfo:
    return RunInfo(**({"id": "id", "name": "n", "directory": directory, "writer": "main", "epoch": 0} | fields))


async def opened(logger: Any, directory: Path, run: RunInfo | None = None) -> HostedLogger:
    sink: HostedLogger = logger.as_sink({"lr": 0.1}, directory / "sinks" / "mine", directory / "sinks" / "mine")
    await sink.open(run or run_info(directory))
    return sink

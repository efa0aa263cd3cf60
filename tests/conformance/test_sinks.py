"""Our own sinks take the public exam."""

import asyncio
import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from asynclog.sink import BaseSink, Sink
from asynclog.sinks import CSV, Alerts, Console, JSONLines, LogFile, Memory, Progress
from asynclog.sinks.alerts import Above, Below, Ended, Jump, NotFinite, Silent
from asynclog.testing import Delivered, SinkTests, batch_of, strategies

_SECTIONS = {"metrics": "scalar", "text": "string", "config": "config"}


def lines_of(path: Path) -> Iterable[Delivered]:
    """A JSONLines file, read by a parser that takes no bare NaN."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        record = json.loads(line, parse_constant=lambda token: pytest.fail(f"{token} is no JSON"))
        for section in ("metrics", "text", "config", "media"):
            for name, value in record.get(section, {}).items():
                kind = value["kind"] if section == "media" else _SECTIONS[section]
                yield Delivered(kind, record["phase"], "", name, record["step"], value)


def wide_cells(path: Path) -> Iterable[Delivered]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    assert header[:4] == ["step", "phase", "epoch", "time"]
    for row in rows:
        assert len(row) == len(header)
        for name, value in zip(header[4:], row[4:], strict=True):
            if value and name not in ("elapsed_s", "level", "samples"):
                yield Delivered("", row[1], "", "step" if name == "/step" else name, int(row[0]), value)


def long_rows(path: Path) -> Iterable[Delivered]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, strict=True):
            yield Delivered(row["kind"], row["phase"], row["namespace"], row["key"], int(row["step"]), row["value"])


class TestJSONLines(SinkTests):
    def make_sink(self, tmp_path: Path) -> Sink:
        return JSONLines("metrics.jsonl")

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        return lines_of(tmp_path / "run" / "metrics.jsonl")


class TestLogFile(SinkTests):
    """It has no reader that could tell a name from its value."""

    def make_sink(self, tmp_path: Path) -> Sink:
        return LogFile("log.txt")


class TestWideCSV(SinkTests):
    def make_sink(self, tmp_path: Path) -> Sink:
        return CSV("metrics.csv")

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        return wide_cells(tmp_path / "run" / "metrics.csv")


class TestLongCSV(SinkTests):
    def make_sink(self, tmp_path: Path) -> Sink:
        return CSV("metrics.csv", layout="long")

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        return long_rows(tmp_path / "run" / "metrics.csv")


class TestMemory(SinkTests):
    def make_sink(self, tmp_path: Path) -> Sink:
        return Memory()

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        return [Delivered(*one[:5], one.value) for one in sink.events]


class TestConsoleLines(SinkTests):
    def make_sink(self, tmp_path: Path) -> Sink:
        return Console(io.StringIO(), tree=False)


class TestConsoleTree(SinkTests):
    # Three thousand trees take half a minute under the tracer of a busy machine.
    patience_s = 55.0

    def make_sink(self, tmp_path: Path) -> Sink:
        return Console(io.StringIO(), tree=True)


class TestProgressBars(SinkTests):
    # Under the tracer of a busy machine a look takes long.
    patience_s = 55.0

    def make_sink(self, tmp_path: Path) -> Sink:
        return Progress({"train": 10}, per_epoch={"valid": 3}, file=io.StringIO(), live=True, refresh=0.01)


class TestProgressLines(SinkTests):
    def make_sink(self, tmp_path: Path) -> Sink:
        return Progress(file=io.StringIO(), live=False, every=0.001, refresh=0.01)


class TestAlerts(SinkTests):
    """It shows nothing of what is logged, only what is wrong with it."""

    def make_sink(self, tmp_path: Path) -> Sink:
        rules = [NotFinite(), Above("*", 0, cooldown=0), Jump("*", over=3, cooldown=0), Silent(30), Ended()]
        return Alerts(rules, {"told": lambda alert: None})


class TestTravellingAlerts(SinkTests):
    def make_sink(self, tmp_path: Path) -> Sink:
        return Alerts([NotFinite(to=()), Below("*", 0, points=2, to=())], {})


class Kinds(BaseSink):
    """A user's sink of hooks."""

    ephemeral = True

    def __init__(self) -> None:
        self.taken: list[Delivered] = []

    def log_scalar(self, key: str, value: float, state: Any, namespace: str) -> None:
        self.taken.append(Delivered("scalar", state.phase, namespace, key, state.step, value))

    async def log_string(self, key: str, value: str, state: Any, namespace: str) -> None:
        await asyncio.sleep(0)
        self.taken.append(Delivered("string", state.phase, namespace, key, state.step, value))


class TestBaseSink(SinkTests):
    kinds = ("scalar", "string")

    def make_sink(self, tmp_path: Path) -> Sink:
        return Kinds()

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        return sink.taken


@pytest.mark.parametrize("exam", [TestJSONLines, TestLongCSV, TestWideCSV, TestMemory, TestConsoleLines])
@given(entries=strategies.entries())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_is_logged_is_delivered(tmp_path: Path, exam: type[SinkTests], entries: list[Any]) -> None:
    """Any state, name, number and value."""
    case = exam()
    sink = case.make_sink(tmp_path)
    asyncio.run(case._delivery(sink, tmp_path, [batch_of(entries[:3]), batch_of(entries[3:])]))
    if exam is not TestWideCSV:  # its empty text, and axes named like keys, can't be told from nothing
        case._check(sink, tmp_path, entries)

import asyncio
import json
import math
import resource
from pathlib import Path

import pytest

from asynclog.sinks import JSONLines
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.examples import every_kind
from tests.unit.sinks.sinkrun import deliver, run_info

FIRST = [(State(step), {"loss": step / 4}) for step in range(3)]
LATER = [(State(step), {"loss": step / 4}) for step in range(3, 6)]
AN_HOUR_LATER = 1_700_003_600_000_000_000


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_write_is_one_line(tmp_path: Path) -> None:
    """State, time to the nanosecond, and the numbers under their joined names."""
    entries = [(State(3), {"loss": 0.25, ("optim", "lr"): 1e-3, "count": 2})]
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of(entries)])
    assert (tmp_path / "m.jsonl").read_text() == (
        '{"step": 3, "phase": "train", "time": 1700000000.000000137, '
        '"metrics": {"loss": 0.25, "optim/lr": 0.001, "count": 2}}\n'
    )


def test_what_is_not_usual_in_a_state_is_there(tmp_path: Path) -> None:
    """Epoch, level, elapsed time and axes appear only where they say something."""
    state = State(1, "valid", 2, 3.5, "epoch", {"samples": 64.0})
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of([(state, {"loss": 1.0})])])
    (line,) = lines(tmp_path / "m.jsonl")
    assert line == {
        "step": 1,
        "phase": "valid",
        "epoch": 2,
        "level": "epoch",
        "elapsed_s": 3.5,
        "axes": {"samples": 64.0},
        "time": 1700000000.000000137,
        "metrics": {"loss": 1.0},
    }


def test_numbers_that_json_lacks_are_strings(tmp_path: Path) -> None:
    """``float`` reads them back, and a strict parser takes the line."""
    values = {"a": math.nan, "b": math.inf, "c": -math.inf}
    entries = [(State(0), values), (State(1), {**values, "settings": {"clip": math.inf}})]
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of(entries)])
    for line in lines(tmp_path / "m.jsonl"):
        assert line["metrics"] == {"a": "NaN", "b": "Infinity", "c": "-Infinity"}
    assert line["config"] == {"settings": {"clip": "Infinity"}}


def test_media_are_described_and_not_inlined(tmp_path: Path) -> None:
    """Shape, dtype, bounds and parameters of each array; no samples."""
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of([(State(0), every_kind())])])
    (line,) = lines(tmp_path / "m.jsonl")
    media = line["media"]
    assert isinstance(media, dict)
    assert media["audio"]["shape"] == [2, 50]
    assert media["audio"]["sample_rate"] == 8000
    assert -1 <= media["audio"]["min"] < media["audio"]["max"] <= 1
    assert media["point cloud"]["colors"]["dtype"] == "uint8"
    assert media["histogram"]["bins"] == 3
    assert media["tensor"]["max"] == "Infinity"
    assert "min" not in media["tensor without items"]
    assert line["text"] == {"string": 'text with "quotes", commas\nand 🎲'}


def test_a_name_that_occurs_twice_takes_a_second_line(tmp_path: Path) -> None:
    """A JSON object holds a name once; nothing replaces anything."""
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of([(State(0), {("a", "b"): 1.0, ("", "a/b"): 2.0})])])
    first, second = lines(tmp_path / "m.jsonl")
    assert (first["metrics"], second["metrics"]) == ({"a/b": 1.0}, {"a/b": 2.0})
    assert (first["step"], first["time"]) == (second["step"], second["time"])


def test_a_new_run_begins_anew_and_a_resumed_one_goes_on(tmp_path: Path) -> None:
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of(FIRST)])
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of(LATER, first_time_ns=AN_HOUR_LATER)], resumed=True)
    assert [line["step"] for line in lines(tmp_path / "m.jsonl")] == [0, 1, 2, 3, 4, 5]
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of(LATER)])
    assert [line["step"] for line in lines(tmp_path / "m.jsonl")] == [3, 4, 5]


def test_a_cut_line_is_removed_and_its_batch_written_once(tmp_path: Path) -> None:
    """A crash within a write; the batch in flight comes again."""
    path = tmp_path / "m.jsonl"
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of(FIRST)])
    path.write_bytes(path.read_bytes()[:-10])
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of(FIRST + LATER)], resumed=True)
    assert [line["step"] for line in lines(path)] == [0, 1, 2, 3, 4, 5]


def test_equal_values_of_a_later_write_are_no_repeat(tmp_path: Path) -> None:
    """A repeat has the same time, to the nanosecond."""
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of(FIRST)])
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of(FIRST, first_time_ns=AN_HOUR_LATER)], resumed=True)
    assert len(lines(tmp_path / "m.jsonl")) == 6


def test_a_long_last_line_is_found_whole(tmp_path: Path) -> None:
    """Longer than the part of the file that is looked at first."""
    path = tmp_path / "m.jsonl"
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of([(State(0), {"loss": 1.0})])])
    with path.open("ab") as file:
        file.write(b"x" * (5 << 20))
    deliver(JSONLines("m.jsonl"), tmp_path, [batch_of(LATER)], resumed=True)
    assert [line["step"] for line in lines(path)] == [0, 3, 4, 5]


def test_a_batch_that_did_not_fit_stands_there_once_after_the_retry(tmp_path: Path) -> None:
    """The disk refuses in the middle of a batch; the same batch comes again."""
    batch = batch_of([(State(step), {f"key{key}": step / 7 for key in range(10)}) for step in range(3000)])

    async def exercise() -> None:
        sink = JSONLines("m.jsonl")
        await sink.open(run_info(tmp_path))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                await sink.write(batch)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await sink.write(batch)
        await sink.aclose()

    asyncio.run(exercise())
    assert [line["step"] for line in lines(tmp_path / "m.jsonl")] == list(range(3000))


def test_a_cancelled_write_leaves_nothing_behind(tmp_path: Path) -> None:
    """Closed after it, the file holds whole batches only."""
    batch = batch_of([(State(step), {f"key{key}": step / 7 for key in range(10)}) for step in range(3000)])

    async def exercise() -> None:
        sink = JSONLines("m.jsonl")
        await sink.open(run_info(tmp_path))
        task = asyncio.ensure_future(sink.write(batch))
        while not await asyncio.to_thread((tmp_path / "m.jsonl").read_bytes):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await sink.aclose()

    asyncio.run(exercise())
    assert (tmp_path / "m.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("path", "rank", "expected"),
    [
        ("m.jsonl", 0, "run/m.jsonl"),
        ("deep/er/m.jsonl", 0, "run/deep/er/m.jsonl"),
        ("m.jsonl", 3, "run/m.rank3.jsonl"),
        ("{elsewhere}/m.jsonl", 0, "elsewhere/m.jsonl"),
    ],
)
def test_where_the_file_lies(tmp_path: Path, path: str, rank: int, expected: str) -> None:
    """Relative to the run; a file of its own for each rank, since a text file can't have two writers."""
    wanted = path.format(elsewhere=tmp_path / "elsewhere")
    deliver(JSONLines(wanted), tmp_path / "run", [batch_of(FIRST)], rank=rank)
    assert len(lines(tmp_path / expected)) == 3


def test_an_unwritable_place_says_so_on_opening(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        deliver(JSONLines("file/m.jsonl"), tmp_path, [])

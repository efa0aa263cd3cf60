"""Rerun: entities, timelines, what lies below a value, and what a crash leaves."""

import asyncio
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.sinks import Rerun
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.examples import every_kind
from asynclog.values import Image, PointCloud, Record, Tensor, Video
from tests.rrdfile import files, logged, rows
from tests.unit.sinks.sinkrun import deliver, run_info

for library in ("rerun.chunk", "PIL", "av", "soundfile"):
    pytest.importorskip(library)
pytestmark = pytest.mark.blocking

START_NS = 1_700_000_000_000_000_137


def values(directory: Path) -> list[tuple[str, dict[str, Any]]]:
    """(entity, what it has) of each row that has a time."""
    found = [one for path in files(directory) for one in rows(path)]
    return [(entity, {name: one for name, one in row.items() if one is not None}) for entity, row in found if "time" in row]


def test_a_number_is_on_every_timeline_that_its_state_has(tmp_path: Path) -> None:
    """Axes of whole numbers are timelines; others stand beside it."""
    state = State(3, "valid", 2, 1.5, "epoch", {"samples": 64.0, "step": 5.0, "temperature": 0.5})
    deliver(Rerun(), tmp_path, [batch_of([(state, {("net", "loss"): 0.25})], first_time_ns=START_NS)])
    ((entity, row),) = values(tmp_path)
    assert entity == "/valid/net/loss"
    assert row["time"] == START_NS
    assert (row["step"], row["epoch"], row["samples"], row["step (axis)"]) == (3, 2, 64, 5)
    assert row["elapsed"].total_seconds() == 1.5
    assert (row["Scalars:scalars"], row["asynclog:axis.temperature"]) == ([0.25], [0.5])
    assert "log_time" not in row
    assert "log_tick" not in row


def test_names_that_differ_are_entities_that_differ(tmp_path: Path) -> None:
    names = ["a/b", "a//b", "/a/b", "a/b/", "a/%/b", "a/%25/b", "a b", "a_b", "a\\b", "%boxes", "..", "."]
    deliver(Rerun(), tmp_path, [batch_of([(State(0), {name: float(at) for at, name in enumerate(names)})])])
    found = {row["Scalars:scalars"][0]: entity for entity, row in values(tmp_path)}
    assert len(set(found.values())) == len(names)
    assert sorted(one.key for one in logged(tmp_path)) == sorted(names)


def test_the_recording_is_the_runs(tmp_path: Path) -> None:
    from rerun.chunk import RrdReader

    for rank in (0, 2):
        deliver(Rerun(), tmp_path, [batch_of([(State(0), {"loss": 1.0})])], rank=rank, id="the-run", name="digits")
    for name in ("run.rrd", "run.rank2.rrd"):
        (recording,) = RrdReader(tmp_path / name).recordings()
        assert (recording.application_id, recording.recording_id) == ("asynclog", "the-run")
    properties = [row for entity, row in rows(tmp_path / "run.rrd") if entity == "/__properties"]
    assert ["digits"] in [row.get("RecordingInfo:name") for row in properties]


def test_masks_and_boxes_lie_below_the_image(tmp_path: Path) -> None:
    """In its own pixels."""
    image = every_kind()["image with masks"]
    deliver(Rerun(), tmp_path, [batch_of([(State(0), {"scan": image})])])
    found = dict(values(tmp_path))
    assert set(found) == {"/train/scan", "/train/scan/\\%mask/\\%lungs", "/train/scan/\\%boxes"}
    (form,) = found["/train/scan/\\%mask/\\%lungs"]["SegmentationImage:format"]
    assert (form["height"], form["width"]) == (4, 5)
    assert found["/train/scan/\\%boxes"]["Boxes2D:labels"] == ["heart"]
    assert found["/train/scan/\\%boxes"]["Boxes2D:half_sizes"] == [[1.0, 1.0]]


def test_boxes_lie_below_the_cloud(tmp_path: Path) -> None:
    boxes = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0, math.pi / 2]])
    points = np.zeros((3000, 3), np.float32)
    deliver(Rerun(), tmp_path, [batch_of([(State(0), {"scan": PointCloud(points, labels=np.arange(3000), boxes=boxes)})])])
    found = dict(values(tmp_path))
    assert len(found["/train/scan"]["Points3D:positions"]) == len(found["/train/scan"]["Points3D:class_ids"]) == 3000
    below = found["/train/scan/\\%boxes"]
    assert below["Boxes3D:half_sizes"] == [[2.0, 2.5, 3.0]]
    assert np.allclose(below["Boxes3D:quaternions"], [[0, 0, math.sqrt(0.5), math.sqrt(0.5)]])


def test_a_film_plays_on_the_timeline_of_time(tmp_path: Path) -> None:
    deliver(
        Rerun(),
        tmp_path,
        [batch_of([(State(4), {"film": Video(np.zeros((3, 3, 32, 32), np.uint8), fps=4.0)})], first_time_ns=START_NS)],
    )
    film, *frames = (row for _, row in values(tmp_path))
    assert (film["step"], film["AssetVideo:media_type"]) == (4, ["video/mp4"])
    assert [one["time"] - START_NS for one in frames] == [0, 250_000_000, 500_000_000]
    assert all("step" not in one for one in frames)


def test_numbers_that_rerun_has_not_are_told_in_others(tmp_path: Path) -> None:
    arrays = {"c": np.array([1 + 2j]), "b": np.array([True]), "l": np.array([0.5], np.longdouble), "s": np.array([3], ">i4")}
    deliver(Rerun(), tmp_path, [batch_of([(State(0), {name: Tensor(array) for name, array in arrays.items()})])])
    c, b, long, swapped = (row["Tensor:data"][0] for _, row in values(tmp_path))
    assert (c["buffer"], c["shape"], b["buffer"]) == ([1.0, 2.0], [1, 2], [1])
    assert (long["buffer"], swapped["buffer"]) == ([0.5], [3])


def test_records_have_levels(tmp_path: Path) -> None:
    records = [(f"{level}", Record("said", level)) for level in (5, 10, 35, 60)]
    deliver(Rerun(), tmp_path, [batch_of([(State(0), records)])])
    assert [row["TextLog:level"] for _, row in values(tmp_path)] == [["TRACE"], ["DEBUG"], ["WARN"], ["CRITICAL"]]


def batches(first: int, last: int) -> list[Any]:
    return [
        batch_of([(State(at), {"loss": at / 2, **every_kind(at)})], seq=at, first_time_ns=START_NS + at * 10**9)
        for at in range(first, last)
    ]


def cut_file(directory: Path, cut: int) -> None:
    """As a kill leaves it in the midst of a write: what was there before the last process closed it, less some bytes."""

    async def delivery() -> None:
        sink = Rerun()
        await sink.open(run_info(directory))
        for batch in batches(0, 3):
            await sink.write(batch)
        await sink.flush()
        content = (directory / "run.rrd").read_bytes()
        await sink.aclose()
        (directory / "run.rrd").write_bytes(content[: max(len(content) - cut, 0)])

    asyncio.run(delivery())


@pytest.mark.parametrize("cut", [0, 1, 5000, 1 << 30])
def test_a_file_that_a_crash_left_gets_its_end_and_lacks_nothing(tmp_path: Path, cut: int) -> None:
    """The next process goes on in another; what is delivered again is there once."""
    from rerun.chunk import RrdReader

    cut_file(tmp_path, cut)
    deliver(Rerun(), tmp_path, batches(0, 5), epoch=1, resumed=True)
    whole = [path.name for path in files(tmp_path) if RrdReader(path).store() is not None]
    assert whole == (["run.rrd", "run.1.rrd"] if cut < 1 << 30 else ["run.rrd"])
    found = [(one.kind, one.key, one.step) for one in logged(tmp_path)]
    # A file has no place in a recording.
    events = (event for batch in batches(0, 5) for event in batch if event.kind != "artifact")
    expected = [(event.kind, event.key, event.step) for event in events]
    assert sorted(found) == sorted(expected)


def test_a_full_disk_costs_delay_alone(tmp_path: Path) -> None:
    """What was refused comes again, and the file is as if nothing had happened."""
    import resource

    sink = Rerun()
    first = batch_of([(State(0), {"loss": 1.0})])
    second = batch_of([(State(at), {"loss": at * math.pi}) for at in range(1, 5000)], seq=1, first_time_ns=START_NS + 10**9)

    async def delivery() -> None:
        await sink.open(run_info(tmp_path))
        await sink.write(first)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "run.rrd").stat().st_size + 2000, before[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                await sink.write(second)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await sink.write(second)
        await sink.aclose()

    asyncio.run(delivery())
    assert [one.step for one in logged(tmp_path)] == list(range(5000))
    assert [path.name for path in files(tmp_path)] == ["run.rrd"]


def test_an_image_keeps_its_caption(tmp_path: Path) -> None:
    deliver(Rerun(), tmp_path, [batch_of([(State(0), {"cat": Image(np.zeros((4, 4), np.uint8), caption="a cat")})])])
    ((_, row),) = values(tmp_path)
    assert (row["asynclog:caption"], row["asynclog:kind"]) == (["a cat"], ["image"])

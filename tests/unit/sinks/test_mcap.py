"""MCAP: topics, schemas, what is beside a value, and what a crash leaves."""

import asyncio
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.sinks import MCAP
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.examples import ODD_NUMBERS, every_kind
from asynclog.values import Image, Mesh, PointCloud, Record, Video
from tests.mcapfile import decoded, files, logged
from tests.unit.sinks.sinkrun import deliver, run_info

for library in ("mcap", "mcap_protobuf", "foxglove_schemas_protobuf", "PIL"):
    pytest.importorskip(library)
pytestmark = pytest.mark.blocking

START_NS = 1_700_000_000_000_000_137
POINTS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def messages(directory: Path) -> list[tuple[str, str, int, Any]]:
    """(topic, what it says it is, time, message)"""
    return [
        (channel.topic, channel.metadata.get("kind", ""), record.log_time, said)
        for path in files(directory)
        for channel, record, said in decoded(path)
    ]


def metadata(path: Path) -> dict[str, dict[str, str]]:
    from mcap.reader import make_reader

    with path.open("rb") as file:
        return {one.name: one.metadata for one in make_reader(file, validate_crcs=True).iter_metadata()}


def test_a_number_has_its_state_and_every_bit(tmp_path: Path) -> None:
    """Infinities, NaN, and whole numbers that float64 rounds, on /phase/namespace/key."""
    state = State(-3, "valid", 2, 1.5, "epoch", {"samples": 64.0, "version": 2.0})
    entries = [(state, {("net", "loss"): 0.5}), *((State(step), {"n": one}) for step, one in enumerate(ODD_NUMBERS))]
    deliver(MCAP(), tmp_path, [batch_of(entries, first_time_ns=START_NS)])
    (topic, _, time, first), *others = messages(tmp_path)
    assert (topic, time) == ("/valid/net/loss", START_NS)
    assert (first.value, first.step, first.epoch, first.level, first.elapsed_s) == (0.5, -3, 2, "epoch", 1.5)
    assert dict(first.axes) == {"samples": 64.0, "version": 2.0}
    for number, (topic, _, _, said) in zip(sorted(ODD_NUMBERS, key=lambda one: type(one) is int), others, strict=True):
        assert topic == "/train/n"
        assert said.HasField("integer") == (type(number) is int)
        assert repr(said.integer if type(number) is int else said.value) == repr(number)
        assert not said.HasField("elapsed_s")


def test_two_kinds_of_one_name_have_topics_of_their_own(tmp_path: Path) -> None:
    """A topic has one schema."""
    deliver(MCAP(), tmp_path, [batch_of([(State(0), [("x", 1.0), ("x", "text"), ("x", Record("a record"))])])])
    topics = {(topic, kind) for topic, kind, _, _ in messages(tmp_path) if kind}
    assert topics == {("/train/x", "scalar"), ("/train/x (string)", "string"), ("/train/x (record)", "record")}


def test_a_film_is_a_message_a_frame_at_the_frames_time(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    clip = np.zeros((5, 3, 33, 17), np.uint8)
    clip[:, 1] = np.arange(5)[:, None, None] * 40
    deliver(MCAP(), tmp_path, [batch_of([(State(0), {"film": Video(clip, fps=4.0)})], first_time_ns=START_NS)])
    *frames, (topic, _, time, said) = messages(tmp_path)
    assert [one[2] - START_NS for one in frames] == [0, 250_000_000, 500_000_000, 750_000_000, 1_000_000_000]
    assert (topic, time, said.kind, said.step) == ("/asynclog/events", START_NS, "video", 0)
    assert frames[1][3].timestamp.ToNanoseconds() == START_NS + 250_000_000
    codec = av.CodecContext.create("h264", "r")
    shown = [frame for one in frames for frame in codec.decode(av.Packet(one[3].data))] + codec.decode(None)
    assert len(shown) == 5
    assert abs(int(shown[4].to_ndarray(format="rgb24")[..., 1].mean()) - 160) < 8


def test_a_cloud_has_all_its_points_and_its_boxes_beside_it(tmp_path: Path) -> None:
    """Whatever few are drawn elsewhere; a turn about z by 90°."""
    boxes = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0, math.pi / 2]])
    colors = np.arange(15, dtype=np.uint8).reshape(5, 3)
    cloud = PointCloud(POINTS, colors, boxes=boxes, box_labels=["car"], most=2)
    deliver(MCAP(), tmp_path, [batch_of([(State(0), {"scan": cloud})])])
    (topic, _, _, points), (beside, _, _, scene), _ = messages(tmp_path)
    assert (topic, beside) == ("/train/scan", "/train/scan/boxes")
    rows = np.frombuffer(points.data, [*((axis, "<f4") for axis in "xyz"), ("rgba", "u1", 4)])
    assert np.array_equal(np.stack([rows[axis] for axis in "xyz"], 1), POINTS)
    assert np.array_equal(rows["rgba"][:, :3], colors)
    assert (points.point_stride, [(one.name, one.offset) for one in points.fields][3]) == (16, ("red", 12))
    (cube,) = scene.entities[0].cubes
    turn = cube.pose.orientation
    assert (cube.pose.position.y, cube.size.z) == (2.0, 6.0)
    assert np.allclose((turn.x, turn.y, turn.z, turn.w), (0, 0, math.sqrt(0.5), math.sqrt(0.5)))
    assert scene.entities[0].texts[0].text == "car"


def test_a_mesh_is_triangles_in_its_colours(tmp_path: Path) -> None:
    mesh = Mesh(POINTS[:4], np.array([[0, 1, 2], [0, 2, 3]]), colors=np.full((4, 3), 51, np.uint8))
    deliver(MCAP(), tmp_path, [batch_of([(State(0), {"mesh": mesh})])])
    (triangles,) = messages(tmp_path)[0][3].entities[0].triangles
    assert [(one.x, one.y, one.z) for one in triangles.points] == [tuple(row) for row in POINTS[:4].tolist()]
    assert list(triangles.indices) == [0, 1, 2, 0, 2, 3]
    assert [round(one.r, 3) for one in triangles.colors] == [0.2] * 4
    assert triangles.colors[0].a == 1.0


def test_beside_a_value_stands_what_its_schema_has_no_place_for(tmp_path: Path) -> None:
    image = Image(np.zeros((3, 4, 5), np.uint8), caption="a cat")
    state = State(7, "test", 1, axes={"samples": 2.5})
    deliver(MCAP(), tmp_path, [batch_of([(state, {("net", "recon"): image})])])
    said = messages(tmp_path)[1][3]
    assert (said.kind, said.phase, said.namespace, said.key) == ("image", "test", "net", "recon")
    assert (said.step, said.epoch, said.caption, dict(said.axes)) == (7, 1, "a cat", {"samples": 2.5})
    assert '"shape": [3, 4, 5]' in said.params


def test_levels_and_places_of_records_are_foxgloves(tmp_path: Path) -> None:
    records = [
        ("a", Record("low", 5)),
        ("b", Record("odd", 35, "os", "disk.py:7", exception="Traceback")),
        ("c", Record("x", 50)),
    ]
    deliver(MCAP(), tmp_path, [batch_of([(State(0), records)])])
    low, odd, high = (said for topic, _, _, said in messages(tmp_path) if topic != "/asynclog/events")
    assert (low.level, odd.level, high.level) == (1, 3, 5)
    assert (odd.name, odd.file, odd.line, odd.message) == ("os", "disk.py", 7, "odd\nTraceback")


def test_settings_and_the_end_are_metadata_of_the_file(tmp_path: Path) -> None:
    async def delivery() -> None:
        sink = MCAP()
        await sink.open(run_info(tmp_path, config={"lr": 0.1}))
        await sink.write(batch_of([(State(0), {"settings": {"optimizer": {"name": "adam", "lr": math.inf}}})]))
        await sink.run_ended("failed", "ValueError: no")
        await sink.aclose()

    asyncio.run(delivery())
    found = metadata(tmp_path / "run.mcap")
    assert found["asynclog.run"]["id"] == "r"
    assert found["asynclog.config"] == {"optimizer.name": "adam", "optimizer.lr": '"Infinity"'}
    assert found["asynclog.end"] == {"status": "failed", "error": "ValueError: no"}


def batches(first: int, last: int) -> list[Any]:
    return [
        batch_of([(State(at), {"loss": at / 2, **every_kind(at)})], seq=at, first_time_ns=START_NS + at * 10**9)
        for at in range(first, last)
    ]


async def killed(directory: Path, given: list[Any], cut: int) -> None:
    """As a kill leaves it: what was there before the sink was closed, less some bytes."""
    sink = MCAP()
    await sink.open(run_info(directory))
    for batch in given:
        await sink.write(batch)
    content = (directory / "run.mcap").read_bytes()
    await sink.aclose()
    (directory / "run.mcap").write_bytes(content[: max(len(content) - cut, 0)])


@pytest.mark.parametrize("cut", [0, 1, 500, 5000, 1 << 30])
def test_a_file_that_a_crash_left_is_finished_and_lacks_nothing(tmp_path: Path, cut: int) -> None:
    """The next process finishes it and goes on in another; what is delivered again is there once."""
    for library in ("av", "soundfile"):
        pytest.importorskip(library)
    asyncio.run(killed(tmp_path, batches(0, 3), cut))
    path = tmp_path / "run.mcap"
    deliver(MCAP(), tmp_path, batches(0, 5), epoch=1, resumed=True)
    assert [path.name for path in files(tmp_path)] == ["run.mcap", "run.1.mcap"]
    assert metadata(path).get("asynclog.run", {}).get("epoch") == ("0" if cut < 1 << 30 else None)
    found = [(one.kind, one.key, one.step) for one in logged(tmp_path)]
    # A file has no place in a recording.
    events = (event for batch in batches(0, 5) for event in batch if event.kind != "artifact")
    expected = [(event.kind, event.key, event.step) for event in events]
    assert sorted(found) == sorted(expected)


def test_a_new_run_replaces_all_files_of_the_old_one(tmp_path: Path) -> None:
    deliver(MCAP(), tmp_path, batches(0, 1))
    deliver(MCAP(), tmp_path, batches(1, 2), epoch=1, resumed=True)
    deliver(MCAP(), tmp_path, [batch_of([(State(0), {"new": 1.0})])])
    assert [path.name for path in files(tmp_path)] == ["run.mcap"]
    assert [one.key for one in logged(tmp_path)] == ["new"]


def test_a_full_disk_costs_delay_alone(tmp_path: Path) -> None:
    """What was refused comes again, and the file is as if nothing had happened."""
    import resource

    sink = MCAP()
    batch = batch_of([(State(at), {"loss": at * math.pi, "x": at**3}) for at in range(3000)])

    async def delivery() -> None:
        await sink.open(run_info(tmp_path))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, before[1]))
        try:
            with pytest.raises(OSError, match="too large"):
                await sink.write(batch)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await sink.write(batch)
        await sink.aclose()

    asyncio.run(delivery())
    assert len(list(logged(tmp_path))) == 6000
    assert metadata(tmp_path / "run.mcap")

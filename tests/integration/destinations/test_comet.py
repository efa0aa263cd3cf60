"""Comet's offline archive: the messages that its uploader would send, and the files they name."""

import asyncio
import csv
import io
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import asynclog as al
from asynclog.sink import RunInfo
from asynclog.testing import batch_of
from tests.integration.destinations import media_files
from tests.integration.destinations.comet_archives import Told, name_of, told_below
from tests.integration.destinations.exam import DestinationTests, Reading, Shown

pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


class TestComet(DestinationTests):
    destination: ClassVar[str] = "Comet"
    reader: ClassVar[str] = "`comet_ml`'s own schemas and histogram, from the archive"
    needs: ClassVar[tuple[str, ...]] = ("comet_ml", "PIL", "soundfile", "av", "trimesh")
    shows: ClassVar[dict[str, str]] = {
        "scalar": "metric",
        "string": "text sample",
        "record": "text sample",
        "rollout": "text sample",
        "image": "image",
        "spectrogram": "image",
        "audio": "audio",
        "video": "video",
        "histogram": "histogram, in Comet's bins",
        "point_cloud": "3D scene",
        "mesh": "GLB asset",
        "table": "CSV asset",
        "tensor": "NPY asset",
        "config": "parameters",
    }
    tolerance: ClassVar[dict[str, float]] = {"audio": 1 / 2**15, "video": 8.0, "mesh": 1e-6}
    statuses: ClassVar[dict[str, str]] = {"finished": "finished", "failed": "failed", "killed": "killed"}

    def make_sink(self, tmp_path: Path) -> Any:
        return al.sinks.Comet("exam", directory=tmp_path / "comet")

    def read_back(self, tmp_path: Path) -> Reading:
        told = list(told_below(tmp_path / "comet"))
        assert all(one.meta for one in told), "the archive is sealed"
        others = {one.payload["key"]: one.payload["value"] for one in told if one.kind == "log_other"}
        failed = told[-1].meta["customer_error_reported"]
        assert failed == (others["status"] != "finished")
        return Reading([shown for one in told for shown in _shown(one)] + [_config(told)], others["status"])

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        if kind == "histogram":
            from comet_ml.data_structure import Histogram

            there = Histogram()
            there.add(logged.edges[:-1] / 2 + logged.edges[1:] / 2, counts=logged.counts)
            return bool(there.counts_compressed() == shown)
        if kind == "table":
            return bool([list(map(str, row)) for row in logged.canonical()] == shown)
        if kind == "config":
            return bool(_flat(logged) == shown)
        return super().same(kind, logged, shown)


def _flat(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    found = {}
    for name, one in settings.items():
        found |= _flat(one, f"{above}{name}|") if isinstance(one, dict) else {f"{above}{name}": one}
    return found


def _config(told: list[Told]) -> Shown:
    params = [one.payload["param"] for one in told if one.kind == "parameter_msg"]
    return Shown("config", None, "config", None, {one["paramName"]: one["paramValue"] for one in params})


def _shown(told: Told) -> Iterator[Shown]:
    payload, files = told.payload, told.files
    if told.kind == "metric_msg":
        metric = payload["metric"]
        phase, name = name_of(metric["metricName"])
        yield Shown("scalar", phase, name, metric["step"], float(metric["metricValue"]), payload["local_timestamp"] / 1e3)
    elif told.kind == "3d-image":
        phase, name = name_of(payload["name"])
        (item,) = payload["items"]
        points = np.array([json.loads(line) for line in files[item["file_path"]].splitlines()])
        assert points.shape[1] == 6, "with colours"
        assert files[payload["thumbnail_path"]].startswith(b"\x89PNG")
        yield Shown("point_cloud", phase, name, payload["step"], points[:, :3].astype(np.float32))
    elif told.kind == "file_upload":
        more = payload["additional_params"]
        phase, name = name_of(more.get("figName") or payload["metadata"].get("name") or more["fileName"])
        if payload["upload_type"] in ("asset", "audio"):
            name = name.removesuffix(f".{more['extension']}")
        content = files[payload["file_path"]]
        kind = name.removeprefix("media/a ") if name.startswith("media/") else {"says": "string"}.get(name, "image")
        yield Shown(kind, phase, name, more["step"], _value(payload, content), payload["local_timestamp"] / 1e3)


def _value(payload: dict[str, Any], content: bytes) -> Any:
    suffix = payload["file_path"].rpartition(".")[2]
    if suffix == "csv":
        return list(csv.reader(io.StringIO(content.decode())))[1:]
    readers = {
        "txt": bytes.decode,
        "png": media_files.picture,
        "wav": media_files.sound,
        "mp4": media_files.film,
        "glb": media_files.vertices,
        "npy": lambda held: np.load(io.BytesIO(held)),
        "json": lambda held: json.loads(held)["index_values"],
    }
    return readers[suffix](content)


def test_a_run_that_goes_on_makes_an_archive_that_goes_on(tmp_path: Path) -> None:
    """The second is appended to the first's experiment when it is uploaded; nothing of the first is in it."""
    pytest.importorskip("comet_ml")

    async def session(step: int) -> None:
        async with al.MultiLogger(tmp_path / "run", sinks=[al.Route(al.sinks.Comet("exam"), name="comet")]) as log:
            log.log_scalar("loss", step / 7)
            await log.write(step)

    asyncio.run(session(1))
    asyncio.run(session(2))
    told = list(told_below(tmp_path / "run" / "sinks" / "comet"))
    metrics = [(one.payload["metric"]["step"], one.meta["resume_strategy"]) for one in told if one.kind == "metric_msg"]
    assert metrics == [(1, "create"), (2, "get")]
    assert len({one.meta["offline_id"] for one in told}) == 1


@pytest.mark.blocking
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_what_a_killed_process_left_is_gone_on_with(tmp_path: Path) -> None:
    """A line that is cut short goes, what was whole stays, and nothing comes twice."""
    pytest.importorskip("comet_ml")
    run = RunInfo("a1", "run", tmp_path / "run", "main", 0)
    entries = [(al.State(step), {"loss": step / 7}) for step in range(5)]
    killed = al.sinks.Comet("exam")
    await killed.open(run)
    await killed.write(batch_of(entries[:3]))
    (place,) = (tmp_path / "run" / "sinks" / "comet").glob("*/messages.json")
    with place.open("ab") as file:
        file.write(b'{"type": "metric_msg", "payl')
    successor = al.sinks.Comet("exam")
    await successor.open(run)
    await successor.write(batch_of(entries))
    await successor.run_ended("failed", "ValueError: no")
    await successor.aclose()
    told = list(told_below(tmp_path / "run" / "sinks" / "comet"))
    assert [one.payload["metric"]["step"] for one in told if one.kind == "metric_msg"] == list(range(5))
    assert told[0].meta["customer_error_message"] == "ValueError: no"


@pytest.mark.blocking
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_a_process_killed_before_the_end_leaves_an_archive_that_the_next_one_seals(tmp_path: Path) -> None:
    """Though nothing is left to deliver; whoever comes after that adds nothing."""
    pytest.importorskip("comet_ml")
    run = RunInfo("a1", "run", tmp_path / "run", "main", 0)
    killed = al.sinks.Comet("exam")
    await killed.open(run)
    await killed.write(batch_of([(al.State(1), {"loss": 0.5})]))
    for _ in range(2):
        successor = al.sinks.Comet("exam")
        await successor.open(run)
        await successor.run_ended("killed", None)
        await successor.aclose()
    (archive,) = (tmp_path / "run" / "sinks" / "comet").glob("*.zip")
    told = list(told_below(archive.parent))
    assert [one.payload["metric"]["step"] for one in told if one.kind == "metric_msg"] == [1]
    assert told[0].meta["customer_error_message"] == "the run was killed"


@pytest.mark.blocking
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_a_write_for_which_the_disk_has_no_room_leaves_no_piece_of_a_line(tmp_path: Path) -> None:
    """It comes again when there is room, and is there once. A limit on a file's size cuts a write as a full disk does."""
    pytest.importorskip("comet_ml")
    run = RunInfo("a1", "run", tmp_path / "run", "main", 0)
    sink = al.sinks.Comet("exam")
    await sink.open(run)
    await sink.write(batch_of([(al.State(1), {"loss": 0.5})]))
    (messages,) = (tmp_path / "run" / "sinks" / "comet").glob("*/messages.json")
    later = batch_of([(al.State(2), {"loss": 0.25})], seq=9, first_time_ns=2 * 10**18)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (messages.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            await sink.write(later)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    await sink.write(later)
    await sink.run_ended("finished", None)
    told = list(told_below(messages.parents[1]))
    assert [one.payload["metric"]["step"] for one in told if one.kind == "metric_msg"] == [1, 2]

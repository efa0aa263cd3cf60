"""A run's own TensorBoard, asked over HTTP as its pages ask it."""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.sinks import TensorBoard
from asynclog.testing import batch_of
from asynclog.testing.batches import FIRST_TIME_NS
from tests.unit.sinks.sinkrun import run_info

pytest.importorskip("tensorboard")
PATIENCE_S = 50.0
STEPS = (0, 1, 2, 5, 3, 3, -1)
LAYOUT = {"Losses": {"all": ["Multiline", ["train/.*"]], "band": ["Margin", ["train/loss", "train/low", "train/high"]]}}


class Board:
    """What is asked of a server."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get(self, path: str, **query: Any) -> Any:
        return json.loads(self.content(path, **query))

    def content(self, path: str, **query: Any) -> bytes:
        words = f"?{urllib.parse.urlencode(query)}" if query else ""
        with urllib.request.urlopen(f"{self._address}data/{path}{words}", timeout=PATIENCE_S) as answer:
            return answer.read()  # type: ignore[no-any-return]

    def post(self, path: str, body: dict[str, Any]) -> Any:
        asked = urllib.request.Request(
            f"{self._address}data/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read())

    def blobs(self, plugin: str, tag: str, sample: int = 0) -> list[bytes]:
        """Of each step, in the order of steps."""
        one = "individualAudio" if plugin == "audio" else "individualImage"
        found = self.get(f"plugin/{plugin}/{plugin}", run=".", tag=tag, sample=sample)
        return [self.content(f"plugin/{plugin}/{one}?{part['query']}") for part in found]


def entries() -> list[Any]:
    random = np.random.default_rng(0)
    made: list[Any] = [(al.State(0), {"config": {"lr": 0.1, "optimizer": {"name": "adam", "clip": float("inf")}}})]
    for step in STEPS:
        values: list[Any] = [
            ("loss", 1 / (step + 3)),
            ("low", 0.1),
            ("high", 0.9),
            ("note", f"at **{step}**"),
            ("picture", al.Image(random.integers(0, 256, (3, 8, 8), np.uint8), caption="a caption")),
            ("picture", al.Image(random.integers(0, 256, (8, 8), np.uint8))),
            ("loss", al.Image(random.integers(0, 256, (3, 8, 8), np.uint8))),
            ("film", al.Video(random.integers(0, 256, (3, 3, 8, 8), np.uint8))),
            ("sound", al.Audio(np.zeros(800, np.float32), sample_rate=8000)),
            ("spread", al.Histogram(np.arange(64), -1.0, 1.0, 2016, 0.0, 1.0)),
            ("mesh", al.Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]))),
            ("cloud", al.PointCloud(random.normal(size=(5, 3)), random.integers(0, 256, (5, 3), np.uint8))),
            (
                "found",
                al.Table.of_rows(["right", "score"], [(False, 0.1), (True, 0.9), (True, 0.4), (False, 0.6), (True, 0.8)]),
            ),
        ]
        made.append((al.State(step), values))
    return made


async def said(caplog: pytest.LogCaptureFixture) -> str:
    """What is said of the server, once it is."""
    async with asyncio.timeout(PATIENCE_S):
        while not (words := [one.getMessage() for one in caplog.records if one.name == "asynclog.tensorboard"]):
            await asyncio.sleep(0.02)
    return words[-1]


async def when(condition: Callable[[], Any]) -> Any:
    """Its first true answer: the server reads files at intervals of its own."""
    async with asyncio.timeout(PATIENCE_S):
        while not (answer := await asyncio.to_thread(condition)):
            await asyncio.sleep(0.05)
    return answer


async def test_every_dashboard_shows_what_was_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Scalars with late and negative steps, pictures of one name, films, sounds, meshes, settings, layouts, PR curves."""
    sink = TensorBoard(layout=LAYOUT, pr_curves={"found": ("right", "score")}, serve=True)
    written = TensorBoard(layout=LAYOUT, pr_curves={"found": ("right", "score")})
    info = run_info(tmp_path, writer="main")
    await written.open(info)
    await written.write(batch_of(entries()))
    await written.run_ended("failed", "ValueError: nan")
    await written.aclose()
    await sink.open(run_info(tmp_path, writer="main", resumed=True))
    try:
        board = Board((await said(caplog)).rpartition(" ")[2])
        await when(lambda: "train/found" in board.get("plugin/pr_curves/tags").get(".", {}))
        await asyncio.to_thread(look, board)
    finally:
        await sink.aclose()


def look(board: Board) -> None:
    points = board.get("plugin/scalars/scalars", run=".", tag="train/loss")
    assert [step for _, step, _ in points] == list(STEPS)
    assert [value for _, _, value in points] == [float(np.float32(1 / (step + 3))) for step in STEPS]
    assert points[0][0] == pytest.approx(FIRST_TIME_NS / 1e9 + 0.001, abs=1e-6)
    assert board.get("plugin/text/text", run=".", tag="train/note")[0]["text"] == "<p>at <strong>0</strong></p>"
    assert "<td>optimizer.name</td>" in board.get("plugin/text/text", run=".", tag="train/config")[0]["text"]
    assert board.get("plugin/images/tags")["."]["train/picture"]["samples"] == 2
    for sample in (0, 1):
        assert all(one.startswith(b"\x89PNG") for one in board.blobs("images", "train/picture", sample))
    # Of a step that came twice this dashboard has the last.
    assert len(board.blobs("images", "train/loss (image)")) == len(set(STEPS))
    assert {one[:6] for one in board.blobs("images", "train/film")} == {b"GIF89a"}
    assert {one[:4] for one in board.blobs("audio", "train/sound")} == {b"RIFF"}
    histogram = board.get("plugin/histograms/histograms", run=".", tag="train/spread")[0]
    assert sum(count for _, _, count in histogram[2]) == 2016
    assert board.get("plugin/distributions/distributions", run=".", tag="train/spread")
    assert board.get("plugin/mesh/tags")["."].keys() == {"train/mesh", "train/cloud"}
    parts = board.get("plugin/mesh/meshes", run=".", tag="train/cloud", sample=0)
    assert {(part["content_type"], tuple(part["data_shape"])) for part in parts} == {(1, (1, 5, 3)), (3, (1, 5, 3))}
    vertices = board.content("plugin/mesh/data", run=".", tag="train/mesh", sample=0, content_type="VERTEX", step=0)
    assert np.array_equal(np.frombuffer(vertices, np.float32).reshape(3, 3), np.eye(3))
    every = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
    asked = {"experimentName": "", "allowedStatuses": every, "colParams": [], "startIndex": 0, "sliceSize": 9}
    (group,) = board.post("plugin/hparams/session_groups", asked)["sessionGroups"]
    assert group["hparams"] == {"lr": 0.1, "optimizer.name": "adam", "optimizer.clip": "inf"}
    assert [session["status"] for session in group["sessions"]] == ["STATUS_FAILURE"]
    category = board.get("plugin/custom_scalars/layout")["category"][0]
    assert [chart["title"] for chart in category["chart"]] == ["all", "band"]
    drawn = board.get("plugin/custom_scalars/scalars", run=".", tag="train/.*")["tag_to_events"]
    assert drawn.keys() == {"train/loss", "train/low", "train/high"}
    curve = board.get("plugin/pr_curves/pr_curves", run=".", tag="train/found")["."][0]
    at = curve["thresholds"].index(pytest.approx(0.5))
    assert [curve[name][at] for name in ("true_positives", "false_positives", "false_negatives")] == [2, 1, 1]
    assert curve["recall"][at] == pytest.approx(2 / 3)


async def test_a_run_starts_its_own_and_ends_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In its worker process; the address comes home as a warning, and nothing listens there afterwards."""
    async with al.MultiLogger(tmp_path / "run", sinks=[TensorBoard(serve=True)]) as log:
        log.log_scalar("loss", 0.5)
        await log.write(3)
        await log.flush()
        async with asyncio.timeout(PATIENCE_S):
            while not (
                words := [one.getMessage() for one in caplog.records if "TensorBoard shows this run" in one.getMessage()]
            ):
                await asyncio.sleep(0.02)
        board = Board(words[0].rpartition(" ")[2])
        await when(lambda: board.get("plugin/scalars/tags"))
        assert [point[1:] for point in board.get("plugin/scalars/scalars", run=".", tag="train/loss")] == [[3, 0.5]]
    with pytest.raises(OSError, match="refused"):
        board.get("runs")


async def test_a_port_that_is_taken_gives_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as other:
        other.bind(("localhost", 0))
        other.listen()
        taken = other.getsockname()[1]
        sink = TensorBoard(serve=taken)
        await sink.open(run_info(tmp_path))
        try:
            address = (await said(caplog)).rpartition(" ")[2]
            assert address.startswith("http://localhost:")
            assert f":{taken}/" not in address
        finally:
            await sink.aclose()


async def test_without_tensorboard_the_sink_writes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It says once that nobody looks, and what to install."""
    (tmp_path / "tensorboard.py").write_text("raise ImportError('not here')")
    sys.path.insert(0, str(tmp_path))
    try:
        sink = TensorBoard(serve=True)
        await sink.open(run_info(tmp_path, writer="main"))
        await sink.write(batch_of([(al.State(0), {"loss": 0.5})]))
        assert "pip install 'asynclog-stream[tensorboard]'" in await said(caplog)
        await sink.aclose()
    finally:
        sys.path.remove(str(tmp_path))
    assert list((tmp_path / "tensorboard").glob("*tfevents*"))


async def test_the_environment_says_no(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.environ["DISABLE_TENSORBOARD"] = "1"
    caplog.set_level(logging.DEBUG)
    try:
        sink = TensorBoard(serve=True)
        await sink.open(run_info(tmp_path))
        await sink.aclose()
    finally:
        del os.environ["DISABLE_TENSORBOARD"]
    assert not [one for one in caplog.records if one.name == "asynclog.tensorboard"]


VICTIM = """
import asyncio, sys
from pathlib import Path
from asynclog.sinks.tensorboard.server import Server

async def main():
    server = Server()
    await server.start(Path(sys.argv[1]))
    while server.address is None:
        await asyncio.sleep(0.02)
    print(server.address, flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


@pytest.mark.crash
async def test_it_ends_when_its_run_is_killed(tmp_path: Path) -> None:
    """Nobody is left to stop it."""
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", VICTIM, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        address = await asyncio.to_thread(victim.stdout.readline)
        port = int(address.rpartition(":")[2].strip().strip("/"))
        assert not refused(port)
        victim.kill()
    assert await when(lambda: refused(port))


def refused(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as asked:
        return asked.connect_ex(("localhost", port)) != 0

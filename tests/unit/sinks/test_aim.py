"""What the Aim sink makes of steps, axes, settings, ends and ranks; who may write a run."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("aim")

import aim

from asynclog import Histogram, Mesh, PointCloud, State, Tensor, Video
from asynclog.errors import InvalidConfiguration, SinkUnavailable
from asynclog.sink import RunInfo
from asynclog.sinks import Aim
from asynclog.sinks.aim.figures import cloud_figure, mesh_figure
from asynclog.sinks.aim.home import run_hash
from asynclog.sinks.aim.objects import object_of
from asynclog.testing import batch_of
from asynclog.testing.batches import FIRST_TIME_NS, STEP_NS
from tests.conformance.test_aim import empty_repo, found_run, points, sequences

pytestmark = [
    pytest.mark.blocking,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Place:
    """A repo, and what is in it."""

    def __init__(self, directory: Path) -> None:
        self.repo = directory / "repo"
        shutil.copytree(empty_repo(), self.repo)

    def deliver(
        self,
        *entries: Any,
        ended: str | None = None,
        error: str | None = None,
        rank: int = 0,
        read: bool = True,
        **options: Any,
    ) -> Any:
        """Open, write, close; Aim's run."""
        sink = Aim(self.repo, **options)

        async def delivery() -> Any:
            await sink.open(RunInfo("r1", "demo", None, f"w{rank}", 0, rank))
            batch = batch_of(entries)
            await sink.write(batch)
            if ended is not None:
                await sink.run_ended(ended, error)
            await sink.aclose()
            return batch

        self.batch = asyncio.run(delivery())
        return found_run(self.repo, "r1", rank) if read else None

    def series(self, run: Any) -> dict[tuple[str, ...], list[Any]]:
        """(name, subset, kind…) → (step, value, epoch, time)."""
        return {(one.name, *context.values()): list(points(one)) for _, context, one in sequences(run)}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_number_has_its_step_epoch_and_time(place: Place) -> None:
    """Those of its write, not of its delivery; late and negative steps beside the others."""
    run = place.deliver(*[(State(step, "valid", 3), {("net", "loss"): step / 2}) for step in (5, 2, -1)])
    (name, found), *others = place.series(run).items()
    assert (name, others) == (("net/loss", "valid"), [])
    times = [(FIRST_TIME_NS + at * STEP_NS) / 1e9 for at in range(3)]
    assert found == [(-1, -0.5, 3.0, times[2]), (2, 1.0, 3.0, times[1]), (5, 2.5, 3.0, times[0])]


def test_a_step_that_comes_again_replaces(place: Place) -> None:
    """Which is what Aim keeps: one value a step."""
    run = place.deliver((State(1), {"loss": 1.0}), (State(1), {"loss": 2.0}))
    assert [one[:2] for one in place.series(run)["loss", "train"]] == [(1, 2.0)]


def test_axes_can_be_aligned_by(place: Place) -> None:
    """They are metrics of the same context, as Aim's pages want them."""
    run = place.deliver((State(7, axes={"samples": 640.0}), {"loss": 1.0}))
    assert [one[:2] for one in place.series(run)["samples", "train"]] == [(7, 640.0)]


def test_settings_lie_over_each_other(place: Place) -> None:
    place.deliver((State(0), {"": {"lr": 0.1, "net": {"width": 64}}}))
    run = place.deliver((State(1), {"": {"lr": 0.01, "seed": None}}))
    assert run["hparams"] == {"lr": 0.01, "net": {"width": 64}, "seed": None}


@pytest.mark.parametrize("status", ["finished", "failed", "killed", "exited"])
def test_a_run_ends_as_it_ended(place: Place, status: str) -> None:
    """At the time of its last value; what didn't end well has a tag that says so."""
    run = place.deliver((State(0), {"loss": 1.0}), ended=status, error="ValueError: no", name="named", experiment="digits")
    assert (run.name, run.experiment, run.end_time) == ("named", "digits", FIRST_TIME_NS / 1e9)
    assert run.creation_time == pytest.approx(FIRST_TIME_NS / 1e9, abs=1e-5)
    said = {"run_id": "r1", "rank": 0, "status": status, "error": "ValueError: no", "ended_at": FIRST_TIME_NS / 1e9}
    assert run["asynclog"] == said
    assert run.tags == ([] if status == "finished" else [status])


def test_an_end_that_is_told_again_stays_when_it_was(place: Place) -> None:
    """As by a second sync, to which nothing is left to deliver."""
    place.deliver((State(0), {"loss": 1.0}), ended="killed", read=False)
    run = place.deliver(ended="killed")
    assert (run.end_time, run.tags) == (FIRST_TIME_NS / 1e9, ["killed"])


def test_settings_that_aim_has_no_numbers_for_are_text(place: Place) -> None:
    """Such as a seed of 64 bits without a sign; what comes beside them is there."""
    run = place.deliver((State(0), {"": {"seed": 2**64 - 1, "": {"all": [2**63, -(2**63)]}}, "loss": 1.0}))
    assert run["hparams"] == {"seed": str(2**64 - 1), "(no name)": {"all": [str(2**63), -(2**63)]}}
    assert [one[:2] for one in place.series(run)["loss", "train"]] == [(0, 1.0)]


def test_a_run_with_an_empty_name_in_it_can_be_opened_again(place: Place) -> None:
    place.deliver((State(0, axes={"": 2.0}), [("", 1.0), ("", "text")]), read=False)
    run = place.deliver((State(1), [("", 0.5)]))
    assert [one[:2] for one in place.series(run)["(no name)", "train"]] == [(0, 1.0), (1, 0.5)]


def test_a_run_that_goes_on_runs_again(place: Place) -> None:
    """With its values, and without the tag of its earlier end."""
    place.deliver((State(0), {"loss": 1.0}), ended="killed")
    run = place.deliver((State(1), {"loss": 0.5}))
    assert (run.end_time, run.active, run.tags, run["asynclog"]["status"]) == (None, True, [], "running")
    assert len(place.series(run)["loss", "train"]) == 2


def test_ranks_have_runs_of_their_own(place: Place) -> None:
    """In one experiment, named after the first."""
    runs = [place.deliver((State(0), {"loss": float(rank)}), rank=rank) for rank in range(2)]
    assert [run.name for run in runs] == ["demo", "demo rank 1"]
    assert [place.series(run)["loss", "train"][0][1] for run in runs] == [0.0, 1.0]


def test_queries_of_the_sdk_find_it_if_it_is_indexed(place: Place) -> None:
    """Also while it is open, once flushed."""
    sink = Aim(place.repo, index=True)

    async def delivery() -> list[str]:
        await sink.open(RunInfo("r1", "demo", None, "w", 0))
        await sink.write(batch_of([(State(step), {"loss": 1.0}) for step in range(3)]))
        await sink.flush()
        repo = aim.Repo.from_path(str(place.repo))
        found = repo.query_metrics("metric.name == 'loss' and metric.context.subset == 'train'", report_mode=0)
        names = [one.run.hash for one in found.iter()]
        await sink.aclose()
        return names

    assert asyncio.run(delivery()) == [run_hash("r1", 0)]


def test_the_index_of_a_repo_is_left_alone_otherwise(place: Place) -> None:
    """``aim up`` gives up indexing if its index is another's for a moment."""
    place.deliver((State(0), {"loss": 1.0}), ended="finished", read=False)
    assert found_run(place.repo, "r1", indexed=True) is None
    assert found_run(place.repo, "r1").end_time == FIRST_TIME_NS / 1e9


# -- in space, and what has no place ------------------------------------------------------------------------------------


def test_a_cloud_is_a_figure_with_its_colours_labels_and_boxes() -> None:
    points = np.arange(12, dtype=np.float32).reshape(4, 3)
    rgb = np.arange(12, dtype=np.uint8).reshape(4, 3)
    box = np.array([[0, 0, 0, 2, 2, 2, 0, 0, 0.0]])
    figure = json.loads(cloud_figure(PointCloud(points, rgb, labels=np.arange(4), boxes=box, box_labels=["car"])))
    cloud, frame = figure["data"]
    assert (cloud["type"], cloud["z"], cloud["text"]) == ("scatter3d", [2.0, 5.0, 8.0, 11.0], ["0", "1", "2", "3"])
    assert cloud["marker"]["color"][1] == "rgb(3,4,5)"
    assert (frame["mode"], frame["name"], len(frame["x"]), set(frame["x"])) == ("lines", "car", 36, {-1.0, 1.0, None})


def test_a_mesh_is_a_figure_of_triangles() -> None:
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]), colors=np.full((3, 3), 9, np.uint8))
    (found,) = json.loads(mesh_figure(mesh))["data"]
    assert (found["type"], found["i"], found["j"], found["k"]) == ("mesh3d", [0], [1], [2])
    assert (found["x"], found["vertexcolor"]) == ([1.0, 0.0, 0.0], ["rgb(9,9,9)"] * 3)


def test_plotly_takes_the_figures() -> None:
    plotly = pytest.importorskip("plotly.io")
    cloud = object_of("point_cloud", PointCloud(np.eye(3, dtype=np.float32), boxes=np.ones((1, 9))))
    assert cloud.to_plotly_figure() == plotly.from_json(cloud.data)


def test_a_video_moves_at_its_own_pace() -> None:
    """Which Aim's own way from a GIF forgets."""
    from io import BytesIO

    from PIL import Image as Pillow

    clip = np.zeros((4, 3, 8, 8), np.uint8)
    clip[1::2] = 255
    found = Pillow.open(BytesIO(bytes(object_of("video", Video(clip, fps=5.0)).storage["data"])))
    assert (found.n_frames, found.info["duration"]) == (4, 200)


def test_what_aim_has_no_place_for_is_rejected(place: Place) -> None:
    nothing = Histogram(np.zeros(3, np.int64), low=np.nan, high=np.nan, count=0, mean=np.nan, std=np.nan)
    run = place.deliver((State(0), {"loss": 1.0, "phases": Tensor(np.array([1j])), "empty": nothing}))
    assert sum(place.batch.rejected.values()) == 2
    assert all("Aim" in why for why in place.batch.rejected)
    assert list(place.series(run)) == [("loss", "train")]


def test_of_two_distributions_of_one_write_the_last_is_shown(place: Place) -> None:
    """And the other counted: Aim keeps one a step."""
    some = [Histogram(np.array([at, 1]), low=0.0, high=1.0, count=at + 1, mean=0.5, std=0.1) for at in range(2)]
    run = place.deliver((State(0), [("spread", one) for one in some]))
    assert list(place.batch.rejected.items()) == [("Aim keeps one histogram for a name and a step", 1)]
    ((_, shown, _, _),) = place.series(run)["spread", "train", "histogram"]
    assert shown.weights.tolist() == [1, 1]


# -- who may write ------------------------------------------------------------------------------------------------------

_WRITER = """
import asyncio, sys
from asynclog import State
from asynclog.sink import RunInfo
from asynclog.sinks import Aim
from asynclog.testing import batch_of

async def main():
    sink = Aim(sys.argv[1])
    await sink.open(RunInfo("r1", "demo", None, "w", 0))
    await sink.write(batch_of([(State(step), {"loss": float(step)}) for step in range(100)]))
    print("written", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


def writer(place: Place) -> "subprocess.Popen[str]":
    """Another process that holds the run open."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(place.repo)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    return process


def test_a_killed_writer_leaves_its_values_and_no_lock(place: Place) -> None:
    """Also where another process has its number now: the file it left names one that lives."""
    with writer(place) as process:
        process.send_signal(signal.SIGKILL)
    (lock,) = (place.repo / ".aim" / "locks").glob(f"{run_hash('r1', 0)}.softlock")
    machine, _, when = lock.read_text().split("-")
    lock.write_text(f"{machine}-{os.getpid()}-{when}")
    run = place.deliver((State(100), {"loss": 100.0}))
    assert [one[:2] for one in place.series(run)["loss", "train"]] == [(step, float(step)) for step in range(101)]


def test_a_run_that_another_process_writes_is_unavailable(place: Place) -> None:
    """Until it is done."""
    with writer(place) as process:
        with pytest.raises(SinkUnavailable, match="can't be written now"):
            place.deliver((State(100), {"loss": 100.0}))
        process.kill()
    assert len(place.series(place.deliver((State(100), {"loss": 100.0})))["loss", "train"]) == 101


def test_a_repo_is_a_directory() -> None:
    with pytest.raises(InvalidConfiguration, match="a directory, not 'aim://here:53800'"):
        Aim("aim://here:53800")

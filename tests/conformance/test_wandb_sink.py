"""W&B's sink takes the public exam, read back from the file that W&B's own process writes."""

import gc
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.errors import SinkUnavailable
from asynclog.sink import RunInfo, Sink
from asynclog.testing import Delivered, SinkTests, batch_of
from asynclog.values import EVERY_KIND
from tests.integration.destinations.coded_names import decoded
from tests.integration.destinations.wandb_files import runs_below

pytest.importorskip("wandb")
psutil = pytest.importorskip("psutil")
pytestmark = [
    pytest.mark.blocking,
    # W&B leaves transports and processes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

_OWN = {"step", "epoch", "samples", "_step", "_timestamp", "_runtime", "_files", "_wandb"}
_TYPES = {
    "audio-file": "audio",
    "histogram": "histogram",
    "image-file": "",
    "images/separated": "",
    "object3D-file": "",
    "table-file": "",
    "video-file": "video",
}


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    yield
    # W&B keeps its own process's handle until some later collection, which would then complain in another test.
    for one in gc.get_objects():
        # By type(): looking at __class__ makes torch complain of its oldest names.
        if type(one) is subprocess.Popen and "wandb" in str(one.args):
            one.wait(30)
    gc.collect()


class TestWandB(SinkTests):
    may_block = True
    kinds = tuple(kind for kind in EVERY_KIND if kind not in ("artifact", "config", "tensor"))

    def make_sink(self, tmp_path: Path) -> Sink:
        return al.sinks.WandB("exam", mode="offline")

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        for run in runs_below(tmp_path / "run" / "sinks" / "wandb"):
            for row in run.rows:
                for name, value in row.items():
                    if name in _OWN:
                        continue
                    phase, _, rest = decoded(name).partition("/")
                    if rest.startswith("tensor"):
                        continue  # a histogram of what is finite in it; the exam's others are rejected
                    yield Delivered(self._kind(value), phase, "", rest, row["step"], value)

    @staticmethod
    def _kind(value: Any) -> str:
        return _TYPES[value["_type"]] if isinstance(value, dict) else ""


async def test_another_process_of_w_and_b_follows_one_that_was_killed(tmp_path: Path) -> None:
    """Nothing that was delivered is lost; the batch in flight comes again."""
    run = RunInfo("a1", "run", tmp_path / "run", "main", 0)
    sink = al.sinks.WandB("exam", mode="offline")
    await sink.open(run)
    first = batch_of([(al.State(1), {"loss": 0.5})])
    second = batch_of([(al.State(2), {"loss": 0.25})], seq=9, first_time_ns=2 * 10**18)
    await sink.write(first)
    await sink.flush()
    for child in psutil.Process().children():
        if "wandb-core" in child.name():
            child.kill()
            child.wait()
    with pytest.raises(SinkUnavailable):
        await sink.write(second)
    await sink.write(second)
    await sink.run_ended("finished", None)
    await sink.aclose()
    (shown,) = runs_below(tmp_path / "run" / "sinks" / "wandb")
    assert [row["step"] for row in shown.rows] == [1, 2]
    assert shown.exit_code == 0


async def test_an_end_that_comes_after_everything_else_was_given_is_told(tmp_path: Path) -> None:
    """By a later process, to which nothing is left to deliver; and once."""
    run = RunInfo("a1", "run", tmp_path / "run", "main", 0)
    first = al.sinks.WandB("exam", mode="offline")
    await first.open(run)
    await first.write(batch_of([(al.State(1), {"loss": 0.5})]))
    await first.aclose()
    for _ in range(2):
        later = al.sinks.WandB("exam", mode="offline")
        await later.open(run)
        await later.run_ended("killed", None)
        await later.aclose()
    place = tmp_path / "run" / "sinks" / "wandb"
    (shown,) = runs_below(place)
    assert ([row["step"] for row in shown.rows], shown.exit_code, shown.summary["status"]) == ([1], 137, "killed")
    assert len(list(place.glob("wandb/offline-run-*/*.wandb"))) == 2

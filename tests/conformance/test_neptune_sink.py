"""Neptune's sink takes the public exam, read back by its client's own repository."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.sink import RunInfo, Sink
from asynclog.testing import Delivered, SinkTests, batch_of
from asynclog.values import EVERY_KIND
from tests.integration.destinations.neptune_files import logged_below, name_of

pytest.importorskip("neptune_scale")
pytestmark = [pytest.mark.blocking, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


class TestNeptune(SinkTests):
    may_block = True
    kinds = tuple(kind for kind in EVERY_KIND if kind not in ("artifact", "config"))

    def make_sink(self, tmp_path: Path) -> Sink:
        return al.sinks.Neptune("team/exam")

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        for one in logged_below(tmp_path / "run" / "sinks" / "neptune"):
            if one.step is not None:
                phase, name = name_of(one.name)
                yield Delivered("", phase, "", name, one.step, one.value)

    def test_keeps_steps_as_they_come(self, tmp_path: Path) -> None:
        """Late and repeated ones are kept; those that Neptune doesn't have are rejected."""
        steps = (5, 5, 3, 10, 0, -1, 10, 2**40)
        batch = batch_of([(al.State(step), {"loss": float(at), "note": f"{at}"}) for at, step in enumerate(steps)])
        sink = self.make_sink(tmp_path)

        async def deliver() -> None:
            await sink.open(self.run_info(tmp_path))  # type: ignore[attr-defined]
            await sink.write(batch)
            await sink.aclose()

        asyncio.run(deliver())
        found = [one.step for one in self.read_back(sink, tmp_path) or () if one.key == "loss"]
        assert found == [5, 5, 3, 10, 0, 10]
        assert batch.rejected == {
            "Neptune's steps are from 0 to 10^12, not -1": 2,
            f"Neptune's steps are from 0 to 10^12, not {2**40}": 2,
        }


async def test_each_rank_has_a_run_of_its_own(tmp_path: Path) -> None:
    sink = al.sinks.Neptune("team/exam")
    for rank, writer in enumerate(("main", "rank1")):
        await sink.open(RunInfo("a1", "run", tmp_path / "run", writer, 0, rank))
        await sink.write(batch_of([(al.State(1), {"loss": 0.5})], writer=writer))
        await sink.run_ended("finished", None)
        await sink.aclose()
    shown = list(logged_below(tmp_path / "run/sinks/neptune"))
    assert [one.value for one in shown if one.name == "status"] == ["finished", "finished"]
    names = sorted(one.name.rpartition("_")[0] for one in (tmp_path / "run/sinks/neptune").glob("*_*"))
    assert names == ["team_exam_a1", "team_exam_a1-rank1"]


async def test_an_end_that_comes_after_everything_else_was_given_is_told(tmp_path: Path) -> None:
    """By a later process, to which nothing is left to deliver; and once."""
    run = RunInfo("a1", "run", tmp_path / "run", "main", 0)
    first = al.sinks.Neptune("team/exam")
    await first.open(run)
    await first.write(batch_of([(al.State(1), {"loss": 0.5})]))
    await first.aclose()
    for _ in range(2):
        later = al.sinks.Neptune("team/exam")
        await later.open(run)
        await later.run_ended("killed", None)
        await later.aclose()
    shown = [(one.name, one.value) for one in logged_below(tmp_path / "run" / "sinks" / "neptune")]
    assert [value for name, value in shown if name == "status"] == ["killed"]
    assert [value for name, value in shown if name.endswith("loss")] == [0.5]

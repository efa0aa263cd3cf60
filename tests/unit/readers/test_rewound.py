"""Runs whose training went back to a checkpoint, read and followed: what segments say of it is not trusted."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from asynclog.readers import follow, read
from asynclog.readers.follow import Rewound
from asynclog.readers.glance import glance
from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, flip
from tests.unit.readers.test_status import held

LOSS = Series("train", "", "loss")


def life(run: Path, epoch: int, first: int, stop: int, rewound_to: Any = None, **options: Any) -> StreamWriter:
    writer = StreamWriter(run, epoch=epoch, rewound_to=rewound_to, **options)
    writer.rows(writer.schema(LOSS), [(float(epoch),)] * (stop - first), first_step=first)
    return writer


def steps(run: Path, **options: Any) -> list[int]:
    return read(run, **options).series("loss").step.tolist()


@pytest.mark.parametrize("told", ["5", 5.0, True, None, [5], {"train": "5"}, {"training": 5}, 2**63, {"valid": 5}, b"5"])
def test_what_is_no_step_supersedes_nothing(run: Path, told: Any) -> None:
    life(run, 0, 0, 10).footer("killed")
    life(run, 1, 10, 12, told).footer()
    assert steps(run) == list(range(12))
    assert read(run).superseded == 0


def test_a_rewind_holds_from_whichever_of_its_segments_can_be_read(run: Path) -> None:
    """Each says it; of the first the header may be gone."""
    life(run, 0, 0, 10).footer("killed")
    again = life(run, 1, 4, 6, 3)
    first = again.path
    again.rotate()
    again.rows(again.schemas[1], [(1.0,)], first_step=6)
    again.footer()
    flip(first, 70)
    assert steps(run) == [0, 1, 2, 3, 4, 5, 6]


def test_rows_whose_layout_was_lost_are_left_out_as_well(run: Path) -> None:
    writer = life(run, 0, 0, 10)
    path, at, _, _ = writer.frames[1]
    flip(path, at + 100)
    writer.footer("killed")
    life(run, 1, 4, 6, 3).footer()
    found = read(run)
    (unnamed,) = [one for one in found.keys() if one.key.startswith("unnamed")]  # noqa: SIM118 (a Run is no mapping)
    assert unnamed.events == 4


def test_a_list_of_runs_shows_the_step_that_holds(run: Path) -> None:
    life(run, 0, 0, 1000).footer("killed")
    life(run, 1, 501, 503, 500).footer()
    assert glance(run).last_step == 502
    life(run, 2, 0, 1, -1).footer()
    assert glance(run).last_step == 0


def test_of_another_writer_nothing_is_superseded(run: Path) -> None:
    life(run, 0, 0, 10).footer()
    life(run, 0, 0, 10, writer="rank1").footer("killed")
    life(run, 1, 4, 6, 3, writer="rank1").footer()
    assert sorted(steps(run)) == sorted([*range(10), *range(6)])


async def test_whoever_follows_is_told_and_given_nothing_more_of_what_is_superseded(run: Path) -> None:
    first = life(run, 0, 0, 3)
    got: list[tuple[int, float] | Rewound] = []
    with held(first.directory):
        seen = asyncio.Event()

        async def following() -> None:
            async for event in follow(run, poll=0.01, on_rewind=got.append):
                got.append((event.step, event.value))
                seen.set()

        task = asyncio.create_task(following())
        await asyncio.wait_for(seen.wait(), 40)
        later = life(run, 1, 2, 4, 1)
        first.rows(first.schemas[1], [(0.5,), (0.5,)], first_step=1)
        later.footer()
    await asyncio.wait_for(task, 40)
    told = Rewound("main", 1, {"train": 1, "valid": 1, "test": 1})
    assert [one for one in got if isinstance(one, Rewound)] == [told]
    assert got[:3] == [(0, 0.0), (1, 0.0), (2, 0.0)]
    assert (2, 1.0) in got[got.index(told) :]
    assert (2, 0.5) not in got


async def test_a_rewind_before_anything_was_given_is_no_news(run: Path) -> None:
    life(run, 0, 0, 3).footer("killed")
    life(run, 1, 2, 4, 1).footer()
    told: list[Rewound] = []
    assert [event.step async for event in follow(run, on_rewind=told.append)] == [0, 1, 2, 3]
    assert told == []
    assert len([event async for event in follow(run, superseded=True)]) == 5

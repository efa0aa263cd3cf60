"""Going back to a checkpoint's step: what counts is read, what is superseded stays and is left out, destinations are told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration, RunNotFound
from asynclog.sink import Batch, RunInfo
from tests.unit.logger.recording import adds_up


class Told:
    """What it was told when it was opened, and given since; kept for the next life's."""

    def __init__(self, lives: list["Told"]) -> None:
        lives.append(self)
        self.run: RunInfo | None = None
        self.events: list[tuple[Any, ...]] = []

    async def open(self, run: RunInfo) -> None:
        self.run = run

    async def write(self, batch: Batch, /) -> None:
        self.events += [(one.phase, one.namespace, one.key, one.step, one.value) for one in batch]

    async def aclose(self) -> None: ...


def trained(run: Path, first: int, stop: int, mark: float, sinks: Any = (), **options: Any) -> None:
    """A loss and a sparse number a step, a validation every fifth, a picture and a text every tenth."""
    with al.MultiLogger(run, recorder="thread", sinks=sinks, **options) as log:
        for step in range(first, stop):
            log.log_scalar("loss", step + mark)
            log.log_scalar("step", step)
            log.write_nowait(step)
            if step % 5 == 0:
                log.log_scalar(f"accuracy{step}", mark)
                log.write_nowait(al.State(step, "valid"))
            if step % 10 == 0:
                log.log_image("frame", np.full((2, 2), step % 256, np.uint8))
                log.log_string("said", f"{mark}")
                log.write_nowait(step)


def steps(run: al.Run, key: str) -> list[int]:
    return [int(step) for step in run.series(key).step]


def test_what_lies_beyond_the_step_is_superseded_and_stays_in_the_journal(tmp_path: Path) -> None:
    trained(tmp_path / "run", 0, 40, 0.0)
    trained(tmp_path / "run", 21, 30, 0.5, rewind_to=20)
    run = al.read(tmp_path / "run")
    assert steps(run, "loss") == list(range(30))
    assert run.series("loss").value.tolist() == [*map(float, range(21)), *(step + 0.5 for step in range(21, 30))]
    assert [one.step for one in run.events(kind="image")] == [0, 10, 20]
    assert [one.value for one in run.events(kind="string", key="said")] == ["0.0", "0.0", "0.0"]
    assert not any(one.key == "accuracy30" for one in run.keys())  # noqa: SIM118 (a Run is no mapping)
    assert [one.rewound_to for one in run.writers] == [None, dict.fromkeys(("train", "valid", "test"), 20)]
    everything = al.read(tmp_path / "run", superseded=True)
    assert steps(everything, "loss") == [*range(40), *range(21, 30)]
    assert run.superseded == run.writers[0].superseded == len(everything) - len(run) > 0


def test_several_rewinds_leave_what_each_of_them_left(tmp_path: Path) -> None:
    trained(tmp_path / "run", 0, 30, 0.0)
    trained(tmp_path / "run", 21, 50, 0.25, rewind_to=20)
    trained(tmp_path / "run", 11, 15, 0.5, rewind_to=10)
    trained(tmp_path / "run", 13, 20, 0.75, rewind_to=12)
    found = al.read(tmp_path / "run").series("loss")
    assert found.step.tolist() == list(range(20))
    assert [value % 1 for value in found.value.tolist()] == [0.0] * 11 + [0.5] * 2 + [0.75] * 7


def test_a_rewind_beyond_what_was_recorded_supersedes_nothing(tmp_path: Path) -> None:
    """A checkpoint may have reached the disk when the last rows did not."""
    trained(tmp_path / "run", 0, 10, 0.0)
    trained(tmp_path / "run", 13, 15, 0.0, rewind_to=12)
    run = al.read(tmp_path / "run")
    assert steps(run, "loss") == [*range(10), 13, 14]
    assert run.superseded == 0


def test_a_first_epoch_has_nothing_to_go_back_in_and_says_nothing(tmp_path: Path) -> None:
    trained(tmp_path / "run", 0, 10, 0.0, rewind_to=5)
    run = al.read(tmp_path / "run")
    assert steps(run, "loss") == list(range(10))
    assert run.writers[0].rewound_to is None
    assert not any(one.namespace == "asynclog" for one in run.keys())  # noqa: SIM118 (a Run is no mapping)


def test_phases_that_count_for_themselves_go_back_by_themselves(tmp_path: Path) -> None:
    def life(stop: int, **options: Any) -> None:
        with al.MultiLogger(tmp_path / "run", recorder="thread", **options) as log:
            for step in range(stop):
                for phase, at in (("train", step), ("valid", 10 * step), ("test", step)):
                    log.log_scalar("loss", float(step))
                    log.write_nowait(al.State(at, phase))  # type: ignore[arg-type]

    life(10)
    life(0, rewind_to={"train": 4, "valid": 50})
    run = al.read(tmp_path / "run")
    assert run.series("loss", phase="train").step.tolist() == [0, 1, 2, 3, 4]
    assert run.series("loss", phase="valid").step.tolist() == [0, 10, 20, 30, 40, 50]
    assert len(run.series("loss", phase="test")) == 10


def test_each_rank_goes_back_for_itself(tmp_path: Path) -> None:
    for rank in ("rank0", "rank1"):
        trained(tmp_path / "run", 0, 10, 0.0, writer=rank)
    trained(tmp_path / "run", 5, 7, 0.5, writer="rank0", rewind_to=4)
    found = al.read(tmp_path / "run").series("loss")
    assert sorted(found.step.tolist()) == sorted([*range(7), *range(10)])


def test_a_sink_is_told_and_is_given_nothing_superseded(tmp_path: Path) -> None:
    """Also one that limits its values hears of it at once, as a number at the step that training went back to."""
    lives: list[Told] = []
    for first, stop, rewind_to in ((0, 20, None), (11, 30, 10), (6, 8, 5)):
        sinks = [al.Route(Told(lives), name="told"), al.Route(Told(lives), name="slow", limit=al.RateLimit(3600.0))]
        trained(tmp_path / "run", first, stop, 0.0, sinks, rewind_to=rewind_to)
    all_phases = ("train", "valid", "test")
    assert [one.run.rewound_to for one in lives if one.run is not None] == [
        *[None] * 2,
        *[dict.fromkeys(all_phases, 10)] * 2,
        *[dict.fromkeys(all_phases, 5)] * 2,
    ]
    for one in lives[2:4]:
        assert [event[3:] for event in one.events[:3]] == [(10, 10)] * 3
        assert {event[:3] for event in one.events[:3]} == {(phase, "asynclog", "rewound_to") for phase in all_phases}
    # Being told takes nothing of what is due.
    assert [event[3] for event in lives[3].events if event[2] == "loss"] == [11]


def test_a_sink_that_was_not_there_when_training_went_back_gets_what_counts(tmp_path: Path) -> None:
    lives: list[Told] = []
    trained(tmp_path / "run", 0, 20, 0.0, [al.Route(Told(lives), name="told")])
    trained(tmp_path / "run", 11, 40, 0.5, rewind_to=10)
    trained(tmp_path / "run", 31, 35, 0.75, rewind_to=30)
    with al.MultiLogger(tmp_path / "run", recorder="thread", sinks=[al.Route(Told(lives), name="told")]) as log:
        pass
    last = lives[-1]
    assert last.run is not None
    assert last.run.rewound_to == dict.fromkeys(("train", "valid", "test"), 10)
    assert [event[3:] for event in last.events if event[2] == "loss"] == [
        *((step, step + 0.5) for step in range(11, 31)),
        *((step, step + 0.75) for step in range(31, 35)),
    ]
    assert adds_up(log.statistics()["routes"]["told"])


def test_settings_are_of_the_run_and_stay(tmp_path: Path) -> None:
    trained(tmp_path / "run", 0, 10, 0.0, config={"lr": 0.1})
    trained(tmp_path / "run", 0, 3, 0.0, rewind_to=-1)
    run = al.read(tmp_path / "run")
    assert steps(run, "loss") == [0, 1, 2]
    assert run.config == {"lr": 0.1}


@pytest.mark.parametrize(
    ("rewind_to", "said"),
    [
        ("10", "expected a whole number of 64 bits as the step, got str '10'"),
        (10.0, "expected a whole number"),
        (True, "expected a whole number"),
        (2**63, "expected a whole number of 64 bits"),
        ({}, "expected a step, or a step a phase"),
        ({"training": 3}, r"expected steps by phase \(train, valid, test\), got str 'training'"),
        ({"train": None}, "expected a whole number"),
    ],
)
def test_what_is_no_step_is_refused(tmp_path: Path, rewind_to: Any, said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        al.MultiLogger(tmp_path / "run", rewind_to=rewind_to)


def test_going_back_in_what_there_never_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="resume='never' begins a run that has nothing to go back in"):
        al.MultiLogger(tmp_path / "run", resume="never", rewind_to=10)
    with pytest.raises(InvalidConfiguration, match="pass run="):
        al.MultiLogger(rewind_to=10)
    with pytest.raises(RunNotFound, match="nothing was recorded there"):
        trained(tmp_path / "run", 0, 1, 0.0, resume="must", rewind_to=10)


def test_a_whole_number_of_numpy_is_a_step(tmp_path: Path) -> None:
    trained(tmp_path / "run", 0, 10, 0.0)
    trained(tmp_path / "run", 4, 5, 0.0, rewind_to=np.int64(3))
    assert steps(al.read(tmp_path / "run"), "loss") == [0, 1, 2, 3, 4]

"""The run that an integration holds: opened when it is needed, ended once, gone on with; or somebody else's."""

import asyncio
import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.integrations.holding import Holding
from tests.unmeasured import UNMEASURED


def steps(path: Path, key: str = "loss") -> list[int]:
    return al.read(path).series(key).step.tolist()


def test_a_path_is_opened_with_the_first_value_and_again_after_its_end(tmp_path: Path) -> None:
    holding = Holding(tmp_path / "run", {"config": {"lr": 1.0}})
    assert holding.directory == tmp_path / "run"
    assert holding.end() is False
    assert not (tmp_path / "run").exists()
    for step in (0, 1):
        holding.write({"loss": 1.0}, al.State(step))
        assert "open" in repr(holding)
        assert holding.end() is True
        assert al.read(tmp_path / "run").status == "finished"
    assert holding.end() is False
    assert steps(tmp_path / "run") == [0, 1]
    assert [one.epoch for one in al.read(tmp_path / "run").writers] == [0, 1]


def test_it_goes_on_with_a_run_of_its_own_though_others_it_refuses(tmp_path: Path) -> None:
    for making in (Holding, partial(Holding.of_rank, partial(int, 0))):
        path = tmp_path / str(making.__class__.__name__)
        holding = making(path, {"resume": "never"})
        for step in (0, 1):
            holding.write({"loss": 1.0}, al.State(step))
            holding.end()
        assert steps(path) == [0, 1]
        with pytest.raises(al.RunError, match="never"):
            making(path, {"resume": "never"}).write({"loss": 1.0}, al.State(2))


def test_a_run_is_rewound_once(tmp_path: Path) -> None:
    """What the trainings after it recorded stays."""
    holding = Holding(tmp_path / "run", {})
    for step in range(4):
        holding.write({"loss": 1.0}, al.State(step))
    holding.end()
    holding = Holding(tmp_path / "run", {"resume": "must", "rewind_to": 1})
    for step in (2, 3, 4):
        holding.write({"loss": 2.0}, al.State(step))
        holding.end()
    found = al.read(tmp_path / "run").series("loss")
    assert (found.step.tolist(), found.value.tolist()) == ([0, 1, 2, 3, 4], [1.0, 1.0, 2.0, 2.0, 2.0])


def test_sinks_serve_every_opening(tmp_path: Path) -> None:
    memory, lines = al.sinks.Memory(), al.sinks.JSONLines(tmp_path / "metrics.jsonl")
    holding = Holding(tmp_path / "run", {"sinks": [memory, lines, al.sinks.Console(), al.sinks.CSV(tmp_path / "metrics.csv")]})
    for step in range(3):
        holding.write({"loss": float(step)}, al.State(step))
        holding.end()
    assert [one.value for one in memory.events] == [0.0, 1.0, 2.0]
    assert (tmp_path / "metrics.jsonl").read_text().count('"loss"') == 3
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 4


def test_a_callable_makes_a_logger_for_each_training(tmp_path: Path) -> None:
    made: list[al.MultiLogger] = []

    def make() -> al.MultiLogger:
        made.append(al.MultiLogger(tmp_path / "run", recorder="thread"))
        return made[-1]

    holding = Holding(make, {})
    for step in (0, 1):
        holding.write({"loss": 1.0}, al.State(step))
        holding.end()
    assert len(made) == 2
    assert steps(tmp_path / "run") == [0, 1]


def test_a_logger_that_was_lent_is_neither_opened_nor_ended(tmp_path: Path) -> None:
    log = al.MultiLogger(tmp_path / "run", recorder="thread")
    holding = Holding(log, {})
    with log:
        holding.write({"loss": 1.0}, al.State(0))
        assert holding.end(ValueError("not mine to end")) is False
        assert holding.log is log
        holding.write({"loss": 1.0}, al.State(1))
    assert steps(tmp_path / "run") == [0, 1]
    assert al.read(tmp_path / "run").status == "finished"


def test_arguments_are_checked_where_they_are_given(tmp_path: Path) -> None:
    with pytest.raises(al.InvalidConfiguration, match="resume"):
        Holding(tmp_path / "run", {"resume": "perhaps"})
    with pytest.raises(al.InvalidConfiguration, match="sinks: arguments of the MultiLogger that is made of a path"):
        Holding(al.MultiLogger(None, sinks=[al.sinks.Memory()]), {"sinks": []})
    with pytest.raises(al.InvalidConfiguration, match="give the run's directory"):
        Holding.of_rank(lambda: 0, lambda: al.MultiLogger(None), {})


def test_metrics_go_to_the_phases_that_their_names_say(tmp_path: Path) -> None:
    holding = Holding(tmp_path / "run", {"recorder": "thread"})
    at = al.State(5, "train", 2, axes={"epoch": 2.5})
    holding.log.log_string("pending", "text")
    holding.write({"loss": 1.0, "val_loss": 2.0, "lr": 3.0, "test/acc": 4.0}, at)
    holding.write({"acc": 5.0}, al.State(6, "test"), namespace="trial-1")
    holding.end()
    found = [
        (one.namespace, one.key, one.phase, one.step, one.epoch, dict(one.axes)) for one in al.read(tmp_path / "run").events()
    ]
    assert sorted(found) == [
        ("", "loss", "train", 5, 2, {"epoch": 2.5}),
        ("", "lr", "train", 5, 2, {"epoch": 2.5}),
        ("", "pending", "train", 5, 2, {"epoch": 2.5}),
        ("", "test/acc", "test", 5, 2, {"epoch": 2.5}),
        ("", "val_loss", "valid", 5, 2, {"epoch": 2.5}),
        ("trial-1", "acc", "test", 6, 0, {}),
    ]


def test_settings_are_recorded_at_once(tmp_path: Path) -> None:
    """They are there when the process is killed before its first batch."""
    holding = Holding(tmp_path / "run", {"journal": al.Journal(linger=0.01)})
    holding.settings({"lr": 1.0})
    assert holding.log.statistics()["accepted"] == 1
    holding.end(KeyboardInterrupt())
    run = al.read(tmp_path / "run")
    assert run.config == {"lr": 1.0}
    assert [(one.status, one.error) for one in run.writers] == [("failed", "KeyboardInterrupt")]


def test_another_training_on_a_run_that_nobody_ended_ends_it_first(tmp_path: Path) -> None:
    first, second = Holding(tmp_path / "run", {}), Holding(tmp_path / "run", {})
    first.write({"loss": 1.0}, al.State(0))
    second.write({"loss": 1.0}, al.State(1))
    assert first.end() is False
    second.end()
    run = al.read(tmp_path / "run")
    assert [one.status for one in run.writers] == ["failed", "finished"]
    assert "another one went on with its run" in str(run.writers[0].error)
    assert steps(tmp_path / "run") == [0, 1]


class Stopped:
    """A sink that can't go on, whatever it is given."""

    async def write(self, batch: Any, /) -> None:
        raise RuntimeError("never works")

    async def aclose(self) -> None:
        pass


def test_a_sink_that_was_stopped_doesnt_fail_the_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    holding = Holding(tmp_path / "run", {"sinks": [al.Route(Stopped(), name="broken", deadline=5.0)]})
    for step in range(20):
        holding.write({"loss": 1.0}, al.State(step))
        # A batch of its own each: three that fail stop the sink.
        asyncio.run(holding.log.flush(20.0))
    assert holding.end() is True
    assert "a sink of it had been stopped" in caplog.text
    assert len(steps(tmp_path / "run")) == 20


def test_it_travels_with_what_it_was_given_or_as_a_writer_of_its_own(tmp_path: Path) -> None:
    holding = Holding(tmp_path / "run", {"writer": "here"})
    there = pickle.loads(pickle.dumps(holding))
    there.write({"loss": 1.0}, al.State(0))
    there.end()
    holding.write({"loss": 1.0}, al.State(1))
    there = pickle.loads(pickle.dumps(holding))
    for step in (2, 3):
        there.write({"loss": 1.0}, al.State(step))
        there.end()
    holding.end()
    with al.MultiLogger(tmp_path / "run", writer="lent") as log:
        there = pickle.loads(pickle.dumps(Holding(log, {})))
        there.write({"loss": 1.0}, al.State(4))
        there.end()
    assert steps(tmp_path / "run") == [0, 1, 2, 3, 4]
    names = [one.writer for one in al.read(tmp_path / "run").writers]
    assert sorted(set(names)) == ["here", f"here-{os.getpid()}", "lent", f"lent-{os.getpid()}"]


def test_each_rank_is_a_writer_and_rank_zero_has_the_sinks(tmp_path: Path) -> None:
    memory = al.sinks.Memory()
    for rank in (0, 1):
        holding = Holding.of_rank(partial(int, rank), tmp_path / "run", {"sinks": [memory]})
        holding.write({"loss": float(rank)}, al.State(rank))
        holding.end()
    assert sorted(one.writer for one in al.read(tmp_path / "run").writers) == ["rank0", "rank1"]
    assert [one.value for one in memory.events] == [0.0]


PROGRAM = """
import sys
from asynclog.integrations.holding import Holding
from asynclog.state import State
holding = Holding(sys.argv[1], {})
holding.write({"loss": 1.0}, State(0))
"""


@pytest.mark.parametrize(
    ("end", "status", "error"),
    [
        ("raise ValueError('the loss has gone')", "failed", "ValueError: the loss has gone"),
        ("raise KeyboardInterrupt", "failed", "KeyboardInterrupt"),
        ("", "finished", None),
    ],
)
def test_what_is_open_when_the_program_ends_ends_with_it(tmp_path: Path, end: str, status: str, error: str | None) -> None:
    """For frameworks that tell nobody of an exception."""
    command = [sys.executable, "-c", PROGRAM + end, str(tmp_path / "run")]
    ended = subprocess.run(command, env=UNMEASURED, capture_output=True, text=True, timeout=50)
    assert (ended.returncode == 0) is (error is None), ended.stderr
    (writer,) = al.read(tmp_path / "run").writers
    assert (writer.status, writer.error) == (status, error)

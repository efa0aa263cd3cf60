"""The state dict of a checkpoint: plain values, from which training goes on in its run, at its step, with its limits."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.errors import InvalidConfiguration, RunError, RunNotFound
from asynclog.flow.limit import Limiter
from asynclog.logger.state_dict import checked_state

PHASES = ("train", "valid", "test")


def saved(run: Path | None, stop: int = 11, **options: Any) -> dict[str, Any]:
    with al.MultiLogger(run, recorder="thread", **options) as log:
        for step in range(stop):
            log.log_scalar("loss", float(step))
            log.write_nowait(step)
        return log.state_dict()


def test_it_is_of_plain_values_and_says_how_far_each_phase_has_come(tmp_path: Path) -> None:
    with al.MultiLogger(tmp_path / "run", recorder="thread", writer="trainer") as log:
        row = log.row("kilohertz", phase="test")
        for step in range(30):
            log.log_scalar("loss", float(step))
            log.write_nowait(step)
            row(3 * step, 1.0)
        log.log_string("late", "an evaluation of step 7 ended")
        log.write_nowait(7)
        log.log_scalar("once", 1.0)
        log.write_nowait(al.State(28, "valid"))
        state = log.state_dict()
        log.log_string("note", "at 40")
        log.write_nowait(40)
        assert log.state_dict()["step"] == 40
    assert json.loads(json.dumps(state)) == state == pickle.loads(pickle.dumps(state))
    assert state["steps"] == {"train": 29, "valid": 28, "test": 87}
    assert (state["step"], state["writer"], state["epoch"]) == (29, "trainer", 0)
    assert state["run"] == {"id": al.read(tmp_path / "run").info.id, "name": "run", "path": str(tmp_path / "run")}
    assert state["counts"]["accepted"] == 62


def test_blocks_that_were_full_are_not_forgotten(tmp_path: Path) -> None:
    assert saved(tmp_path / "run", 5_000)["step"] == 4_999
    with al.MultiLogger(tmp_path / "other", recorder="thread") as log:
        for step in reversed(range(5_000)):
            log.log_scalar("loss", float(step))
            log.write_nowait(step)
        assert log.state_dict()["step"] == 4_999


def test_training_goes_on_at_the_checkpoint(tmp_path: Path) -> None:
    with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        for step in range(30):
            if step == 11:
                state = log.state_dict()
            log.log_scalar("loss", float(step))
            log.write_nowait(step)
    with al.MultiLogger.from_state_dict(state, recorder="thread") as log:
        assert log.state_dict()["steps"] == dict.fromkeys(PHASES, 10)
        log.log_scalar("loss", 11.5)
        log.write_nowait(11)
        again = log.state_dict()
    assert al.read(tmp_path / "run").series("loss").value.tolist() == [*map(float, range(11)), 11.5]
    assert (again["epoch"], again["step"]) == (1, 11)


def test_a_phase_that_had_come_further_keeps_what_it_had(tmp_path: Path) -> None:
    """One that counts for itself, or was evaluated for the step to come."""
    with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        for step in range(5):
            log.log_scalar("loss", 1.0)
            log.write_nowait(step)
            log.log_scalar("loss", 1.0)
            log.write_nowait(al.State(100 + step, "valid"))
        state = log.state_dict()
    with al.MultiLogger.from_state_dict(state, recorder="thread"):
        pass
    run = al.read(tmp_path / "run")
    assert run.superseded == 0
    assert run.writers[1].rewound_to == {"train": 4, "valid": 104, "test": 4}


def test_a_checkpoint_from_before_the_first_step_leaves_nothing_of_what_came(tmp_path: Path) -> None:
    with al.MultiLogger(tmp_path / "run", recorder="thread", config={"lr": 0.1}) as log:
        state = log.state_dict()
        log.log_scalar("loss", 1.0)
        log.write_nowait(0)
    assert state["step"] is None
    with al.MultiLogger.from_state_dict(state, recorder="thread"):
        pass
    run = al.read(tmp_path / "run")
    assert [one.namespace for one in run.keys() if one.kind == "scalar"] == ["asynclog"] * 3  # noqa: SIM118
    with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        later = log.state_dict()
    with pytest.raises(InvalidConfiguration, match="pass rewind_to=STEP"):
        al.MultiLogger.from_state_dict(later)


def test_what_is_given_counts(tmp_path: Path) -> None:
    state = saved(tmp_path / "run", writer="trainer")
    (tmp_path / "run").rename(tmp_path / "moved")
    with al.MultiLogger.from_state_dict(state, tmp_path / "moved", recorder="thread", rewind_to=3):
        pass
    run = al.read(tmp_path / "moved")
    assert run.series("loss").step.tolist() == [0, 1, 2, 3]
    assert {one.writer for one in run.writers} == {"trainer"}


def test_loading_before_opening_is_the_same(tmp_path: Path) -> None:
    state = saved(tmp_path / "run")
    log = al.MultiLogger(tmp_path / "run", recorder="thread")
    log.load_state_dict({**state, "steps": {"train": 5}})
    with log:
        pass
    assert al.read(tmp_path / "run").series("loss").step.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_logger_that_is_open_is_too_late(tmp_path: Path) -> None:
    state = saved(tmp_path / "run")
    with (
        al.MultiLogger(tmp_path / "run", recorder="thread") as log,
        pytest.raises(InvalidConfiguration, match="load the checkpoint first"),
    ):
        log.load_state_dict(state)


def test_another_run_is_refused(tmp_path: Path) -> None:
    state = saved(tmp_path / "run")
    saved(tmp_path / "other")
    with pytest.raises(RunError, match="is another run"):
        al.MultiLogger.from_state_dict(state, tmp_path / "other", recorder="thread").__enter__()
    with pytest.raises(RunNotFound, match="nothing was recorded there"):
        al.MultiLogger.from_state_dict(state, tmp_path / "none", recorder="thread").__enter__()
    assert len(al.read(tmp_path / "other").writers) == 1


def test_the_rank_of_the_process_goes_before_the_rank_that_saved(tmp_path: Path) -> None:
    """Often the first rank alone saves what all of them load."""
    rank0, named = (checked_state({**GOOD, "writer": writer}) for writer in ("rank0", "trainer"))
    assert rank0.own_writer({"RANK": "1", "WORLD_SIZE": "2"}) is None
    assert rank0.own_writer({"RANK": "0", "WORLD_SIZE": "1"}) == "rank0"
    assert named.own_writer({"RANK": "1", "WORLD_SIZE": "2"}) == "trainer"
    for writer in ("rank0", "rank1"):
        state = saved(tmp_path / "run", 20, writer=writer)
    for writer in ("rank0", "rank1"):
        with al.MultiLogger.from_state_dict({**state, "steps": {"train": 4}}, recorder="thread", writer=writer):
            pass
    run = al.read(tmp_path / "run")
    assert sorted(run.series("loss").step.tolist()) == sorted([*range(5), *range(5)])


def test_a_rank_that_joins_at_a_checkpoint_was_never_there(tmp_path: Path) -> None:
    state = saved(tmp_path / "run", writer="rank0")
    with al.MultiLogger.from_state_dict(state, recorder="thread", writer="rank1") as log:
        log.log_scalar("loss", 1.0)
        log.write_nowait(11)
    assert al.read(tmp_path / "run").series("loss").step.tolist() == list(range(12))


def test_without_a_directory_limits_go_on_and_that_is_all() -> None:
    memory = al.sinks.Memory()
    state = saved(None, sinks=[al.Route(al.sinks.Memory(), name="m", limit=al.RateLimit(steps=10))])
    assert state["run"] is None
    log = al.MultiLogger.from_state_dict(state, sinks=[al.Route(memory, name="m", limit=al.RateLimit(steps=10))])
    with log:
        for step in range(11, 25):
            log.log_string("at", f"{step}")
            log.write_nowait(step)
    assert [one.step for one in memory.events] == [20]


@pytest.mark.parametrize("own_clock", [True, False])
def test_what_was_not_due_at_the_checkpoint_is_not_suddenly_due(tmp_path: Path, own_clock: bool) -> None:
    """Neither by the time that passed in between, nor by steps; a phase that was never due is."""

    def at(step: int, phase: Any = "train") -> al.State:
        return al.State(step, phase, elapsed_s=float(step) if own_clock else None)

    def routes() -> list[al.Route]:
        limits = {"time": al.RateLimit(40.0 if own_clock else 3600.0), "steps": al.RateLimit(steps=50)}
        return [al.Route(al.sinks.Memory(), name=name, limit=limit) for name, limit in limits.items()]

    with al.MultiLogger(tmp_path / "run", recorder="thread", sinks=routes(), limit=al.RateLimit(1.0)) as log:
        for step in range(10):
            log.log_scalar("loss", 1.0)
            log.write_nowait(at(step))
        state = log.state_dict()
        assert state["clock"] == ("elapsed" if own_clock else "wall")
    # As if it had been days ago.
    if not own_clock:
        days = 5 * 86_400 * 10**9
        state["time_ns"] -= days
        for one in state["limits"].values():
            one["last_ns"] = {phase: last - days for phase, last in one["last_ns"].items()}
    with al.MultiLogger.from_state_dict(state, recorder="thread", sinks=routes()) as log:
        assert [step for step in range(10, 49) if log.should_write(at(step))] == ([40] if own_clock else [])
        assert log.should_write(at(50))
        assert log.should_write(at(10, "valid"))


def test_a_budget_goes_on_with_what_was_spent() -> None:
    limiter = Limiter(al.RateLimit(budget=0.01))
    assert limiter.due("train", 0, 0)
    limiter.spend(10)
    later = Limiter(al.RateLimit(budget=0.01))
    later.go_on_from(limiter.state(), 10_000)
    assert not later.due("train", 1, 10_999)
    assert later.due("train", 1, 11_000)


def test_tables_know_their_columns_again(tmp_path: Path) -> None:
    with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        log.log_table("scores", [1, 0.5], columns=["name", "score"])
        log.write_nowait(0)
        state = log.state_dict()
    with al.MultiLogger.from_state_dict(state, recorder="thread", strict=True) as log:
        log.log_table("scores", [2, 0.25])
        log.write_nowait(1)
    assert al.read(tmp_path / "run").table("scores").rows() == [(1, 0.5), (2, 0.25)]


GOOD: dict[str, Any] = {
    "asynclog": 1, "run": {"id": "a", "name": "run", "path": "run"}, "writer": "main", "epoch": 0, "step": 3,
    "steps": {"train": 3}, "time_ns": 5, "clock": "wall",
    "limits": {"one": {"last_ns": {"train": 1}, "last_step": {"train": 1}, "began_ns": None, "spent_ns": 0}}, "journal": None,
    "tables": [], "counts": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "state dict: expected a mapping"),
        ([], "state dict: expected a mapping"),
        ({}, "expected what log.state_dict\\(\\) gave"),
        ({1: 2}, "expected a mapping of names"),
        ({"asynclog": True}, "expected what log.state_dict"),
        ({**GOOD, "asynclog": 2}, "expected format 1, got 2; it is of another version"),
        ({**GOOD, "run": "runs/digits"}, "run: expected a mapping"),
        ({**GOOD, "run": {"id": "a", "path": "a\0b"}}, "run path: expected a str"),
        ({**GOOD, "writer": 3}, "writer: expected a str"),
        ({**GOOD, "steps": {"training": 3}}, "steps: expected steps by phase"),
        ({**GOOD, "steps": {"train": "3"}}, "steps train: expected a whole number"),
        ({**GOOD, "steps": {"train": 2**63}}, "steps train: expected a whole number of 64 bits"),
        ({**GOOD, "time_ns": 1.5}, "time_ns: expected a whole number"),
        ({**GOOD, "limits": {"one": 3}}, "limits one: expected a mapping"),
        ({**GOOD, "limits": {"one": {**GOOD["limits"]["one"], "last_step": {}}}}, "a time and a step a phase"),
        ({**GOOD, "journal": {"last_ns": {}}}, "journal last_step: expected a mapping"),
        ({**GOOD, "tables": {"a": 1}}, "tables: expected a list"),
        ({**GOOD, "tables": [["", "key", ["a", "a"]]]}, "tables: expected a namespace, a key and different columns"),
        ({**GOOD, "tables": [["", "key", [object()]]]}, "tables: expected a namespace"),
    ],
)
def test_what_is_no_state_dict_is_refused_by_name(state: Any, said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        al.MultiLogger.from_state_dict(state)


def test_a_writer_that_is_no_name_of_a_file_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="writer: expected letters"):
        al.MultiLogger.from_state_dict({**GOOD, "writer": "../../etc"})

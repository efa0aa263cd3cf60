"""The async RL example: what its 200 rollout tasks, its learner and its late evaluator logged is what was recorded."""

from pathlib import Path

import pytest

import asynclog as al

pytest.importorskip("torch")

from docs.examples.async_rl.__main__ import asked, main
from docs.examples.async_rl.environment import TURNS
from docs.examples.async_rl.training import BATCH, EPISODES_OF_AN_EVALUATION, Told


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[al.Run, Told]:
    directory = tmp_path_factory.mktemp("async_rl") / "run"
    told = main(directory, tasks=200, updates=25, repeats=1)
    return al.read(directory), told


def test_every_rollout_is_there_with_its_tokens_and_the_policy_that_said_them(trained: tuple[al.Run, Told]) -> None:
    run, told = trained
    rollouts = list(run.events(kind="rollout"))
    assert sorted(event.step for event in rollouts) == sorted(told.episodes)
    assert len(rollouts) >= 25 * BATCH
    for event in rollouts:
        one = event.value
        assert len(one.tokens) == len(one.logprobs) == len(one.versions) == 2 * TURNS
        assert one.loss_mask.tolist() == [0] * TURNS + [1] * TURNS
        right = [said == asked for said, asked in zip(one.tokens[TURNS:], one.tokens[TURNS - 1 :: -1], strict=True)]
        assert [one.rewards[f"turn {turn}"] for turn in range(TURNS)] == [float(each) for each in right]
        assert event.axes["policy_version"] == one.versions[-1]
    rewards = run.series("rollout/reward")
    assert dict(zip(rewards.step.tolist(), rewards.value.tolist(), strict=True)) == {
        event.step: pytest.approx(event.value.reward) for event in rollouts
    }


def test_the_learner_is_there_step_by_step_with_its_axes(trained: tuple[al.Run, Told]) -> None:
    run, _ = trained
    for name in ("loss", "entropy", "grad_norm", "reward", "staleness", "waiting"):
        assert run.series(name, "learner", "train").step.tolist() == list(range(25))
    axes = [event.axes for event in run.events(key="loss", namespace="learner")]
    assert axes == [{"policy_version": version, "samples": (version + 1) * BATCH} for version in range(25)]
    assert [event.value.count for event in run.events(kind="histogram", key="learner/advantages")] == [TURNS * BATCH] * 25


def test_evaluations_that_finish_late_are_at_the_step_they_evaluated(trained: tuple[al.Run, Told]) -> None:
    run, told = trained
    found = run.series("return", "evaluator", "valid")
    logged = {version: value for version, value, _ in told.evaluations}
    assert dict(zip(found.step.tolist(), found.value.tolist(), strict=True)) == pytest.approx(logged)
    assert sorted(logged) == [0, 20]
    assert run.series("late_by", "evaluator").value.max() > 0
    assert len(run.table("answers", "evaluator")) == 2 * EPISODES_OF_AN_EVALUATION


def test_nothing_was_dropped_or_refused(trained: tuple[al.Run, Told]) -> None:
    run, told = trained
    assert run.status == "finished"
    assert run.missing == 0
    assert not list(run.events(namespace="asynclog"))
    writes = len(told.episodes) + told.updates + len(told.evaluations)
    assert len((run.path / "metrics.jsonl").read_text().splitlines()) == writes


def test_it_starts_in_one_line() -> None:
    given = asked([])
    assert (given.tasks, given.run) == (200, Path("runs/async_rl"))

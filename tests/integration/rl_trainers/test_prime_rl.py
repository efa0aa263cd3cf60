"""A training in prime-rl's style: an orchestrator awaits its monitor's methods, episodes and evaluations come as they end."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.integrations import prime_rl

pytest.importorskip("torch")

from docs.examples.async_rl.environment import TURNS
from docs.examples.async_rl.policy import Learner
from tests.integration.rl_trainers.training import generated
from tests.integration.rl_trainers.verifiers_like import episode

STEPS, BATCH = 8, 16


async def orchestrate(monitor: prime_rl.Monitor, said: list[dict[str, Any]]) -> None:
    learner = Learner()

    async def evaluate(step: int) -> None:
        await monitor.log_eval_plan("digits", step, 4, 1)
        samples = generated(learner, 4, step, seed=1000)
        late.set() if step else await late.wait()
        done = [episode(one, 10_000 + 100 * step + at, step) for at, one in enumerate(samples)]
        await monitor.log(done, step, "eval", "all")
        await monitor.log_eval_epoch("digits", step, done)

    late = asyncio.Event()
    async with asyncio.TaskGroup() as evaluations:
        for step in range(STEPS):
            samples = generated(learner, BATCH, step, seed=step)
            done = [episode(one, step * BATCH + at, step) for at, one in enumerate(samples)]
            for one in done:
                await monitor.log(one, step, "train", "all")
            known = await asyncio.to_thread(learner.update, samples)
            metrics = {"reward/all/mean": known["reward"], "loss/mean": known["loss"], "optim/grad_norm": known["grad_norm"]}
            await monitor.log(metrics, step)
            said.append(metrics)
            await monitor.log(done[:4], step, "train", "effective")
            await monitor.log({"inference/throughput": 100.0 + step}, None)
            if step in (0, STEPS - 1):
                evaluations.create_task(evaluate(step))
        await monitor.log_annotations([{"trace": "t0", "advantage": 0.5}, {"trace": "t1", "advantage": -0.5}])
        await monitor.log_live([{"done": "t0"}])
        await monitor.log(episode(generated(learner, 1, 0, 0)[0], 1, 0, error="no judge"), STEPS - 1, "train", "all")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[al.Run, list[dict[str, Any]]]:
    directory = tmp_path_factory.mktemp("prime") / "reinforce"
    said: list[dict[str, Any]] = []

    async def main() -> None:
        monitor = prime_rl.Monitor(None)
        await monitor.init(output_dir=directory, config={"lr": 0.02}, producer="orchestrator", train_env_names=["digits"])
        await orchestrate(monitor, said)
        assert monitor.run_id == "reinforce"
        await monitor.finalize()

    asyncio.run(main())
    return al.read(directory / "asynclog"), said


def test_metrics_are_there_at_their_steps(trained: Any) -> None:
    run, said = trained
    for key in said[0]:
        found = run.series(key)
        assert found.step.tolist() == list(range(STEPS))
        assert found.value.tolist() == [one[key] for one in said]
    assert run.series("inference/throughput").step.tolist() == list(range(STEPS))
    assert run.config == {"lr": 0.02, "train_env_names": ["digits"]}
    assert [one.writer for one in run.writers] == ["orchestrator"]
    assert run.status == "finished"


def test_every_episode_is_a_rollout_with_its_tokens(trained: Any) -> None:
    run, _ = trained
    rollouts = list(run.events(kind="rollout", key="episodes/digits", phase="train"))
    assert [event.value.info["episode"] for event in rollouts] == [f"e{number}" for number in range(STEPS * BATCH)]
    for event in rollouts:
        one = event.value
        assert (len(one.tokens), one.loss_mask.tolist()) == (2 * TURNS, [0] * TURNS + [1] * TURNS)
        assert one.reward == pytest.approx(sum(one.advantage[TURNS:] + 0.5) / TURNS)
        assert one.rewards == {"right": one.reward}
        assert (one.group, one.stop) == (f"g{int(one.info['episode'][1:]) // 4}", "done")
        assert event.axes == {"policy_version": event.step + 1} == {"policy_version": one.versions}
        assert one.info["metrics"] == {"turns": TURNS}
        assert [message["role"] for message in one.messages] == ["user", "assistant"]


def test_what_was_trained_on_is_a_table_and_not_the_tokens_again(trained: Any) -> None:
    run, _ = trained
    table = run.table("effective")
    assert table.step.tolist() == [step for step in range(STEPS) for _ in range(4)]
    assert list(table["episode"]) == [f"e{step * BATCH + at}" for step in range(STEPS) for at in range(4)]


def test_an_evaluation_that_ends_last_is_at_the_step_it_began_at(trained: Any) -> None:
    run, _ = trained
    assert run.series("eval/digits/episodes", phase="valid").step.tolist() == [STEPS - 1, 0]
    assert run.series("eval/digits/reward/mean", phase="valid").value.size == 2
    assert [event.value.count for event in run.events(kind="histogram", key="eval/digits/reward")] == [4, 4]
    assert run.series("eval_plan/digits/expected", phase="valid").value.tolist() == [4, 4]
    assert len(list(run.events(kind="rollout", phase="valid"))) == 8


def test_failed_episodes_and_annotations_are_kept(trained: Any) -> None:
    run, _ = trained
    (failed,) = run.events(kind="record", key="errors/digits")
    assert (failed.value.message, failed.value.level, failed.value.exception) == ("no judge", 40, "Traceback …")
    assert list(run.table("annotations")["trace"]) == ["t0", "t1"]


def test_the_monitor_that_is_not_awaited_keeps_samples_and_distributions(tmp_path: Path) -> None:
    learner = Learner()
    monitor = prime_rl.SyncMonitor(None, tmp_path, run_config={"lr": 0.02})

    async def main() -> None:
        for step in range(4):
            samples = generated(learner, 8, step, seed=step)
            traces = [episode(one, 8 * step + at, step).traces[0] for at, one in enumerate(samples)]
            known = learner.update(samples)
            monitor.log({"reward/mean": known["reward"]}, step)
            monitor.log_samples(traces, step)
            monitor.log_distributions({"rewards": [one.reward for one in traces], "none": []}, step)
        monitor.log_eval_samples(traces[:2], "digits", 1)

    asyncio.run(main())
    monitor.save_final_summary()
    monitor.close()
    run = al.read(tmp_path / "asynclog")
    assert run.series("reward/mean").step.tolist() == [0, 1, 2, 3]
    assert [event.step for event in run.events(kind="rollout", key="samples")] == [step for step in range(4) for _ in range(8)]
    assert [event.step for event in run.events(kind="rollout", key="eval/samples/digits", phase="valid")] == [1, 1]
    assert [event.value.count for event in run.events(kind="histogram", key="rewards")] == [8] * 4
    assert json.loads((tmp_path / "final_summary.json").read_text()) == monitor.history[-1]


def test_a_trace_that_nobody_scored_counts_as_an_episode_and_not_as_a_reward(tmp_path: Path) -> None:
    scored, unscored = (episode(one, at, 0) for at, one in enumerate(generated(Learner(), 2, 0, seed=0)))
    unscored.traces[0].reward = None

    async def main() -> None:
        monitor = prime_rl.Monitor()
        await monitor.init(output_dir=tmp_path)
        await monitor.log_eval_epoch("digits", 3, [scored, unscored])
        await monitor.finalize()

    asyncio.run(main())
    run = al.read(tmp_path / "asynclog")
    assert run.series("eval/digits/episodes").value.tolist() == [2]
    assert run.series("eval/digits/reward/mean").value.tolist() == [scored.traces[0].reward]


def test_before_init_it_says_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match="init"):
        asyncio.run(prime_rl.Monitor(None).log_metrics({"x": 1.0}, 0))

"""The trainer: rollouts, a learner and an evaluator, all on one loop, and what each of them logs."""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import asynclog as al
from docs.examples.async_rl.environment import TURNS, Reverse
from docs.examples.async_rl.policy import Learner, Sample, Server, arrays, observed

BATCH = 64
EVALUATED_EVERY = 20
EVALUATION_SEED = 1_000_000
EPISODES_OF_AN_EVALUATION = 50


@dataclass
class Told:
    """What was logged, for whoever wants to compare it with what was recorded."""

    episodes: list[int] = field(default_factory=list)
    evaluations: list[tuple[int, float, int]] = field(default_factory=list)
    """(the version evaluated, its return, the version that the learner had reached by then)"""
    updates: int = 0


class Trainer:
    """log: a MultiLogger, or what looks like one and does nothing. tasks: how many episodes go on at once."""

    def __init__(self, log: Any, *, tasks: int, updates: int, seed: int = 0) -> None:
        self._log, self._tasks, self._updates = log, tasks, updates
        self._server, self._learner = Server(seed), Learner()
        self._finished: asyncio.Queue[Sample] = asyncio.Queue()
        self._numbers = count()
        self._goes_on = True
        self.told = Told()

    async def run(self) -> Told:
        serving = asyncio.create_task(self._server.serve())
        rollouts = [asyncio.create_task(self._rollouts()) for _ in range(self._tasks)]
        await self._learn()
        self._goes_on = False
        await asyncio.gather(*rollouts)
        serving.cancel()
        return self.told

    async def _episode(self, seed: int) -> tuple[Reverse, Sample]:
        environment = Reverse(seed)
        sample = Sample(environment.prompt)
        for turn in range(TURNS):
            digit, logprob, version = await self._server.sample(observed(environment.prompt, turn))
            sample.rewards.append(await environment.turn(digit))
            sample.tokens.append(digit)
            sample.logprobs.append(logprob)
            sample.versions.append(version)
        return environment, sample

    async def _rollouts(self) -> None:
        while self._goes_on:
            number = next(self._numbers)
            environment, sample = await self._episode(number)
            # An entry of its own: 200 tasks log at once, each at its own state, and none takes another's values along.
            async with self._log.at(al.State(number, axes={"policy_version": sample.versions[-1]})) as entry:
                entry.log_scalar("reward", sum(sample.rewards) / TURNS, namespace="rollout")
                entry.log_scalar("drift", sample.versions[-1] - sample.versions[0], namespace="rollout")
                rewards = {f"turn {turn}": one for turn, one in enumerate(sample.rewards)}
                outcome = {"messages": environment.messages, "reward": sum(sample.rewards) / TURNS, "rewards": rewards}
                entry.log_rollout("episode", {**outcome, **arrays(sample), "stop": "end of turns"}, namespace="rollout")
            self.told.episodes.append(number)
            self._finished.put_nowait(sample)

    async def _learn(self) -> None:
        async with asyncio.TaskGroup() as evaluations:
            for version in range(self._updates):
                samples = [await self._finished.get() for _ in range(BATCH)]
                known = await asyncio.to_thread(self._learner.update, samples)
                self._server.publish(version + 1, self._learner.weights())
                staleness = [version - one for sample in samples for one in sample.versions]
                state = al.State(version, axes={"policy_version": version, "samples": (version + 1) * BATCH})
                for name in ("loss", "entropy", "grad_norm", "reward"):
                    self._log.log_scalar(name, known[name], namespace="learner")
                self._log.log_scalar("staleness", sum(staleness) / len(staleness), namespace="learner")
                self._log.log_scalar("waiting", self._finished.qsize(), namespace="learner")
                for name in ("advantages", "ratios"):
                    self._log.log_histogram(name, known[name], namespace="learner")
                await self._log.write(state)
                self.told.updates += 1
                if version % EVALUATED_EVERY == 0:
                    evaluations.create_task(self._evaluate(version, self._learner.weights()))

    async def _evaluate(self, version: int, weights: Any) -> None:
        """With a server of its own. By the time it is done the learner is far ahead: its step goes back, and is kept."""
        trainer = Trainer(self._log, tasks=0, updates=0, seed=version)
        trainer._server.publish(version, weights)
        serving = asyncio.create_task(trainer._server.serve())
        seeds = range(EVALUATION_SEED, EVALUATION_SEED + EPISODES_OF_AN_EVALUATION)
        episodes = await asyncio.gather(*(trainer._episode(seed) for seed in seeds))
        await asyncio.sleep(0.3)  # a judge that takes its time
        serving.cancel()
        reached = sum(sum(sample.rewards) for _, sample in episodes) / (TURNS * len(episodes))
        async with self._log.at(al.State(version, phase="valid", axes={"policy_version": version})) as entry:
            entry.log_scalar("return", reached, namespace="evaluator")
            entry.log_scalar("late_by", self.told.updates - version, namespace="evaluator")
            table = entry.table("answers", columns=("prompt", "answer", "reward"), namespace="evaluator")
            for environment, sample in episodes:
                table.append(" ".join(map(str, environment.prompt)), " ".join(map(str, environment.said)), sum(sample.rewards))
        self.told.evaluations.append((version, reached, self.told.updates))

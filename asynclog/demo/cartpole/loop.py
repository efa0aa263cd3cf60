"""The training loop: actors, a learner and an evaluator, tasks of one event loop, and what they say to the logger.

Actors add the returns of finished episodes to the logger's pending values, where they fold into one mean until the
learner writes. The evaluator plays its episodes with a policy that the learner has long left behind when they are over,
and writes at the step of that policy.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from asynclog.demo.cartpole import pole
from asynclog.demo.cartpole.policy import Batch, Learner, Snapshot
from asynclog.demo.cartpole.sound import recording
from asynclog.demo.log import Log
from asynclog.demo.training import Plan, Standing, Training
from asynclog.state import State

SOLVED_RETURN: Final = 475.0  # what gymnasium registers as CartPole-v1's reward threshold
VALIDATION_SEEDS: Final = range(9_000, 9_010)
HELD_OUT_SEEDS: Final = range(9_100, 9_120)


@dataclass(frozen=True, slots=True)
class CartPolePlan(Plan):
    """every: seconds from one validation to the next. film_every: one validation in so many is filmed.

    rate: the optimiser's step size at the start. in_a_row: so many good validations on end solve the task.
    """

    actors: int = 8
    every: float = 1.0
    film_every: int = 4
    rate: float = 5e-4
    in_a_row: int = 5


@dataclass(slots=True)
class CartPoleStanding(Standing):
    """Returns are means over episodes: of the newest validation, None until there is one, and of the same 20 held-out ones
    before training and with the policy kept.

    steps: of play. solved_s: seconds until the first of the validations in a row that solved it.
    """

    steps: int = 0
    episodes: int = 0
    valid_return: float | None = None
    solved_s: float | None = None
    untrained_return: float = 0.0
    trained_return: float = 0.0

    @property
    def gain(self) -> float:
        """By how much the mean return grew."""
        return self.trained_return - self.untrained_return

    def words(self) -> str:
        rate = self.steps / max(self.elapsed_s, 1e-3)
        valid = "not yet" if self.valid_return is None else f"{self.valid_return:.0f}"
        return f"update {self.updates} · {self.episodes:,} episodes · {rate:,.0f} steps/s · validation return {valid}"


@dataclass(frozen=True, slots=True)
class Stage:
    """What has to be loaded before the loop may start, because loading blocks it."""

    actors: list[pole.Environment]
    validation: pole.Environment
    learner: Learner
    sound: NDArray[np.float32]
    sample_rate: int


def load(plan: CartPolePlan) -> Stage:
    """Environments, networks and sound; a first update and a first picture are made here, because they take long.

    Blocks for a second or two: for a thread.
    """
    # Two cores, and a network too small to split: a second thread would only take time from the recorder.
    torch.set_num_threads(1)
    actors = [pole.make_environment(rendered=i == 0) for i in range(plan.actors)]
    validation = pole.make_environment(rendered=True)
    nothing = Batch(
        observation=np.zeros((4, 2, 4), np.float32),
        following=np.zeros((4, 2, 4), np.float32),
        action=np.zeros((4, 2), np.int64),
        log_probability=np.zeros((4, 2), np.float32),
        terminated=np.zeros((4, 2), np.bool_),
        ended=np.zeros((4, 2), np.bool_),
    )
    for _ in Learner(plan.seed).update(nothing):
        pass
    pole.frame(validation)
    return Stage(actors, validation, Learner(plan.seed, plan.rate), *recording())


def gather(fragments: Sequence[pole.Fragment]) -> Batch:
    """Fragments side by side, one column each."""
    return Batch(
        observation=np.stack([fragment.observation for fragment in fragments], axis=1),
        following=np.stack([fragment.following for fragment in fragments], axis=1),
        action=np.stack([fragment.action for fragment in fragments], axis=1),
        log_probability=np.stack([fragment.log_probability for fragment in fragments], axis=1),
        terminated=np.stack([fragment.terminated for fragment in fragments], axis=1),
        ended=np.stack([fragment.ended for fragment in fragments], axis=1),
    )


class CartPoleTraining(Training[CartPolePlan, CartPoleStanding]):
    """See Training. It is solved, and over, after enough good validations in a row."""

    def __init__(self, log: Log, plan: CartPolePlan, stage: Stage) -> None:
        super().__init__(log, plan, CartPoleStanding())
        self._stage = stage
        self._newest = self._kept = stage.learner.snapshot()
        self._best = 0.0
        self._fragments: asyncio.Queue[pole.Fragment] = asyncio.Queue(maxsize=plan.actors)
        self._playing: list[asyncio.Task[None]] = []

    def _settings(self) -> Mapping[str, Any]:
        return {"environment": pole.NAME, "algorithm": "PPO", **asdict(self._plan)}

    def _begin(self, group: asyncio.TaskGroup) -> None:
        self._playing = [
            group.create_task(self._play(number), name=f"actor {number}") for number in range(len(self._stage.actors))
        ]

    async def _test_untrained(self) -> None:
        self.standing.untrained_return = await self._test(self._newest)

    async def _test_kept(self) -> None:
        self.standing.trained_return = await self._test(self._kept)

    async def _play(self, number: int) -> None:
        def finished(length: int) -> None:
            self.standing.episodes += 1
            with self.cost:
                self._log.log_scalar("return", float(length), reduce="mean")
                self._log.log_scalar("longest_episode", length, reduce="max")

        await pole.play(
            self._stage.actors[number],
            lambda: self._newest,
            self._fragments,
            finished,
            self._plan.seed * 1_000 + number,
        )

    async def _learn(self) -> None:
        learner, state = self._stage.learner, State(0, phase="train")
        while True:
            taken = [await self._fragments.get() for _ in self._stage.actors]
            batch = gather(taken)
            for _ in learner.update(batch, left=1.0 - self.standing.elapsed_s / self._plan.seconds):
                await asyncio.sleep(0)
            self._newest = learner.snapshot()
            self.standing.updates = learner.version
            self.standing.steps += batch.action.size
            state = state.next()
            last = self._stopping.is_set()
            if last:
                # Before the write: what an actor said after the last one would never be written.
                for task in self._playing:
                    task.cancel()
            with self.cost:
                self._say(learner, batch, taken)
            await self.cost.by(self._log.write(state))
            self.cost.done()
            if last:
                return

    def _say(self, learner: Learner, batch: Batch, taken: Sequence[pole.Fragment]) -> None:
        log, figures = self._log, learner.figures
        assert figures is not None
        for key, value in asdict(figures).items():
            log.log_scalar(key, value)
        log.log_scalar("staleness", learner.version - 1 - float(np.mean([fragment.version for fragment in taken])))
        log.log_scalar("loop_lag_ms", self.lag.worst() * 1e3)
        log.log_scalar("environment_steps", self.standing.steps)
        # Callables: made only for a write at which some route takes pictures.
        log.log_image("cartpole", partial(pole.frame, self._stage.actors[0]))
        log.log_histogram("weights", learner.weights, namespace="policy")
        log.log_histogram("gradients", learner.gradients, namespace="policy")
        log.log_point_cloud("visited", lambda: np.ascontiguousarray(batch.observation.reshape(-1, 4)[:, [0, 2, 3]]))

    async def _evaluate(self) -> None:
        in_a_row, since = 0, 0.0
        while True:
            began = time.monotonic()
            mean = await self._validate(self._newest)
            in_a_row = in_a_row + 1 if mean >= SOLVED_RETURN else 0
            if in_a_row == 1:
                since = self.standing.elapsed_s
            if in_a_row == self._plan.in_a_row:
                self.standing.solved_s = since
                self._stopping.set()
            if self._stopping.is_set():
                return
            await self._pause(max(0.0, self._plan.every - (time.monotonic() - began)))

    async def _validate(self, snapshot: Snapshot) -> float:
        stage, standing = self._stage, self.standing
        film: list[NDArray[np.uint8]] = []
        lengths = await pole.episodes(stage.validation, snapshot, VALIDATION_SEEDS)
        if standing.validations % self._plan.film_every == 0:
            await pole.episode(stage.validation, snapshot, VALIDATION_SEEDS[0], film)
        mean = float(np.mean(lengths))
        late = stage.learner.version - snapshot.version
        async with self._log.at(State(snapshot.version, phase="valid")) as entry:
            entry.log_scalar("return", mean)
            entry.log_scalar("shortest_episode", min(lengths))
            entry.log_scalar("updates_late", late)
            entry.log_string("verdict", f"{lengths.count(pole.LONGEST_EPISODE)} of {len(lengths)} held to the end")
            entry.log_tensor("first_layer", snapshot.first_layer)
            if film:
                entry.log_video("rollout", np.stack(film), fps=pole.VIDEO_FPS)
            if standing.validations == 0:
                entry.log_audio("music", stage.sound, sample_rate=stage.sample_rate)
        standing.validated(late)
        standing.valid_return = mean
        # Policy gradients take a step back now and then: what is kept is what validated best, the newest of equals.
        if mean >= self._best:
            self._best, self._kept, standing.kept_update = mean, snapshot, snapshot.version
        return mean

    async def _test(self, snapshot: Snapshot) -> float:
        lengths = await pole.episodes(self._stage.validation, snapshot, HELD_OUT_SEEDS)
        mean = float(np.mean(lengths))
        async with self._log.at(State(snapshot.version, phase="test")) as entry:
            entry.log_scalar("return", mean)
            entry.log_scalar("shortest_episode", min(lengths))
        return mean

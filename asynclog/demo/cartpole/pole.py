"""The pole, and those who play with it: actor coroutines for training, whole episodes for validation.

Nothing here knows of the logger or of torch. An actor plays under the newest published weights, a step a turn of the
event loop (a step takes about 20 µs, so eight actors hold the loop for well under a millisecond), and hands on what it
saw in fragments that say which version of the policy they were played under.
"""

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from asynclog.demo.cartpole.policy import Snapshot

NAME: Final = "CartPole-v1"
FRAGMENT_STEPS: Final = 128
LONGEST_EPISODE: Final = 500
# The simulator runs at 50 steps a second; every fifth frame at 10 frames a second is real time.
FRAME_STRIDE: Final = 5
VIDEO_FPS: Final = 10
SHRINK: Final = 4

Environment = gymnasium.Env[Any, Any]


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of one actor's play under one policy version; arrays share their first axis.

    observation, following: (T, 4) float32. action: (T,) int64. log_probability: (T,) float32, of the action under the
    policy that chose it. terminated: (T,) bool, the pole fell. ended: (T,) bool, the episode is over, also by its time
    limit.
    """

    version: int
    observation: NDArray[np.float32]
    following: NDArray[np.float32]
    action: NDArray[np.int64]
    log_probability: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    ended: NDArray[np.bool_]


def make_environment(*, rendered: bool = False) -> Environment:
    """CartPole-v1; `rendered` gives RGB arrays without a screen. Loads pygame then, so not for the event loop."""
    if not rendered:
        return gymnasium.make(NAME, disable_env_checker=True)
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    # Without this SDL takes SIGTERM, and a run could not be ended by it any more.
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")
    environment = gymnasium.make(NAME, render_mode="rgb_array", disable_env_checker=True)
    environment.reset(seed=0)
    environment.render()
    return environment


def frame(environment: Environment) -> NDArray[np.uint8]:
    """Take a picture of the environment as it is now: (3, 100, 150) uint8, averaged over blocks of 4 x 4."""
    from PIL import Image

    picture = Image.fromarray(np.asarray(environment.render())).reduce(SHRINK)
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))


async def play(
    environment: Environment,
    newest: Callable[[], Snapshot],
    fragments: "asyncio.Queue[Fragment]",
    on_episode: Callable[[int], None],
    seed: int,
) -> None:
    """Play for ever: fragments of FRAGMENT_STEPS into the queue (waiting while it is full), lengths to `on_episode`."""
    chance = random.Random(seed)
    observation, _ = environment.reset(seed=seed)
    length = 0
    while True:
        snapshot = newest()
        fragment = Fragment(
            version=snapshot.version,
            observation=np.empty((FRAGMENT_STEPS, 4), np.float32),
            following=np.empty((FRAGMENT_STEPS, 4), np.float32),
            action=np.empty(FRAGMENT_STEPS, np.int64),
            log_probability=np.empty(FRAGMENT_STEPS, np.float32),
            terminated=np.empty(FRAGMENT_STEPS, np.bool_),
            ended=np.empty(FRAGMENT_STEPS, np.bool_),
        )
        for i in range(FRAGMENT_STEPS):
            action, fragment.log_probability[i] = snapshot.sample(observation, chance.random())
            fragment.observation[i] = observation
            fragment.action[i] = action
            observation, _, terminated, truncated, _ = environment.step(action)
            fragment.following[i] = observation
            fragment.terminated[i] = terminated
            fragment.ended[i] = terminated or truncated
            length += 1
            if terminated or truncated:
                on_episode(length)
                observation, _ = environment.reset()
                length = 0
            await asyncio.sleep(0)
        await fragments.put(fragment)


async def episode(environment: Environment, snapshot: Snapshot, seed: int, film: list[NDArray[np.uint8]] | None = None) -> int:
    """Play one episode of the likelier action at every step, from the seed's start; its length, which is its return.

    Every FRAME_STRIDE-th frame is appended to `film`; the environment must be a rendered one then.
    """
    observation, _ = environment.reset(seed=seed)
    for length in range(1, LONGEST_EPISODE + 1):
        if film is not None and (length - 1) % FRAME_STRIDE == 0:
            film.append(frame(environment))
        observation, _, terminated, truncated, _ = environment.step(snapshot.best(observation))
        await asyncio.sleep(0)
        if terminated or truncated:
            break
    return length


async def episodes(environment: Environment, snapshot: Snapshot, seeds: Sequence[int]) -> list[int]:
    """Play an episode for each seed; their lengths: the same seeds are the same starts, whatever the policy."""
    return [await episode(environment, snapshot, seed) for seed in seeds]

import asyncio

import numpy as np

from asynclog.demo.cartpole import pole
from asynclog.demo.cartpole.policy import Batch, Learner, Snapshot


def test_actors_fill_fragments_under_the_version_they_were_given_and_wait_while_nobody_takes_them() -> None:
    learner, environment = Learner(seed=0), pole.make_environment()
    nothing = np.zeros((2, 1), np.bool_)
    spot = np.zeros((2, 1, 4), np.float32)
    play = Batch(spot, spot, np.zeros((2, 1), np.int64), np.zeros((2, 1), np.float32), nothing, nothing)

    async def scenario() -> None:
        published = learner.snapshot()
        fragments: asyncio.Queue[pole.Fragment] = asyncio.Queue(maxsize=1)
        lengths: list[int] = []

        def newest() -> Snapshot:
            return published

        actor = asyncio.create_task(pole.play(environment, newest, fragments, lengths.append, 1))
        first = await fragments.get()
        for _ in learner.update(play):
            pass
        published = learner.snapshot()
        await fragments.get()
        third = await fragments.get()
        for _ in range(pole.FRAGMENT_STEPS * 4):
            await asyncio.sleep(0)
        assert fragments.full()
        played = first.ended.sum() + third.ended.sum()
        assert len(lengths) >= played > 0
        before = len(lengths)
        for _ in range(pole.FRAGMENT_STEPS):
            await asyncio.sleep(0)
        assert len(lengths) == before
        assert (first.version, third.version) == (0, 1)
        inside = ~first.ended[:-1]
        np.testing.assert_array_equal(first.following[:-1][inside], first.observation[1:][inside])
        assert set(first.action.tolist()) == {0, 1}
        assert (first.log_probability < 0).all()
        actor.cancel()
        await asyncio.gather(actor, return_exceptions=True)

    asyncio.run(scenario())


def test_the_same_seed_is_the_same_episode() -> None:
    snapshot, environment = Learner(seed=0).snapshot(), pole.make_environment()

    async def scenario() -> None:
        first = await pole.episodes(environment, snapshot, range(5))
        assert await pole.episodes(environment, snapshot, range(5)) == first
        assert await pole.episodes(environment, snapshot, range(5, 10)) != first
        assert all(1 <= length <= pole.LONGEST_EPISODE for length in first)

    asyncio.run(scenario())


def test_an_episode_is_filmed_every_fifth_step_in_small_pictures() -> None:
    environment = pole.make_environment(rendered=True)

    async def scenario() -> None:
        film: list[np.ndarray] = []
        length = await pole.episode(environment, Learner(seed=0).snapshot(), 3, film)
        assert len(film) == -(-length // pole.FRAME_STRIDE)
        assert {picture.shape for picture in film} == {(3, 100, 150)}
        assert {picture.dtype for picture in film} == {np.dtype(np.uint8)}
        # White ground, the cart's black, the pole's brown: a picture, and one that moves.
        assert len(np.unique(film[0].reshape(3, -1).T, axis=0)) > 10
        assert (film[0] != film[-1]).any()

    asyncio.run(scenario())

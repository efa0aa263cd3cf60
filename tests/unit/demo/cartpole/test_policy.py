import numpy as np
import pytest
import torch

from asynclog.demo.cartpole.policy import DISCOUNT, TRACE_DECAY, Batch, Learner, advantages


def batch(ended: list[bool], terminated: list[bool], seed: int = 0) -> Batch:
    """One column of random play with the given ends."""
    chance = np.random.default_rng(seed)
    steps = len(ended)
    return Batch(
        observation=chance.normal(size=(steps, 1, 4)).astype(np.float32),
        following=chance.normal(size=(steps, 1, 4)).astype(np.float32),
        action=chance.integers(0, 2, (steps, 1)),
        log_probability=np.full((steps, 1), np.log(0.5), np.float32),
        terminated=np.array(terminated)[:, None],
        ended=np.array(ended)[:, None],
    )


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


@pytest.mark.parametrize(
    ("ended", "terminated", "value", "following", "expected"),
    [
        ([False], [False], column(2), column(3), column(1 + DISCOUNT * 3 - 2)),
        ([True], [True], column(2), column(3), column(-1)),
        ([True], [False], column(2), column(3), column(1 + DISCOUNT * 3 - 2)),
        ([False, True], [False, True], column(0, 0), column(0, 9), column(1 + DISCOUNT * TRACE_DECAY, 1)),
        ([True, False], [True, False], column(0, 0), column(9, 0), column(1, 1)),
    ],
    ids=["plays on", "falls", "is cut off by the time limit", "trace reaches back", "trace stops at an end"],
)
def test_advantages(
    ended: list[bool], terminated: list[bool], value: np.ndarray, following: np.ndarray, expected: np.ndarray
) -> None:
    """A fall is worth nothing more, a time limit is worth what the critic expects, and no trace crosses an end."""
    np.testing.assert_allclose(advantages(value, following, batch(ended, terminated)), expected, rtol=1e-6)


def test_a_snapshot_plays_as_torch_would() -> None:
    learner = Learner(seed=3)
    for _ in learner.update(batch([False] * 64, [False] * 64)):
        pass
    snapshot = learner.snapshot()
    for observation in np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32) * 3:
        with torch.no_grad():
            expected = torch.log_softmax(learner._policy(torch.from_numpy(observation)), -1).numpy()
        for chance in (0.0, 0.999999):
            action, log_probability = snapshot.sample(observation, chance)
            assert action == (1 if chance == 0.0 else 0)
            assert log_probability == pytest.approx(expected[action], abs=1e-5)
        assert snapshot.best(observation) == int(np.argmax(expected))


def test_actions_are_drawn_with_their_probabilities() -> None:
    snapshot = Learner(seed=0).snapshot()
    observation = np.array([0.5, -1.0, 0.1, 2.0], np.float32)
    _, log_probability = snapshot.sample(observation, 0.0)
    draws = [snapshot.sample(observation, chance)[0] for chance in np.linspace(0, 1, 2_000, endpoint=False)]
    assert np.mean(draws) == pytest.approx(np.exp(log_probability), abs=1e-3)


def test_a_snapshot_does_not_change_with_later_updates() -> None:
    learner = Learner(seed=0)
    before = learner.snapshot()
    weights = before.first_layer().copy()
    for _ in learner.update(batch([False] * 300, [False] * 300)):
        pass
    np.testing.assert_array_equal(before.first_layer(), weights)
    assert np.abs(learner.snapshot().first_layer() - weights).max() > 0
    assert (before.version, learner.snapshot().version) == (0, 1)


def test_an_update_comes_in_slices_and_counts_when_it_is_over() -> None:
    """Two slices before the first minibatch, then one for each of 4 epochs' 2 minibatches."""
    learner = Learner(seed=0)
    versions = [learner.version for _ in learner.update(batch([False] * 300, [False] * 300))]
    assert versions == [0] * (2 + 4 * 2)
    assert learner.version == 1
    assert learner.figures is not None
    assert learner.figures.entropy == pytest.approx(np.log(2), abs=0.02)
    assert learner.figures.gradient_norm > 0


def test_what_was_better_than_expected_becomes_more_likely() -> None:
    """Two columns from one state: pushing right plays on, pushing left falls."""
    learner = Learner(seed=0)
    state = np.array([0.1, 0.2, -0.1, 0.3], np.float32)
    play = Batch(
        observation=np.broadcast_to(state, (128, 2, 4)).copy(),
        following=np.broadcast_to(state, (128, 2, 4)).copy(),
        action=np.broadcast_to(np.array([0, 1]), (128, 2)).copy(),
        log_probability=np.full((128, 2), np.log(0.5), np.float32),
        terminated=np.broadcast_to(np.array([True, False]), (128, 2)).copy(),
        ended=np.broadcast_to(np.array([True, False]), (128, 2)).copy(),
    )
    for _ in range(12):
        for _ in learner.update(play):
            pass
    action, log_probability = learner.snapshot().sample(state, 0.0)
    assert action == 1
    assert np.exp(log_probability) > 0.6
    assert learner.weights().shape == learner.gradients().shape

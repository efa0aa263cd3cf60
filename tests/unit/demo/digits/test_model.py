import numpy as np
import pytest

from asynclog.demo.digits.data import Digits, Parts
from asynclog.demo.digits.model import KL_WEIGHT, LATENT, NAMING_WEIGHT, SEEN, Learner, Snapshot


@pytest.fixture(scope="module")
def parts() -> Parts:
    return Parts.load()


def trained(parts: Parts, updates: int = 20) -> Learner:
    learner = Learner(seed=0)
    for at in range(updates):
        learner.update(parts.train[at * 32 : (at + 1) * 32])
    return learner


def test_no_digit_is_in_two_parts_and_all_are_in_one(parts: Parts) -> None:
    assert len(parts.train) + len(parts.valid) + len(parts.test) == 1797
    assert (len(parts.valid), len(parts.test)) == (270, 270)
    seen = [{one.tobytes() for one in part.pixels} for part in (parts.train, parts.valid, parts.test)]
    assert not seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2]


def test_pixels_are_ink_from_0_to_1_and_every_part_has_every_digit(parts: Parts) -> None:
    for part in (parts.train, parts.valid, parts.test):
        assert (part.pixels.dtype, part.pixels.min(), part.pixels.max()) == (np.float32, 0.0, 1.0)
        assert set(part.label.tolist()) == set(range(10))


def test_some_of_every_digit_are_chosen_in_order_of_digit(parts: Parts) -> None:
    assert parts.valid.label[parts.valid.some(3)].tolist() == [digit for digit in range(10) for _ in range(3)]


def test_a_snapshot_does_not_change_with_later_updates(parts: Parts) -> None:
    learner = trained(parts, 3)
    before = learner.snapshot(epoch=2)
    rebuilt = before.read(parts.valid).rebuilt
    learner.update(parts.train[:32])
    np.testing.assert_array_equal(before.read(parts.valid).rebuilt, rebuilt)
    assert np.abs(learner.snapshot().read(parts.valid).rebuilt - rebuilt).max() > 0
    assert (before.version, before.epoch, learner.version) == (3, 2, 4)


def test_a_reading_measures_what_it_shows(parts: Parts) -> None:
    """Its figures are those of its arrays, recomputed here with numpy."""
    reading = trained(parts).snapshot().read(parts.valid)
    figures, pixels = reading.figures, parts.valid.pixels
    assert reading.mean.shape == (270, LATENT)
    np.testing.assert_allclose(reading.probability.sum(axis=1), 1.0, rtol=1e-5)
    assert figures.error == pytest.approx(((reading.rebuilt - pixels) ** 2).mean(), rel=1e-4)
    assert figures.accuracy == pytest.approx((reading.named == parts.valid.label).mean())
    crossed = -(pixels * np.log(reading.rebuilt) + (1 - pixels) * np.log1p(-reading.rebuilt))
    assert figures.reconstruction == pytest.approx(crossed.sum(axis=1).mean(), rel=1e-3)
    own = reading.probability[np.arange(270), parts.valid.label]
    assert figures.naming == pytest.approx(-np.log(own).mean(), rel=1e-4)
    assert figures.kl > 0
    total = figures.reconstruction + KL_WEIGHT * figures.kl + NAMING_WEIGHT * figures.naming
    assert figures.loss == pytest.approx(total, rel=1e-5)


def test_the_head_names_by_the_latents_that_are_shown_alone(parts: Parts) -> None:
    snapshot = trained(parts).snapshot()
    latent = snapshot.read(parts.valid).mean
    others = latent.copy()
    others[:, SEEN:] += 1.0
    drawn, names = snapshot.draw(latent)
    drawn_otherwise, names_otherwise = snapshot.draw(others)
    np.testing.assert_array_equal(names, names_otherwise)
    assert np.abs(drawn - drawn_otherwise).max() > 0.01


def test_doubts_begin_with_the_least_likely_own_name(parts: Parts) -> None:
    reading = trained(parts).snapshot().read(parts.valid)
    own = reading.probability[np.arange(270), parts.valid.label]
    assert (np.diff(own[reading.doubts(parts.valid.label)]) >= 0).all()


def test_gradients_are_zero_before_the_first_update(parts: Parts) -> None:
    learner = Learner(seed=0)
    assert not learner.gradients().any()
    learner.update(parts.train[:32])
    assert learner.gradients().std() > 0


def test_the_same_seed_is_the_same_model(parts: Parts) -> None:
    def loss(seed: int) -> float:
        snapshot: Snapshot = Learner(seed).snapshot()
        return snapshot.read(parts.test).figures.loss

    assert loss(1) == loss(1) != loss(2)


def test_the_mean_digit_is_a_better_answer_than_none(parts: Parts) -> None:
    blank = Digits(np.zeros_like(parts.test.pixels), parts.test.label)
    assert 0.05 < parts.mean_error() < ((blank.pixels - parts.test.pixels) ** 2).mean()

"""The digits as a whole: a few epochs through the real logger into a real run, and what is read back of it."""

import asyncio
import io
import signal
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import asynclog as al
from asynclog.cli.app import app
from asynclog.demo import session
from asynclog.demo.digits.data import TEST, VALID, Parts
from asynclog.demo.digits.loop import DigitsPlan, DigitsStanding
from asynclog.demo.digits.model import LATENT
from asynclog.demo.digits.report import DigitsTask
from asynclog.demo.report import DemoResult
from tests.unit.demo.recorder import Memories

EPOCHS = 12
UPDATES = EPOCHS * 39


@dataclass(frozen=True)
class Finished:
    result: DemoResult[DigitsStanding]
    run: al.Run
    said: str

    def values(self, kind: str, key: str, phase: str) -> list[Any]:
        return [event.value for event in self.run.events(kind=kind, key=key, phase=phase)]


def demonstrated(directory: Path, plan: DigitsPlan) -> tuple[DemoResult[DigitsStanding], str]:
    out = io.StringIO()
    result = asyncio.run(session.run(directory, task=DigitsTask(plan), console=Console(file=out, width=120)))
    return result, out.getvalue()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Twelve epochs, of which every fifth is filmed."""
    directory = tmp_path_factory.mktemp("digits") / "run"
    result, said = demonstrated(directory, DigitsPlan(3600, seed=1, epochs=EPOCHS, film_every=5, rate=6e-3))
    return Finished(result, al.read(directory), said)


def test_it_learns_and_says_by_how_much(finished: Finished) -> None:
    """From worse than the mean digit to much better, and from a guess in ten to most of them."""
    before, after = finished.result.standing.untrained, finished.result.standing.trained
    assert before is not None
    assert after is not None
    assert before.error > finished.result.standing.mean_error > 1.5 * after.error
    assert before.accuracy < 0.3 < 0.8 < after.accuracy
    assert f"{before.error:.3f} → {after.error:.3f} squared error per pixel of {TEST} held-out digits" in finished.said
    assert f"{before.accuracy:.1%} → {after.accuracy:.1%} of them named rightly" in finished.said
    tested = finished.run.series("error", phase="test")
    assert tested.step.tolist() == [0, finished.result.standing.kept_update]
    assert tested.value.tolist() == [before.error, after.error]


def test_every_update_is_a_step_of_the_train_phase_and_its_loss_falls(finished: Finished) -> None:
    for key in ("loss", "reconstruction", "kl", "naming", "error", "accuracy", "loop_lag_ms"):
        assert finished.run.series(key, phase="train").step.tolist() == list(range(1, UPDATES + 1)), key
    loss, terms = finished.run.series("loss", phase="train").value, finished.run.config["model"]
    assert loss[-39:].mean() < 0.7 * loss[:10].mean()
    reconstruction, kl, naming = (finished.run.series(key, phase="train").value for key in ("reconstruction", "kl", "naming"))
    np.testing.assert_allclose(loss, reconstruction + terms["kl_weight"] * kl + terms["naming_weight"] * naming, rtol=1e-4)


def test_every_epoch_is_validated_late_at_the_step_it_ended_at(finished: Finished) -> None:
    late = finished.run.series("updates_late", phase="valid")
    assert late.step.tolist() == [39 * epoch for epoch in range(1, EPOCHS + 1)]
    assert finished.result.standing.validations == EPOCHS
    assert finished.result.standing.late == (late.value > 0).sum() > 0
    assert finished.result.standing.latest == late.value.max()
    loss = finished.run.series("loss", phase="valid")
    assert loss.step[loss.value.argmin()] == finished.result.standing.kept_update


def test_digits_are_shown_redrawn_with_their_names_below(finished: Finished) -> None:
    shown = finished.values("image", "reconstructions", "valid")
    assert len(shown) == EPOCHS
    assert len(shown[-1].captions) == len(shown[-1].data) == 20
    assert [caption[0] for caption in shown[-1].captions] == [str(digit) for digit in range(10) for _ in range(2)]
    assert all(caption[1:5] == " -> " and caption.endswith(")") for caption in shown[-1].captions)
    assert len({one.tobytes() for one in shown[-1].data}) == 20
    picture = shown[-1].canonical()
    assert picture.shape[0] == 3
    assert picture.shape[2] == 4 * 102 + 3 * 6, "four a row, pixels kept sharp"


def test_the_hardest_digits_are_shown_with_the_films(finished: Finished) -> None:
    doubts = finished.values("image", "doubts", "test")[-1]
    wrong = [caption[0] != caption[5] for caption in doubts.captions]
    assert len(wrong) == 20
    assert wrong[0]
    assert finished.result.standing.trained is not None
    assert np.mean(wrong) > 3 * (1 - finished.result.standing.trained.accuracy)


def test_the_latent_space_is_a_cloud_coloured_and_labelled_by_digit(finished: Finished) -> None:
    clouds = finished.values("point_cloud", "latent_space", "valid")
    assert len(clouds) == EPOCHS
    points = clouds[-1].canonical()
    label = Parts.load().valid.label
    assert points.xyz.shape == (VALID, 3)
    np.testing.assert_array_equal(points.labels, label)
    colours = {digit: {tuple(one) for one in points.rgb[label == digit].tolist()} for digit in range(10)}
    assert all(len(own) == 1 for own in colours.values())
    assert len(set.union(*colours.values())) == 10
    latents = finished.values("tensor", "latents", "valid")[-1].data
    assert latents.shape == (VALID, LATENT)
    np.testing.assert_array_equal(latents[:, :3], points.xyz)


def test_digits_of_a_kind_lie_together_once_it_has_learned(finished: Finished) -> None:
    cloud = finished.values("point_cloud", "latent_space", "test")[-1]
    xyz, label = cloud.points, cloud.labels
    middles = np.stack([xyz[label == digit].mean(axis=0) for digit in range(10)])
    nearest = np.linalg.norm(xyz[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == label).mean() > 0.7


def test_a_walk_through_the_latent_space_is_filmed(finished: Finished) -> None:
    assert len(finished.values("video", "latent_walk", "valid")) == 3
    film = finished.values("video", "latent_walk", "test")[-1]
    assert film.fps == 12
    clip = film.canonical()
    assert (clip.shape, clip.dtype) == ((80, 3, 80, 168), np.uint8)
    moved = (clip[1:].astype(int) - clip[:-1]) != 0
    assert moved[..., :80].any(axis=(1, 2, 3)).all(), "the digit changes from frame to frame"
    assert moved[..., 88:].any(axis=(1, 2, 3)).mean() > 0.9, "and so does the place"


def test_the_confusion_matrix_counts_every_digit_once(finished: Finished) -> None:
    tables = finished.values("table", "confusion_counts", "valid")
    assert len(tables) == EPOCHS
    rows = tables[-1].canonical()
    assert [row[0] for row in rows] == list("0123456789")
    label = Parts.load().valid.label
    assert [sum(row[1:]) for row in rows] == np.bincount(label).tolist()
    right = sum(row[1 + digit] for digit, row in enumerate(rows))
    assert right / VALID == pytest.approx(finished.run.series("accuracy", phase="valid").value[-1])
    verdict = finished.values("string", "verdict", "valid")[-1]
    assert verdict.startswith(f"{right} of {VALID} named rightly")
    pictures = finished.values("image", "confusion", "valid")
    assert len(pictures) == EPOCHS
    assert pictures[-1].canonical().shape == pictures[-1].data.shape
    assert pictures[-1].data.tobytes() != pictures[0].data.tobytes()


def test_latents_and_gradients_are_histograms(finished: Finished) -> None:
    latents = list(finished.run.events(kind="histogram", key="means", namespace="latent", phase="valid"))
    assert [event.value.count for event in latents] == [VALID * LATENT] * EPOCHS
    gradients = list(finished.run.events(kind="histogram", key="gradients", namespace="model", phase="train"))
    assert gradients
    assert gradients[0].value.std > 0


def test_the_training_phase_shows_its_pictures_seldom(finished: Finished) -> None:
    """Every two seconds, where the valid phase shows each epoch's."""
    batches = list(finished.run.events(kind="image", key="batch", phase="train"))
    assert 1 <= len(batches) <= 2 + finished.result.standing.elapsed_s / 2
    assert batches[0].value.data.shape == (16, 48, 102)


def test_the_settings_are_recorded_as_they_are_nested(finished: Finished) -> None:
    config = finished.run.config
    assert config["data"] == {"name": "digits", "train": 1257, "valid": 270, "test": 270}
    assert config["training"]["seed"] == 1
    assert config["training"]["epochs"] == EPOCHS


def test_the_run_is_whole_and_its_summary_counts_it(finished: Finished) -> None:
    assert (finished.run.status, finished.run.missing) == ("finished", 0)
    counts = finished.result.recorded.counts
    for words in (f"{counts['scalar']:,} scalars", f"{counts['table']} tables", f"{counts['video']} videos"):
        assert words in " ".join(finished.said.split())
    assert "finished, nothing missing" in finished.said
    with Image.open(finished.result.picture) as picture:
        assert picture.size == (1200, 720)


def test_it_ends_with_commands_that_can_be_typed(finished: Finished, tmp_path: Path) -> None:
    """Each is a line of the summary, and shows or saves something."""
    commands = [command for command, _ in DigitsTask(DigitsPlan(1, seed=1)).telling(finished.result).commands]
    assert len(commands) >= 6
    for command in commands:
        assert command in finished.said
        _, *words = command.split()
        if words[-2] == "--save":
            words[-1] = str(tmp_path / words[-1])
        ended = CliRunner().invoke(app, words)
        assert ended.exit_code == 0, ended.output
        assert words[-2] != "--save" or Path(words[-1]).stat().st_size > 1000


def test_the_same_seed_is_the_same_training(tmp_path: Path) -> None:
    losses = []
    for name in ("one", "two"):
        demonstrated(tmp_path / name, DigitsPlan(3600, seed=5, epochs=1))
        losses.append(al.read(tmp_path / name).series("loss", phase="train").value)
    assert losses[0].tolist() == losses[1].tolist()


def test_it_stops_when_validation_gets_no_better(tmp_path: Path) -> None:
    """A step size of zero never gets anywhere: the first epoch stays the best one."""
    result, _ = demonstrated(tmp_path / "run", DigitsPlan(3600, seed=1, epochs=50, rate=0.0, patience=2))
    assert result.standing.kept_epoch == 0
    assert 3 <= result.standing.validations <= 6


def test_it_ends_by_itself_when_its_time_is_over(tmp_path: Path) -> None:
    """With the epoch that was under way looked at."""
    result, said = demonstrated(tmp_path / "run", DigitsPlan(0.3, seed=1, epochs=100_000))
    assert result.standing.validations >= 1
    assert result.standing.elapsed_s < 20
    assert not result.interrupted
    assert "stopped by hand" not in said


def test_the_first_interrupt_ends_it_in_good_order(tmp_path: Path) -> None:
    """Ctrl-C at the fifth update of an epoch: the model as it is then is looked at and tested."""
    memories, out, writes = Memories(), io.StringIO(), count(1)

    def look() -> None:
        if next(writes) == 5:
            signal.raise_signal(signal.SIGINT)

    memories.on_write = look
    result = asyncio.run(
        session.run(
            tmp_path,
            task=DigitsTask(DigitsPlan(3600, seed=1)),
            console=Console(file=out, width=120),
            open_log=memories.open,
            read_back=memories.read,
        )
    )
    assert result.interrupted
    assert 5 <= result.standing.updates < 39, "not even the epoch is finished"
    assert result.standing.kept_update == result.standing.updates
    assert "stopped by hand" in out.getvalue()
    assert memories.log is not None
    assert memories.log.closed

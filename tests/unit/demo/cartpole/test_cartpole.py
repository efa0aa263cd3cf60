"""CartPole as a whole: real actors, a real learner, real pictures, into a logger that remembers."""

import asyncio
import io
import signal
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from asynclog.demo import session
from asynclog.demo.cartpole.loop import HELD_OUT_SEEDS, VALIDATION_SEEDS, CartPoleStanding
from asynclog.demo.report import DemoResult
from tests.unit.demo.recorder import Memories, MemoryLog, Remembered


@dataclass(frozen=True)
class Finished:
    result: DemoResult[CartPoleStanding]
    log: MemoryLog
    said: str

    def one(self, kind: str, key: str) -> Remembered:
        return next(value for value in self.log.of(kind) if value.key == key)


def interrupted_at(update: int) -> Memories:
    """A Ctrl-C at the write of an update: so much training, however long a machine takes for it."""
    memories, writes = Memories(), count(1)

    def look() -> None:
        if next(writes) == update:
            signal.raise_signal(signal.SIGINT)

    memories.on_write = look
    return memories


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Forty updates of one quick demo, from an untrained policy that drops the pole at once."""
    memories, out = interrupted_at(40), io.StringIO()
    console = Console(file=out, width=120)
    directory = tmp_path_factory.mktemp("cartpole")
    result = asyncio.run(
        session.run(
            directory, seconds=3600, seed=1, quick=True, console=console, open_log=memories.open, read_back=memories.read
        )
    )
    assert memories.log is not None
    return Finished(result, memories.log, out.getvalue())


def test_it_learns_and_says_by_how_much(finished: Finished) -> None:
    result = finished.result.standing
    assert result.untrained_return < 20
    assert result.updates in (40, 41), "the one that is under way is finished"
    assert result.gain > 100
    assert f"{result.untrained_return:.1f} → {result.trained_return:.1f}" in finished.said
    assert result.solved_s is None or result.solved_s < result.elapsed_s
    tested = finished.log.series("return", "test")
    assert tested.step.tolist() == [0, result.kept_update]
    assert tested.value.tolist() == [result.untrained_return, result.trained_return]


def test_the_episodes_it_is_judged_by_were_never_seen() -> None:
    assert not set(HELD_OUT_SEEDS) & set(VALIDATION_SEEDS)


def test_every_update_is_a_step_of_the_train_phase(finished: Finished) -> None:
    for key in ("loss", "entropy", "gradient_norm", "loop_lag_ms", "environment_steps", "staleness"):
        assert finished.log.series(key, "train").step.tolist() == list(range(1, finished.result.standing.updates + 1)), key
    returns, longest = (finished.log.series(key, "train") for key in ("return", "longest_episode"))
    assert returns.step.tolist() == longest.step.tolist()
    assert (longest.value >= returns.value).all()


def test_validations_are_written_late_at_the_step_they_were_made_of(finished: Finished) -> None:
    lateness = finished.log.series("updates_late", "valid")
    assert len(lateness.step) == finished.result.standing.validations > 1
    assert int((lateness.value > 0).sum()) == finished.result.standing.late > 0
    assert int(lateness.value.max()) == finished.result.standing.latest
    kept = finished.log.series("return", "valid")
    assert kept.value[kept.step == finished.result.standing.kept_update] == kept.value.max()


def test_every_kind_is_recorded_in_its_plain_form(finished: Finished) -> None:
    image, film = finished.one("image", "cartpole").value, finished.one("video", "rollout")
    assert (image.shape, image.dtype) == ((3, 100, 150), np.uint8)
    assert (film.value.shape[1:], film.value.dtype, film.parameters["fps"]) == ((3, 100, 150), np.uint8, 10)
    for key in ("weights", "gradients"):
        values = finished.one("histogram", key).value
        assert (values.shape, values.dtype) == ((9_155,), np.float32)
        assert np.isfinite(values).all()
        assert values.std() > 0
    points = finished.one("point_cloud", "visited").value
    assert (points.shape, points.dtype) == ((1_024, 3), np.float32)
    music = finished.one("audio", "music")
    assert (music.value.shape[0], music.value.dtype, music.parameters["sample_rate"]) == (1, np.float32, 11_025)
    assert finished.one("tensor", "first_layer").value.shape == (4, 64)
    assert finished.one("string", "verdict").value.endswith("held to the end")
    assert finished.log.config["environment"] == "CartPole-v1"
    assert finished.log.config["seed"] == 1


def test_pictures_are_made_only_when_they_are_due(finished: Finished) -> None:
    """The logger here takes every tenth write's costly values; callables of the others are never called."""
    assert len(finished.log.of("image")) == -(-finished.result.standing.updates // 10)


def test_the_loop_stays_responsive(finished: Finished) -> None:
    p50, p99, most = finished.result.lag_s
    assert 0 < p50 <= p99 <= most
    assert p50 < 0.05


def test_the_summary_counts_what_was_read_back(finished: Finished) -> None:
    counts = finished.result.recorded.counts
    assert counts["scalar"] == len(finished.log.of("scalar"))
    assert f"{counts['scalar']:,} scalars" in finished.said
    assert f"{counts['point_cloud']} point clouds" in finished.said
    for words in ("finished, nothing missing", "late steps", "the loop's lag", "on disk", "µs per learner step"):
        assert words in finished.said


def test_the_curve_is_shown_and_drawn(finished: Finished) -> None:
    assert any(0x2801 <= ord(character) <= 0x28FF for character in finished.said)
    assert finished.result.picture == finished.result.directory / "learning_curve.png"
    with Image.open(finished.result.picture) as picture:
        assert picture.size == (1200, 720)


def test_it_ends_with_what_to_type_next(finished: Finished) -> None:
    directory = finished.result.directory
    for command in (f"asynclog ls {directory.parent}", f"asynclog cat {directory}", f"asynclog export csv {directory}"):
        assert command in finished.said


def test_progress_is_plain_lines_without_a_terminal(finished: Finished) -> None:
    assert " s · update " in finished.said
    assert "\x1b" not in finished.said


def test_the_first_interrupt_ends_it_in_good_order(tmp_path: Path) -> None:
    """Ctrl-C in mid-training: the run is closed, the summary shown, and the signal is handled as before again."""
    memories, out = interrupted_at(3), io.StringIO()
    before = signal.getsignal(signal.SIGINT)
    result = asyncio.run(
        session.run(
            tmp_path,
            seconds=60,
            console=Console(file=out, width=120),
            open_log=memories.open,
            read_back=memories.read,
        )
    )
    assert result.interrupted
    assert result.standing.updates in (3, 4)
    assert memories.log is not None
    assert memories.log.closed
    assert result.standing.solved_s is None
    assert "not solved" in out.getvalue()
    assert "stopped by hand" in out.getvalue()
    assert result.picture.exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_it_ends_by_itself_when_its_time_is_over(tmp_path: Path) -> None:
    """With the update and the validation that were under way."""
    memories, out = Memories(), io.StringIO()
    console = Console(file=out, width=120)
    result = asyncio.run(
        session.run(tmp_path, seconds=0.1, quick=True, console=console, open_log=memories.open, read_back=memories.read)
    )
    assert not result.interrupted
    assert result.standing.elapsed_s >= 0.1
    assert result.standing.updates >= 1
    assert result.standing.validations >= 1
    assert "stopped by hand" not in out.getvalue()


def test_an_error_in_the_loop_closes_the_run_and_comes_out(tmp_path: Path) -> None:
    memories = Memories()

    def fail() -> None:
        raise OSError("no room")

    memories.on_write = fail
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(
            session.run(
                tmp_path,
                quick=True,
                console=Console(file=io.StringIO()),
                open_log=memories.open,
                read_back=memories.read,
            )
        )
    assert caught.group_contains(OSError, match="no room")
    assert memories.log is not None
    assert memories.log.closed

"""The training loop: a learner, and an evaluator that looks at every epoch's model while the learner is at the next.

Both are tasks of one event loop, and take turns of a millisecond or two; only the film takes longer, and is made in a
thread.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from asynclog.demo.digits import pictures, space
from asynclog.demo.digits.data import Digits, Parts
from asynclog.demo.digits.model import HIDDEN, KL_WEIGHT, LATENT, NAMING_WEIGHT, SEEN, Figures, Learner, Reading, Snapshot
from asynclog.demo.log import Entry, Log
from asynclog.demo.training import Plan, Standing, Training
from asynclog.state import State

SHOWN_EACH: Final = 2
DOUBTS: Final = 20


@dataclass(frozen=True, slots=True)
class DigitsPlan(Plan):
    """epochs: at most. batch: digits an update. film_every: one epoch in so many is filmed. rate: the step size at the start.

    patience: so many epochs in a row that validate no better end the training.
    """

    epochs: int = 60
    batch: int = 32
    film_every: int = 20
    rate: float = 4e-3
    patience: int = 15


@dataclass(slots=True)
class DigitsStanding(Standing):
    """untrained, trained: what was measured on the held-out digits before training and with the model kept; `valid` is the
    newest validation, `best` the loss of the one that is kept.

    of: how many updates are planned. mean_error: that of answering everything with the mean digit. without_gain: epochs
    since the best one.
    """

    of: int = 1
    epoch: int = 0
    kept_epoch: int = 0
    mean_error: float = 0.0
    best: float = float("inf")
    without_gain: int = 0
    valid: Figures | None = None
    untrained: Figures | None = None
    trained: Figures | None = None

    def share(self, seconds: float) -> float:
        return min(max(self.elapsed_s / seconds, self.updates / self.of), 1.0)

    def words(self) -> str:
        rate = self.updates / max(self.elapsed_s, 1e-3)
        valid = (
            "not validated yet"
            if self.valid is None
            else f"validation error {self.valid.error:.4f}, {self.valid.accuracy:.1%} named rightly"
        )
        return f"epoch {self.epoch} · update {self.updates} · {rate:,.0f} updates/s · {valid}"


@dataclass(frozen=True, slots=True)
class Stage:
    """What has to be loaded before the loop may start, because loading blocks it."""

    parts: Parts
    learner: Learner


def load(plan: DigitsPlan) -> Stage:
    """Digits and model; a first update, a first reading and a first film are made here, because they take long."""
    # Two cores, and layers too small to split: a second thread would only take time from the recorder.
    torch.set_num_threads(1)
    parts = Parts.load()
    trial = Learner(plan.seed)
    trial.update(parts.train[: plan.batch])
    reading = trial.snapshot().read(parts.valid)
    space.walk(trial.snapshot(), reading.mean, parts.valid.label)
    pictures.confusion_picture(pictures.confusion(parts.valid.label, reading.named))
    return Stage(parts, Learner(plan.seed, plan.rate))


class DigitsTraining(Training[DigitsPlan, DigitsStanding]):
    """See Training. It is over after its epochs, or when validation has stopped getting better."""

    def __init__(self, log: Log, plan: DigitsPlan, stage: Stage) -> None:
        self._each = len(stage.parts.train) // plan.batch
        standing = DigitsStanding(of=plan.epochs * self._each, mean_error=stage.parts.mean_error())
        super().__init__(log, plan, standing)
        self._stage = stage
        self._kept = stage.learner.snapshot()
        # One waits while another is looked at: the learner may be two epochs ahead, and then it waits.
        self._finished: asyncio.Queue[Snapshot | None] = asyncio.Queue(maxsize=1)

    def _settings(self) -> Mapping[str, Any]:
        parts = self._stage.parts
        return {
            "data": {"name": "digits", "train": len(parts.train), "valid": len(parts.valid), "test": len(parts.test)},
            "model": {
                "name": "VAE",
                "latents": LATENT,
                "seen_by_head": SEEN,
                "hidden": [HIDDEN, HIDDEN],
                "kl_weight": KL_WEIGHT,
                "naming_weight": NAMING_WEIGHT,
            },
            "training": asdict(self._plan),
        }

    async def _test_untrained(self) -> None:
        self.standing.untrained = await self._look(self._kept, self._stage.parts.test, State(0, phase="test"))

    async def _test_kept(self) -> None:
        kept = self._kept
        state = State(kept.version, phase="test", epoch=kept.epoch)
        self.standing.trained = await self._look(kept, self._stage.parts.test, state, filmed=True)

    # -- the learner ------------------------------------------------------------------------------------------------

    async def _learn(self) -> None:
        learner, standing, plan = self._stage.learner, self.standing, self._plan
        for epoch in range(plan.epochs):
            standing.epoch = epoch
            for batch in self._batches(epoch):
                # By updates and not by time: the same seed is the same training, however busy the machine.
                figures = learner.update(batch, left=1.0 - learner.version / standing.of)
                standing.updates = learner.version
                with self.cost:
                    self._say(figures, batch)
                await self.cost.by(self._log.write(State(learner.version, phase="train", epoch=epoch)))
                self.cost.done()
                await asyncio.sleep(0)
                if self._stopping.is_set():
                    break
            await self._finished.put(learner.snapshot(epoch))
            if self._stopping.is_set():
                break
        await self._finished.put(None)

    def _batches(self, epoch: int) -> Iterator[Digits]:
        train = self._stage.parts.train
        order = np.random.default_rng((self._plan.seed, epoch)).permutation(len(train))
        for at in range(self._each):
            yield train[order[at * self._plan.batch : (at + 1) * self._plan.batch]]

    def _say(self, figures: Figures, batch: Digits) -> None:
        log, learner = self._log, self._stage.learner
        for key, value in asdict(figures).items():
            log.log_scalar(key, value)
        log.log_scalar("loop_lag_ms", self.lag.worst() * 1e3)
        # Callables: made only for a write at which some route takes pictures.
        log.log_histogram("gradients", learner.gradients, namespace="model")
        log.log_images("batch", lambda: self._redrawn(batch[:16]), sep=pictures.PAIR_GAP, keep_resolution=True)

    def _redrawn(self, digits: Digits) -> Any:
        return pictures.pairs(digits.pixels, self._stage.learner.snapshot().read(digits).rebuilt)

    # -- the evaluator ----------------------------------------------------------------------------------------------

    async def _evaluate(self) -> None:
        while (snapshot := await self._finished.get()) is not None:
            await self._validate(snapshot)
            if self.standing.without_gain >= self._plan.patience:
                self._stopping.set()
        self._stopping.set()

    async def _validate(self, snapshot: Snapshot) -> None:
        standing = self.standing
        state = State(snapshot.version, phase="valid", epoch=snapshot.epoch)
        filmed = standing.validations % self._plan.film_every == 0
        figures = await self._look(snapshot, self._stage.parts.valid, state, filmed=filmed)
        standing.valid = figures
        standing.without_gain += 1
        if figures.loss < standing.best:
            standing.best, standing.without_gain = figures.loss, 0
            self._kept, standing.kept_update, standing.kept_epoch = snapshot, snapshot.version, snapshot.epoch

    async def _look(self, snapshot: Snapshot, digits: Digits, state: State, *, filmed: bool = False) -> Figures:
        """Read the digits with the model, and write all there is to see of it at its state."""
        reading = snapshot.read(digits)
        await asyncio.sleep(0)
        counts = pictures.confusion(digits.label, reading.named)
        picture = pictures.confusion_picture(counts)
        await asyncio.sleep(0)
        film = await asyncio.to_thread(space.walk, snapshot, reading.mean, digits.label) if filmed else None
        behind = self._stage.learner.version - snapshot.version
        async with self._log.at(state) as entry:
            for key, value in asdict(reading.figures).items():
                entry.log_scalar(key, value)
            if state.phase == "valid":
                entry.log_scalar("updates_late", behind)
                self.standing.validated(behind)
            entry.log_string("verdict", verdict(counts))
            entry.log_table("confusion_counts", pictures.confusion_rows(counts), columns=pictures.CONFUSION_COLUMNS)
            entry.log_image("confusion", picture, caption="a row a digit, a column a name it was given", keep_resolution=True)
            _say_pictures(entry, "reconstructions", digits, reading, digits.some(SHOWN_EACH))
            _say_latents(entry, digits, reading)
            if film is not None:
                _say_pictures(entry, "doubts", digits, reading, reading.doubts(digits.label)[:DOUBTS])
                entry.log_video("latent_walk", film, fps=space.FPS)
        return reading.figures


def _say_pictures(entry: Entry, key: str, digits: Digits, reading: Reading, chosen: NDArray[np.int64]) -> None:
    shown = pictures.labelled(digits, reading, chosen)
    entry.log_labeled_images(key, shown, sep=pictures.PAIR_GAP, keep_resolution=True)


def _say_latents(entry: Entry, digits: Digits, reading: Reading) -> None:
    seen = np.ascontiguousarray(reading.mean[:, :SEEN])
    entry.log_point_cloud("latent_space", seen, colors=pictures.COLOURS[digits.label], labels=digits.label)
    entry.log_histogram("means", reading.mean, namespace="latent")
    entry.log_tensor("latents", reading.mean)


def verdict(counts: NDArray[np.int64]) -> str:
    """Say how many were named rightly, and what was mistaken most often, from a confusion matrix (10, 10)."""
    right = f"{int(np.trace(counts))} of {int(counts.sum())} named rightly"
    wrong = counts - np.diag(np.diag(counts))
    if not wrong.any():
        return right
    digit, name = np.unravel_index(int(wrong.argmax()), wrong.shape)
    times = int(wrong.max())
    return f"{right}; {_a(int(digit))} was taken for {_a(int(name))} {'once' if times == 1 else f'{times} times'}"


def _a(digit: int) -> str:
    return f"{'an' if digit == 8 else 'a'} {digit}"

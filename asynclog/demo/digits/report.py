"""The digits as a task: how long they are learned, and what is said of it at the end."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final, Self

import numpy as np

from asynclog.demo.digits.data import TEST
from asynclog.demo.digits.loop import DigitsPlan, DigitsStanding, DigitsTraining, Stage, load
from asynclog.demo.log import Log
from asynclog.demo.report import DemoResult, Telling
from asynclog.demo.task import Task

QUICK_S: Final = 10.0
FULL_S: Final = 60.0
SMOOTHED_OVER: Final = 10


class DigitsTask(Task[DigitsPlan, DigitsStanding]):
    """Ends after 60 epochs, or when 15 in a row have validated no better; a quick demo has 20."""

    curve: ClassVar[str] = "error"
    _stage: Stage

    @classmethod
    def planned(cls, seconds: float | None, seed: int, quick: bool) -> Self:
        """A quick demo has fewer epochs, and takes larger steps."""
        if quick:
            quickly = QUICK_S if seconds is None else seconds
            return cls(DigitsPlan(quickly, seed, pictures_every=0.5, epochs=20, film_every=10, rate=6e-3))
        return cls(DigitsPlan(FULL_S if seconds is None else seconds, seed))

    def load(self) -> None:
        self._stage = load(self.plan)

    def training(self, log: Log) -> DigitsTraining:
        return DigitsTraining(log, self.plan, self._stage)

    def telling(self, result: DemoResult[DigitsStanding]) -> Telling:
        standing = result.standing
        assert standing.untrained is not None
        assert standing.trained is not None
        before, after = standing.untrained, standing.trained
        return Telling(
            learned=_learned(standing, result.interrupted),
            name="digits",
            title=f"digits: squared error per pixel {before.error:.3f} before, {after.error:.3f} after",
            subtitle=f"{TEST} held-out digits, {after.accuracy:.1%} of them named rightly · {standing.updates} updates "
            f"in {standing.elapsed_s:.0f} s",
            value="error",
            train="train (drawn latents)",
            valid="valid (mean latents)",
            over=SMOOTHED_OVER,
            top=_top(result),
            goal=(standing.mean_error, f"the mean digit for each: {standing.mean_error:.3f}"),
            commands=_commands(result.directory),
        )


def _top(result: DemoResult[DigitsStanding]) -> float:
    """The curve's highest point, or the goal, rounded up to hundredths."""
    highest = max(float(curve.value.max()) for curve in result.recorded.curves.values())
    return float(np.ceil(max(highest, result.standing.mean_error) * 100) / 100)


def _learned(standing: DigitsStanding, interrupted: bool) -> Sequence[tuple[str, str]]:
    before, after = standing.untrained, standing.trained
    assert before is not None
    assert after is not None
    return [
        (
            "learned",
            (
                f"[bold]{before.error:.3f} → {after.error:.3f}[/] squared error per pixel of {TEST} held-out digits redrawn, "
                f"untrained → epoch {standing.kept_epoch}"
            ),
        ),
        ("", f"the mean digit for each would be off by {standing.mean_error:.3f}"),
        ("", f"[bold]{before.accuracy:.1%} → {after.accuracy:.1%}[/] of them named rightly"),
        (
            "trained",
            (
                f"{standing.elapsed_s:.1f} s, {standing.epoch + 1} epochs, {standing.updates} updates"
                f"{', stopped by hand' if interrupted else ''}"
            ),
        ),
    ]


def _commands(directory: Path) -> list[tuple[str, str]]:
    return [
        (f"asynclog show {directory} reconstructions --save reconstructions.png", "digits, redrawn and named"),
        (f"asynclog show {directory} confusion --save confusion.png", "which digit was taken for which"),
        (f"asynclog show {directory} confusion_counts --phase test", "the same as a table, before and after"),
        (f"asynclog show {directory} doubts --save doubts.png", "those that are the hardest for it"),
        (f"asynclog show {directory} latent_walk --save walk.gif", "from digit to digit"),
        (f"asynclog show {directory} latent_space --save latent_space.html", "the digits as points, to turn by hand"),
    ]

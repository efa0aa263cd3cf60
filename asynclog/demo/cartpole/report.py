"""CartPole as a task: how long it is trained, and what is said of it at the end."""

from collections.abc import Sequence
from typing import ClassVar, Final, Self

from asynclog.demo.cartpole import pole
from asynclog.demo.cartpole.loop import (
    HELD_OUT_SEEDS,
    SOLVED_RETURN,
    CartPolePlan,
    CartPoleStanding,
    CartPoleTraining,
    Stage,
    load,
)
from asynclog.demo.log import Log
from asynclog.demo.report import DemoResult, Telling
from asynclog.demo.task import Task

QUICK_S: Final = 10.0
FULL_S: Final = 75.0
# How many updates a point of the training curve averages over: an update sees only one to twenty episodes end.
SMOOTHED_OVER: Final = 10


class CartPole(Task[CartPolePlan, CartPoleStanding]):
    """Ends when five validations in a row have solved the task; in a quick demo, three."""

    curve: ClassVar[str] = "return"
    _stage: Stage

    @classmethod
    def planned(cls, seconds: float | None, seed: int, quick: bool) -> Self:
        """A quick demo takes larger steps and looks at itself more often."""
        if quick:
            quickly = QUICK_S if seconds is None else seconds
            return cls(CartPolePlan(quickly, seed, pictures_every=0.5, every=0.5, rate=1e-3, in_a_row=3))
        return cls(CartPolePlan(FULL_S if seconds is None else seconds, seed))

    def load(self) -> None:
        self._stage = load(self.plan)

    def training(self, log: Log) -> CartPoleTraining:
        return CartPoleTraining(log, self.plan, self._stage)

    def telling(self, result: DemoResult[CartPoleStanding]) -> Telling:
        standing, directory = result.standing, result.directory
        return Telling(
            learned=_learned(standing, result.interrupted),
            name=pole.NAME,
            title=f"{pole.NAME}: mean return {standing.untrained_return:.1f} before, {standing.trained_return:.1f} after",
            subtitle=f"{len(HELD_OUT_SEEDS)} held-out episodes · {standing.updates} updates, "
            f"{standing.steps:,} steps of play in {standing.elapsed_s:.0f} s",
            value="return",
            train="train (sampled actions)",
            valid="valid (best actions)",
            over=SMOOTHED_OVER,
            top=float(pole.LONGEST_EPISODE),
            goal=(SOLVED_RETURN, f"solved: {SOLVED_RETURN:.0f}"),
            commands=[
                (f"asynclog show {directory} rollout --save rollout.gif", "the newest film of an episode"),
                (f"asynclog verify {directory}", "check every frame"),
                (f"asynclog export csv {directory}", "the numbers as a table"),
            ],
        )


def _learned(standing: CartPoleStanding, interrupted: bool) -> Sequence[tuple[str, str]]:
    solved = (
        f"not solved: too few validations of {SOLVED_RETURN:.0f} in a row"
        if standing.solved_s is None
        else f"solved after {standing.solved_s:.1f} s"
    )
    return [
        (
            "learned",
            (
                f"[bold]{standing.untrained_return:.1f} → {standing.trained_return:.1f}[/] mean return of "
                f"{len(HELD_OUT_SEEDS)} held-out episodes, untrained → update {standing.kept_update}"
            ),
        ),
        ("", f"{solved}{', stopped by hand' if interrupted else ''}"),
        (
            "trained",
            (
                f"{standing.elapsed_s:.1f} s, {standing.updates} updates, {standing.episodes:,} episodes, "
                f"{standing.steps:,} steps of play"
            ),
        ),
    ]

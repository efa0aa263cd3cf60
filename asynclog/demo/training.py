"""What every task's training is: a learner and an evaluator, two tasks of one event loop, between two tests.

The step is the learner's: the number of finished updates. The evaluator judges what the learner has long left behind
when the verdict is there, and writes it at the step of what it judged: valid steps come late.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from asynclog.demo.clocks import HeldTime, LoopLag
from asynclog.demo.log import Log


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. seconds: of training at most. pictures_every: seconds between the training phase's costly values."""

    seconds: float
    seed: int
    pictures_every: float = 2.0


@dataclass(slots=True)
class Standing(ABC):
    """How a training goes, for whoever shows it.

    updates: the learner's, so far. late: validations written after the learner had gone on, `latest` by how many updates
    at most. kept_update: that of what validated best, which is what was tested at the end.
    """

    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    updates: int = 0
    validations: int = 0
    late: int = 0
    latest: int = 0
    kept_update: int = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far, or in all."""
        return (time.monotonic() if self.ended is None else self.ended) - self.began

    def validated(self, behind: int) -> None:
        """Count a validation of what lies so many updates behind the learner."""
        self.validations += 1
        self.late += behind > 0
        self.latest = max(self.latest, behind)

    def share(self, seconds: float) -> float:
        """How much of the way is done, 0 to 1, when it may take so many seconds."""
        return min(self.elapsed_s / seconds, 1.0)

    @abstractmethod
    def words(self) -> str:
        """Say in a line how far it is."""


P = TypeVar("P", bound=Plan)
S = TypeVar("S", bound=Standing)


class Training(ABC, Generic[P, S]):
    """One training: `run()` is all of it, `stop()` ends it early; `standing`, `lag` and `cost` tell how it goes."""

    def __init__(self, log: Log, plan: P, standing: S) -> None:
        self.standing = standing
        self.lag = LoopLag()
        self.cost = HeldTime()
        self._log, self._plan = log, plan
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Finish what is under way, then the closing test, and return from `run()`."""
        self._stopping.set()

    async def run(self) -> None:
        """Test, train until done, stopped or out of time, test again."""
        self._log.log_config(self._settings())
        await self._test_untrained()
        self.standing.began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            self._begin(group)
            watching = group.create_task(self.lag.watch(), name="loop lag")
            working = [
                group.create_task(self._learn(), name="learner"),
                group.create_task(self._evaluate(), name="evaluator"),
            ]
            await self._pause(self._plan.seconds)
            self._stopping.set()
            await asyncio.wait(working)
            watching.cancel()
            self.standing.ended = time.monotonic()
        await self._test_kept()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _begin(self, group: asyncio.TaskGroup) -> None:
        """Start what else there is to run; whoever starts something here also ends it."""

    @abstractmethod
    def _settings(self) -> Mapping[str, Any]:
        """What is recorded as the run's config."""

    @abstractmethod
    async def _learn(self) -> None:
        """Learn, until stopping."""

    @abstractmethod
    async def _evaluate(self) -> None:
        """Validate, until stopping; sets it when nothing is left to do."""

    @abstractmethod
    async def _test_untrained(self) -> None:
        """Measure on what was held out, before anything is learned."""

    @abstractmethod
    async def _test_kept(self) -> None:
        """Measure the same with what validated best."""

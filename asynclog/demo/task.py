"""What a task is: something that learns for a while, says how it goes, and can tell afterwards what came of it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Generic, Self, TypeVar

from asynclog.demo import TASKS
from asynclog.demo.log import Log
from asynclog.demo.report import DemoResult, Telling
from asynclog.demo.training import Plan, Standing, Training
from asynclog.errors import InvalidConfiguration

P = TypeVar("P", bound=Plan)
S = TypeVar("S", bound=Standing)


@dataclass
class Task(ABC, Generic[P, S]):
    """A task with its plan: `load()` it, let its `training()` run, and hear its `telling()`.

    curve: the key of the series that is drawn as its learning curve; it has one in the phases train and valid.
    """

    curve: ClassVar[str]
    plan: P

    @classmethod
    @abstractmethod
    def planned(cls, seconds: float | None, seed: int, quick: bool) -> Self:
        """Plan it. seconds: of training at most; None: as long as it takes. quick: in ten seconds, to see it work."""

    @abstractmethod
    def load(self) -> None:
        """Load what has to be there before the loop may start. Blocks for a second or two: for a thread."""

    @abstractmethod
    def training(self, log: Log) -> Training[P, S]:
        """Make the training; it says all it has to say to `log`. Once, after `load()`."""

    @abstractmethod
    def telling(self, result: DemoResult[S]) -> Telling:
        """Put what came of it into words."""


def task_named(name: str) -> type[Task[Any, Any]]:
    """A task by its name. Raises InvalidConfiguration, with the names there are, and ImportError for what it needs."""
    if name not in TASKS:
        raise InvalidConfiguration(f"there is no task {name!r}; there are {' and '.join(TASKS)}")
    found: type[Task[Any, Any]] = import_module(f"asynclog.demo.{name}").TASK
    return found

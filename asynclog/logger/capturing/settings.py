"""What is captured, and how."""

from dataclasses import dataclass
from logging import getLevelNamesMapping
from math import isfinite
from typing import Literal

from asynclog.errors import InvalidConfiguration
from asynclog.flow.limit import is_number


@dataclass(frozen=True)
class Capture:
    """What a run records of its program beside what is logged.

    stdout, stderr: what is printed, by C code and child processes too, as lines under ``console``. ansi: whether colours and
    cursor movements stay in the lines ("keep") or are taken out ("strip"); the terminal gets them all. logging: records of the
    standard library's loggers, under ``log``; a level such as "INFO", or True for whatever loggers let through. warnings:
    those that are shown, also under ``log``. exceptions: uncaught ones, in threads and tasks too. environment: git state,
    command line, packages, machine; diff: with what git says is not committed. system: seconds between two looks at processor,
    memory, disk, network and GPUs; None: none. loop: the loop's own lag, every ``system`` (or 10) seconds. hang_after: seconds
    that a loop may stand still before its stack is recorded; None: however long.

    Raises InvalidConfiguration.
    """

    stdout: bool = True
    stderr: bool = True
    ansi: Literal["strip", "keep"] = "strip"
    logging: bool | int | str = True
    warnings: bool = True
    exceptions: bool = True
    environment: bool = True
    diff: bool = True
    system: float | None = 10.0
    loop: bool = True
    hang_after: float | None = 30.0

    def __post_init__(self) -> None:
        for name in ("system", "hang_after"):
            seconds = getattr(self, name)
            if seconds is not None and not (is_number(seconds) and isfinite(seconds) and seconds > 0):
                raise InvalidConfiguration(f"Capture {name}: expected seconds > 0, as a number, or None, got {seconds!r}")
        if self.ansi not in ("strip", "keep"):
            raise InvalidConfiguration(f"Capture ansi: expected 'strip' or 'keep', got {self.ansi!r}")
        for name in ("stdout", "stderr", "warnings", "exceptions", "environment", "diff", "loop"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidConfiguration(f"Capture {name}: expected True or False, got {getattr(self, name)!r}")
        if not isinstance(self.logging, bool | int | str):
            raise InvalidConfiguration(f"Capture logging: expected True, False or a level, got {self.logging!r}")
        levels = getLevelNamesMapping()
        if isinstance(self.logging, str) and self.logging not in levels:
            raise InvalidConfiguration(f"Capture logging: expected a level among {', '.join(levels)}, got {self.logging!r}")

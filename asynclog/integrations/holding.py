"""The run that a framework's integration records into, from one training to the next.

given            opened                       ended
a path           with the first value         with the training; the next one goes on as the run's next epoch
a callable       the same: it makes a MultiLogger for each
a MultiLogger    by whoever gave it           by whoever gave it

What is still open when the interpreter ends is ended there: as failed, if an exception ended the program.
"""

import atexit
import logging
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

# Before what is registered below: the interpreter calls the last one first, and this one would end every run as "exited".
import asynclog.logger.lifecycle  # noqa: F401
from asynclog.errors import InvalidConfiguration, SinkError
from asynclog.integrations.phases import by_phase
from asynclog.logger.multi import MultiLogger
from asynclog.state import State

_log = logging.getLogger("asynclog")
_FIRST_ONLY: Final[dict[str, Any]] = {"resume": "allow", "rewind_to": None}
"""What a run is begun with, and what it goes on with: "never" holds for what others recorded, and it is rewound once."""
_open: Final[dict[tuple[Path | None, str], "Holding"]] = {}

Given = str | os.PathLike[str] | MultiLogger | Callable[[], MultiLogger]


class Superseded(Exception):
    """How a run ends whose training never said that it was over, when another one begins on it."""

    def __init__(self) -> None:
        super().__init__("the training didn't end; another one went on with its run")


class Holding:
    """See above. given: the MultiLogger's arguments, if ``run`` is a path. Raises InvalidConfiguration.

    It can be pickled. Where it is open it is a writer of its own in the other process, as a pickled MultiLogger is; where it
    isn't, what it was given goes along, sinks included.
    """

    def __init__(self, run: Given, given: Mapping[str, Any]) -> None:
        if given and (isinstance(run, MultiLogger) or callable(run)):
            names = ", ".join(sorted(given))
            raise InvalidConfiguration(f"{names}: arguments of the MultiLogger that is made of a path, and here is one already")
        self._lent = isinstance(run, MultiLogger)
        self._opened = False
        self._log: MultiLogger | None
        if isinstance(run, MultiLogger):
            self._make: Callable[[], MultiLogger] = _no_other
            self._log = run
        else:
            self._make = run if callable(run) else partial(MultiLogger, run, **given)
            # Made at once: what is wrong with the arguments is said where they stand.
            self._log = self._make()

    @classmethod
    def of_rank(cls, rank: Callable[[], int], run: Given, given: Mapping[str, Any]) -> Self:
        """For a training of which every rank records: each is a writer of its own, ``rank<n>``, and the sinks are rank 0's.

        rank: asked for when the run is opened, since frameworks know it late. Raises InvalidConfiguration.
        """
        if isinstance(run, MultiLogger) or callable(run):
            raise InvalidConfiguration("ranks='all' names the writers itself: give the run's directory, not a MultiLogger")
        if "writer" in given:
            raise InvalidConfiguration(f"ranks='all' names the writers itself, and here is writer={given['writer']!r}")
        holding = cls(run, given)
        holding._make, holding._log = partial(_of_rank, rank, run, **given), None
        return holding

    @property
    def log(self) -> MultiLogger:
        """The MultiLogger, open. Raises RunUnwritable, RunInUse, RunNotFound, RunError, RecorderError."""
        log = self._made()
        if not self._opened and not self._lent:
            place = (self.directory, log._core.writer)
            before = _open.get(place)
            if before is not None and self.directory is not None:
                before.end(Superseded())
            log.__enter__()
            self._opened = True
            _open[place] = self
            if isinstance(self._make, partial):
                later = {name: one for name, one in _FIRST_ONLY.items() if name in self._make.keywords}
                self._make = partial(self._make, **later)
        return log

    @property
    def directory(self) -> Path | None:
        """The run's."""
        return self._made()._core.directory

    def write(self, metrics: Mapping[str, Any], state: State, namespace: str | None = None) -> None:
        """Record metrics, and whatever is pending, each at the phase that its name says, else at the state's."""
        log = self.log
        for phase, group in by_phase(metrics, state.phase).items():
            log.log(group, namespace=namespace)
            log.write_blocking(state if phase == state.phase else state.replace(phase=phase))

    def settings(self, settings: Any, namespace: str | None = None) -> None:
        """Record settings, at once: a training that fails with its first batch had them, too."""
        log = self.log
        log.log_config(settings, namespace=namespace)
        log.write_blocking(State(0, level="fit"))

    def end(self, error: BaseException | None = None) -> bool:
        """End the run, unless it is somebody else's; False if there was nothing to end. Waits in this thread.

        A sink that was stopped has said so when it was; it doesn't fail the training.
        """
        if not self._opened:
            return False
        log = self._made()
        self._opened, self._log = False, None
        _open.pop((log._core.directory, log._core.writer), None)
        try:
            log.__exit__(type(error) if error is not None else None, error, None)
        except* SinkError as stopped:
            for one in stopped.exceptions:
                _log.warning("the run ended, and a sink of it had been stopped: %s", str(one).splitlines()[0])
        return True

    def _made(self) -> MultiLogger:
        if self._log is None:
            self._log = self._make()
        return self._log

    def __getstate__(self) -> dict[str, Any]:
        make = self._make
        if self._log is not None and (self._opened or self._lent):
            reopen, arguments = self._log.__reduce__()
            make = partial(reopen, *arguments)
        return {"_make": make, "_log": None, "_lent": False, "_opened": False}

    def __repr__(self) -> str:
        state = "lent" if self._lent else "open" if self._opened else "not open"
        return f"<Holding of {str(self.directory)!r}: {state}>"


def _of_rank(rank: Callable[[], int], run: Any, **given: Any) -> MultiLogger:
    number = rank()
    mine = {name: one for name, one in given.items() if name != "sinks" or number == 0}
    return MultiLogger(run, writer=f"rank{number}", **mine)


def _no_other() -> MultiLogger:
    raise AssertionError("a lent logger is never made anew")


@atexit.register
def _end_open() -> None:
    error = getattr(sys, "last_value", None)
    for holding in list(_open.values()):
        holding.end(error)

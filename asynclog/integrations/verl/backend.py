"""One of verl's backends: ``log(data, step)`` and ``finish()``. The run it records lies in ``runs/<project>/<experiment>``."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from asynclog.errors import InvalidConfiguration
from asynclog.flow.route import Route
from asynclog.integrations.outbox import Outbox, Said
from asynclog.integrations.phases import by_phase
from asynclog.integrations.wandb.values import flat, plain, said
from asynclog.logger.multi import MultiLogger
from asynclog.sink import Sink
from asynclog.state import State

ROOT: Final = "ASYNCLOG_DIR"
"""The variable that says where runs lie, unless "runs" will do."""
_EPOCH: Final = "training/epoch"
_open: "Final[list[Backend]]" = []


class Backend:
    """config: recorded as the run's settings: a mapping, or OmegaConf's. sinks: where the run goes on to. root: above the run's
    directory. Loggers of a run that is there already go on with it. Safe from any thread, on a loop, and in an actor.

    Raises InvalidConfiguration for names that lead out of root."""

    def __init__(
        self,
        project_name: str,
        experiment_name: str,
        config: Any = None,
        *,
        sinks: Iterable[Sink | Route] = (),
        root: str | os.PathLike[str] | None = None,
    ) -> None:
        above = Path(os.environ.get(ROOT, "runs") if root is None else root)
        below = Path(str(project_name), str(experiment_name))
        if below.is_absolute() or ".." in below.parts:
            raise InvalidConfiguration(f"verl: expected names of a project and an experiment below {above}, got {str(below)!r}")
        self.directory = above / below
        self.logger = MultiLogger(self.directory, sinks=sinks, config=None if config is None else _settings(config))
        self.logger.__enter__()
        if config is not None:
            # What is logged comes by entries of its own, which take nothing else along.
            self.logger.write_blocking(State(0, level="fit"))
        self._outbox = Outbox(self.logger)
        self._finished = False
        _open.append(self)

    def log(self, data: Mapping[str, Any], step: int) -> None:
        """Record a step's metrics: numbers, and whatever else W&B's facade takes. A name that begins with val or test belongs
        to that phase. Steps may come late, and again."""
        values = {name: plain(value) for name, value in flat(data).items()}
        epoch = values.get(_EPOCH)
        for phase, some in by_phase(values).items():
            state = State(step, phase, epoch=int(epoch) if isinstance(epoch, int | float) else 0)
            self.put(state, [one for name, value in some.items() for one in said(name, value)])

    def put(self, state: State, row: Iterable[Said]) -> None:
        """Record what isn't a metric."""
        self._outbox.put(state, row)

    def finish(self, exit_code: int = 0) -> None:
        """End the run, once; waits in this thread until everything is delivered, or kept for later."""
        if self._finished:
            return
        self._finished = True
        _open.remove(self)
        error = SystemExit(exit_code) if exit_code else None
        try:
            self._outbox.settle()
        finally:
            self.logger.__exit__(None if error is None else type(error), error, None)


def newest() -> Backend | None:
    """The backend that was made last and goes on: verl's loggers of samples are told names, not objects."""
    return _open[-1] if _open else None


def _settings(config: Any) -> Any:
    """OmegaConf resolves itself; that it may not be able to is no reason not to train."""
    if type(config).__module__.startswith("omegaconf"):
        from omegaconf import OmegaConf

        return OmegaConf.to_container(config, resolve=False)
    return config

"""For Accelerate: ``Accelerator(log_with=AsynclogTracker("runs/digits"))``.

step     as ``accelerator.log(values, step)`` says it; without one, the one after the last
phase    by the metric's name, which stays as it was written, unless ``log_kwargs={"asynclog": {"phase": "valid"}}`` says it
ranks    the main process records, since Accelerate hands it alone what ``accelerator.log`` is given. With ranks="all" those who
         call ``tracker.log`` record, too: each is a writer of its own, and the sinks are the main process's
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from accelerate.state import PartialState
from accelerate.tracking import GeneralTracker, on_main_process

from asynclog.errors import InvalidConfiguration
from asynclog.integrations.holding import Given, Holding
from asynclog.integrations.phases import phase_of
from asynclog.logger.multi import MultiLogger
from asynclog.state import Phase, State


class AsynclogTracker(GeneralTracker):  # type: ignore[misc] # has no types here
    """Records what ``accelerator.log`` is given.

    run_name: the run's directory, or its name below ``logging_dir``; a MultiLogger that stays yours to open and to end, or a
    callable that makes one. Further arguments are those of MultiLogger, for a run's directory. Raises InvalidConfiguration.

    ``accelerate.tracking.register_tracker_class(AsynclogTracker)`` makes it known as ``log_with="asynclog"``; its run is then
    ``project_name`` below the Accelerator's ``logging_dir``. ``accelerator.end_training()`` ends the run; under
    ``with AsynclogTracker(…) as tracker`` an exception does, as failed.
    """

    name = "asynclog"
    requires_logging_directory = True

    def __init__(
        self,
        run_name: Given,
        logging_dir: "str | os.PathLike[str] | None" = None,
        *,
        ranks: Literal["main", "all"] = "main",
        **given: Any,
    ) -> None:
        super().__init__()
        if ranks not in ("main", "all"):
            raise InvalidConfiguration(f"ranks: expected 'main' or 'all', got {ranks!r}")
        run = run_name
        if isinstance(run_name, str | os.PathLike) and logging_dir is not None:
            run = Path(logging_dir) / run_name
        self.main_process_only = ranks == "main"
        self._holding = Holding(run, given) if ranks == "main" else Holding.of_rank(_rank, run, given)
        self._step = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._holding.end(error)

    @property
    def tracker(self) -> MultiLogger:
        """The MultiLogger, open. What is logged on it is recorded by its own ``write_blocking``, or with the next values."""
        return self._holding.log

    @on_main_process  # type: ignore[untyped-decorator]
    def start(self) -> None:
        _ = self.tracker

    @on_main_process  # type: ignore[untyped-decorator]
    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        self._holding.settings(values)

    @on_main_process  # type: ignore[untyped-decorator]
    def log(self, values: Mapping[str, Any], step: int | None = None, *, phase: Phase | None = None, epoch: int = 0) -> None:
        """Numbers, str and value objects; a mapping's go under its name."""
        metrics = flat(values)
        at = self._at(step)
        if phase is None:
            self._holding.write(metrics, State(at, epoch=epoch))
        else:
            self.tracker.log(metrics)
            self.tracker.write_blocking(State(at, phase, epoch))

    @on_main_process  # type: ignore[untyped-decorator]
    def log_images(self, values: Mapping[str, Any], step: int | None = None, **given: Any) -> None:
        """Several images a key: a list, or an array with them along its first axis; further arguments as
        ``MultiLogger.log_images`` takes them."""
        at = self._at(step)
        for key, images in values.items():
            self.tracker.log_images(key, images, **given)
            self.tracker.write_blocking(State(at, phase_of(key)))

    @on_main_process  # type: ignore[untyped-decorator]
    def log_table(
        self,
        table_name: str,
        columns: Sequence[str] | None = None,
        data: Sequence[Sequence[Any]] | None = None,
        dataframe: Any = None,
        step: int | None = None,
    ) -> None:
        """Rows of a table: ``columns`` and ``data``, or a data frame."""
        self.tracker.log_table(table_name, data if dataframe is None else dataframe, columns=columns)
        self.tracker.write_blocking(State(self._at(step), phase_of(table_name)))

    @on_main_process  # type: ignore[untyped-decorator]
    def finish(self) -> None:
        self._holding.end()

    def _at(self, step: int | None) -> int:
        self._step = self._step + 1 if step is None else step
        return self._step


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Mappings within a mapping become keys with "/"."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{key}/")
        else:
            found[f"{above}{key}"] = value
    return found


def _rank() -> int:
    return int(PartialState().process_index)

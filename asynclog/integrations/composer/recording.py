"""What a Composer ``LoggerDestination`` is told, recorded: every method of its base class, without the base class.

step        the batch that Composer names; epoch from its timestamp; samples and tokens seen are axes
phase       by the metric's name, which stays as it was written: metrics/eval/Accuracy is of phase valid
events      become hooks, at their level
ranks       rank 0 records; with ranks="all" each is a writer of its own, and the sinks are rank 0's
"""

import pathlib
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self

from asynclog.errors import InvalidConfiguration
from asynclog.integrations.composer.levels import LogLevel, level_of, phase_of_event, state_of
from asynclog.integrations.composer.pictures import pictures
from asynclog.integrations.holding import Given, Holding
from asynclog.integrations.phases import phase_of
from asynclog.logger.multi import MultiLogger
from asynclog.logger.ranks import ranks_here
from asynclog.state import Level, State
from asynclog.values import HOOKS

_RUN_NAME: Final = "{run_name}"
_LEVELS: Final[dict[int, Level]] = {1: "fit", 2: "epoch", 3: "batch"}


class Unfinished(Exception):
    """How a run ends whose training was closed before its fit had ended, where nobody knows why."""

    def __init__(self) -> None:
        super().__init__("the trainer was closed before its fit had ended")


class Recording:
    """run: the run's directory, in which ``{run_name}`` is Composer's, a MultiLogger that stays yours to open and to end, or a
    callable that makes one. axes: fields of Composer's timestamp that go along as axes. Further arguments are those of
    MultiLogger, for a run's directory. Raises InvalidConfiguration.

    The run ends when Composer closes its destinations, as failed if the fit hadn't ended.
    """

    def __init__(
        self,
        run: Given = "runs/{run_name}",
        *,
        ranks: Literal["zero", "all"] = "zero",
        axes: Sequence[str] = ("sample", "token"),
        **given: Any,
    ) -> None:
        super().__init__()
        if ranks not in ("zero", "all"):
            raise InvalidConfiguration(f"ranks: expected 'zero' or 'all', got {ranks!r}")
        self._ranks, self._axes = ranks, tuple(axes)
        self._waiting: list[Callable[[], None]] = []
        self._state: Any = None
        self._fitting = False
        self._named = isinstance(run, str) and _RUN_NAME in run
        self._given = run, given
        self._holding = self._held(run if not self._named else "runs")
        self._ready = not self._named

    def _held(self, run: Given) -> Holding:
        given = self._given[1]
        return Holding(run, given) if self._ranks == "zero" else Holding.of_rank(lambda: ranks_here().rank, run, given)

    @property
    def log(self) -> MultiLogger:
        """The MultiLogger, open. What is logged on it is recorded by its own ``write_blocking``, or with the next metrics."""
        return self._holding.log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._holding.end(error)

    # -- values -----------------------------------------------------------------------------------------------------

    def log_hyperparameters(self, hyperparameters: dict[str, Any]) -> None:
        self._say(lambda: self._holding.settings(hyperparameters))

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Numbers and tensors of no dimension; text, value objects; larger tensors as such."""
        self._say(lambda: self._write(metrics, self._at(step)))

    def log_table(self, columns: list[str], rows: list[list[Any]], name: str = "Table", step: int | None = None) -> None:
        def said() -> None:
            self.log.log_table(name, [[*row] for row in rows], columns=columns)
            self.log.write_blocking(self._at(step, name))

        self._say(said)

    def log_traces(self, traces: dict[str, Any]) -> None:
        """Each a record of the logger "trace", with what was traced as its field."""

        def said() -> None:
            for name, trace in traces.items():
                self.log.log_record(name, name, logger="trace", fields={"trace": trace})
            self.log.write_blocking(self._at(None))

        self._say(said)

    def log_images(
        self,
        images: Any,
        name: str = "Images",
        channels_last: bool = False,
        step: int | None = None,
        masks: Mapping[str, Any] | None = None,
        mask_class_labels: Mapping[int, str] | None = None,
        use_table: bool = True,
    ) -> None:
        """Images with masks are recorded one by one, under one name; others as a batch. W&B's own sink decides about tables:
        use_table is heard and changes nothing."""

        def said() -> None:
            for several, value, given in pictures(images, channels_last, masks or {}, mask_class_labels or {}):
                (self.log.log_images if several else self.log.log_image)(name, value, **given)
            self.log.write_blocking(self._at(step, name))

        self._say(said)

    def log_data(self, state: Any, log_level: LogLevel, data: dict[str, Any]) -> None:
        """Of Composer up to 0.8."""
        self._state = state
        self._say(lambda: self._write(data, self._at(None, level=_LEVELS[int(log_level)])))

    # -- files ------------------------------------------------------------------------------------------------------

    def upload_file(self, state: Any, remote_file_name: str, file_path: pathlib.Path, *, overwrite: bool) -> None:
        """An artifact of the run; it is copied when this returns."""
        self._state = state

        def said() -> None:
            self.log.log_artifact(remote_file_name.lstrip("/"), file_path, overwrite=overwrite)
            self.log.write_blocking(self._at(None))

        self._say(said)

    def download_file(
        self, remote_file_name: str, destination: str, overwrite: bool = False, progress_bar: bool = True
    ) -> None:
        """The newest version of an artifact, to ``destination``. Raises FileNotFoundError, FileExistsError."""
        from asynclog.errors import ArtifactNotFound
        from asynclog.readers import read

        target, directory = pathlib.Path(destination), self._holding.directory
        if target.exists() and not overwrite:
            raise FileExistsError(f"{destination} exists, and overwrite=False")
        try:
            if directory is None:
                raise ArtifactNotFound(f"{remote_file_name}: this run keeps no files")
            found = read(directory).artifact(remote_file_name.lstrip("/"))
        except ArtifactNotFound as error:
            raise FileNotFoundError(str(error)) from error
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found.path, target)

    def can_upload_files(self) -> bool:
        return True

    def log_file_artifact(
        self, state: Any, log_level: LogLevel, artifact_name: str, file_path: pathlib.Path, *, overwrite: bool
    ) -> None:
        """Of Composer up to 0.8."""
        self.upload_file(state, artifact_name, file_path, overwrite=overwrite)

    def get_file_artifact(self, artifact_name: str, destination: str, overwrite: bool, progress_bar: bool) -> None:
        """Of Composer up to 0.8."""
        self.download_file(artifact_name, destination, overwrite, progress_bar)

    def log_symlink_artifact(
        self,
        state: Any,
        log_level: LogLevel,
        existing_artifact_name: str,
        symlink_artifact_name: str,
        *,
        overwrite: bool,
    ) -> None:
        """Of Composer up to 0.8."""
        self._state = state

        def said() -> None:
            self.log.log_symlink(existing_artifact_name.lstrip("/"), symlink_artifact_name.lstrip("/"), overwrite=overwrite)
            self.log.write_blocking(self._at(None))

        self._say(said)

    # -- events -----------------------------------------------------------------------------------------------------

    def run_event(self, event: Any, state: Any, logger: Any) -> None:
        """A hook of the event's name; a subclass's method of that name is called first."""
        self._state = state
        name = str(event.value)
        if name == "init" and self._named:
            self._holding = self._held(str(self._given[0]).replace(_RUN_NAME, str(state.run_name)))
        if name == "init":
            self._ready = True
            waiting, self._waiting = self._waiting, []
            for said in waiting:
                said()
        getattr(self, name, _nothing)(state, logger)
        self._fitting = name != "fit_end" and (self._fitting or name == "fit_start")
        if name in HOOKS:
            at = state_of(state.timestamp, axes=self._axes, phase=phase_of_event(name), level=level_of(name))
            self._say(lambda: self.log.hook_blocking(name, at))

    def close(self, state: Any, logger: Any) -> None:
        """Other destinations may still say something: the run ends in ``post_close``."""

    def post_close(self) -> None:
        error: BaseException | None = None
        if self._fitting:
            error = sys.exc_info()[1] or getattr(sys, "last_value", None) or Unfinished()
        self._fitting = False
        self._holding.end(error)

    # -- all of them ------------------------------------------------------------------------------------------------

    def _say(self, said: Callable[[], None]) -> None:
        """Now, on a rank that records; what comes before the run has its name waits for that."""
        if self._ranks == "zero" and ranks_here().rank != 0:
            return
        if self._ready:
            said()
        else:
            self._waiting.append(said)

    def _write(self, metrics: Mapping[str, Any], state: State) -> None:
        numbers = {name: value for name, value in metrics.items() if not _is_large(value)}
        for name, value in metrics.items():
            if name not in numbers:
                self.log.log_tensor(name, value)
        self._holding.write(numbers, state)
        if len(numbers) < len(metrics):
            self.log.write_blocking(state)

    def _at(self, step: int | None, name: str = "", *, level: Level = "batch") -> State:
        phase = phase_of(name)
        if self._state is None:
            return State(step or 0, phase, level=level)
        return state_of(self._state.timestamp, axes=self._axes, step=step, phase=phase, level=level)


def _is_large(value: Any) -> bool:
    """Whether it is an array of several numbers."""
    return bool(getattr(value, "shape", ()))


def _nothing(state: Any, logger: Any) -> None:
    """A subclass has no method of that name."""

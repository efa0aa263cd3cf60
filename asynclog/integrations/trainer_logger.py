"""What the loggers for ``lightning`` and ``pytorch_lightning`` have in common: everything but the class that they derive from.

step        the trainer's (optimizer steps; batches of an evaluation, where Lightning logs those one by one)
epoch       the metric "epoch" that Lightning adds; it goes to the State, and is no series of its own
phase       by the metric's name, which stays as it was written
ranks       rank 0 records, as Lightning's users expect; or each rank is a writer of its own
"""

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from asynclog.errors import InvalidConfiguration
from asynclog.integrations.holding import Given, Holding
from asynclog.integrations.phases import phase_of
from asynclog.state import State

_ENDED_WELL: Final = frozenset({"success", "finished"})


class TrainerLogger:
    """Records what a Lightning ``Trainer`` says: ``Trainer(logger=AsynclogLogger("runs/digits"))``.

    run: the run's directory, a MultiLogger that stays yours to open and to end, or a callable that makes one for each
    training. ranks: "zero", or "all": each rank is a writer of its own, named ``rank<n>``, and the sinks are rank 0's. Further
    arguments are those of MultiLogger, for a run's directory. Raises InvalidConfiguration.
    """

    silent: Callable[[], Any]
    """What the framework gives to other ranks in place of ``experiment``."""

    def __init__(self, run: Given, *, ranks: Literal["zero", "all"] = "zero", **given: Any) -> None:
        super().__init__()
        if ranks not in ("zero", "all"):
            raise InvalidConfiguration(f"ranks: expected 'zero' or 'all', got {ranks!r}")
        self._ranks = ranks
        self._holding = Holding(run, given) if ranks == "zero" else Holding.of_rank(_rank, run, given)
        self._step = self._epoch = 0
        self._graph_logged = False

    # -- which run --------------------------------------------------------------------------------------------------

    @property
    def experiment(self) -> Any:
        """The MultiLogger. What is logged on it is recorded by its own ``write_blocking``, or with the next metrics."""
        return self._holding.log if self._records else type(self).silent()

    @property
    def name(self) -> str:
        """The run's: the last part of its directory."""
        directory = self._holding.directory
        return "asynclog" if directory is None else directory.name

    @property
    def version(self) -> str:
        """Empty: a run that goes on stays the same run."""
        return ""

    @property
    def save_dir(self) -> str | None:
        """The run's directory; checkpoints and the configuration of the command line go below it by default."""
        directory = self._holding.directory
        return None if directory is None else str(directory)

    @property
    def _records(self) -> bool:
        return self._ranks == "all" or _rank() == 0

    # -- metrics and settings ---------------------------------------------------------------------------------------

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record metrics at a step; None: at the last one that was said."""
        if not self._records:
            return
        metrics = dict(metrics)
        epoch = metrics.get("epoch")
        if epoch is not None and float(epoch).is_integer():
            self._epoch = int(metrics.pop("epoch"))
        self._step = self._step if step is None else step
        self._holding.write(metrics, State(self._step, epoch=self._epoch))

    def log_hyperparams(
        self, params: Mapping[str, Any] | Namespace, metrics: Mapping[str, Any] | None = None, *_: Any, **__: Any
    ) -> None:
        """Record the settings of the run, nested as they are; metrics: numbers that belong to them."""
        if not self._records:
            return
        self._holding.settings(params)
        if metrics:
            self.log_metrics(metrics)

    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Record the model's layers as text, once; there is no graph of operations to look at."""
        if self._records and not self._graph_logged:
            self._graph_logged = True
            self.experiment.log_string("model", str(model))
            self._write("model", None)

    # -- other kinds ------------------------------------------------------------------------------------------------

    def log_image(
        self, key: str, images: Sequence[Any], step: int | None = None, *, caption: Sequence[str] | None = None, **given: Any
    ) -> None:
        """Images as one event, with a caption each; further arguments as ``MultiLogger.log_images`` takes them."""
        if self._records:
            _several("images", images, caption)
            self.experiment.log_images(key, list(images), captions=caption, **given)
            self._write(key, step)

    def log_audio(self, key: str, audios: Sequence[Any], step: int | None = None, *, sample_rate: Any = 44100) -> None:
        """Sounds as an event each. sample_rate: in Hz, of all, or one each."""
        if self._records:
            rates = [sample_rate] * len(audios) if isinstance(sample_rate, int) else sample_rate
            _several("audios", audios, rates)
            for audio, rate in zip(audios, rates, strict=True):
                self.experiment.log_audio(key, audio, sample_rate=rate)
            self._write(key, step)

    def log_video(self, key: str, videos: Sequence[Any], step: int | None = None, *, fps: Any = 12.0) -> None:
        """Videos as an event each. fps: frames per second, of all, or one each."""
        if self._records:
            rates = [fps] * len(videos) if isinstance(fps, int | float) else fps
            _several("videos", videos, rates)
            for video, rate in zip(videos, rates, strict=True):
                self.experiment.log_video(key, video, fps=rate)
            self._write(key, step)

    def log_table(
        self,
        key: str,
        columns: Sequence[str] | None = None,
        data: Sequence[Sequence[Any]] | None = None,
        dataframe: Any = None,
        step: int | None = None,
    ) -> None:
        """Rows of a table: ``columns`` and ``data``, or a data frame."""
        if self._records:
            self.experiment.log_table(key, data if dataframe is None else dataframe, columns=columns)
            self._write(key, step)

    def log_text(
        self,
        key: str,
        text: str | None = None,
        step: int | None = None,
        *,
        columns: Sequence[str] | None = None,
        data: Sequence[Sequence[str]] | None = None,
        dataframe: Any = None,
    ) -> None:
        """A text; or a table of texts, as W&B's logger takes them."""
        if text is None:
            self.log_table(key, columns, data, dataframe, step)
        elif self._records:
            self.experiment.log_string(key, text)
            self._write(key, step)

    def _write(self, key: str, step: int | None) -> None:
        at = self._step if step is None else step
        self.experiment.write_blocking(State(at, phase_of(key), self._epoch))

    # -- the end ----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Nothing: what was logged is recorded already."""

    def finalize(self, status: str) -> None:
        """End the run, after each of ``fit``, ``validate``, ``test`` and ``predict``; the next one goes on with it."""
        if not self._records:
            return
        if status in _ENDED_WELL:
            self._holding.end()
        else:
            self._holding.end(sys.exception() or RuntimeError(f"the trainer ended with status {status!r}"))


def _rank() -> int:
    """As Lightning has it, whose own launchers say it in other ways than the environment."""
    from lightning_utilities.core.rank_zero import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0))


def _several(name: str, values: Any, beside: Sequence[Any] | None) -> None:
    if not isinstance(values, list | tuple):
        raise TypeError(f"{name}: expected a list, got {type(values).__name__}")
    if beside is not None and len(beside) != len(values):
        raise ValueError(f"{name}: {len(values)} of them, with {len(beside)} of what belongs to each")

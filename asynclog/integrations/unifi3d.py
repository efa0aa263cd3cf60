"""unifi3d's ``Logger``: made of the same configuration, with the same verbs, over a logger and routines of asynclog.

logger:
  aim:
    _target_: asynclog.integrations.unifi3d.Logger
    config: {logint: aim, loggers: [metric, image], tracked_variables: {metric: [loss], image: [render]}}
"""

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from asynclog.config import from_config
from asynclog.config.unifi3d import parsed
from asynclog.logger.multi import MultiLogger
from asynclog.routines import Routines


class Logger:
    """For loops that are not async, as unifi3d's is: nothing here is awaited.

    config: a mapping, OmegaConf, or the path of a YAML file, with the keys of asynclog.config.unifi3d. The run lies in
    ``{root_dir}/log/{logint}``, and goes to the backend from there. log: the MultiLogger. routines: what reads tracked keys.

    Raises InvalidConfiguration, with each key, what was expected and the nearest known name.
    """

    def __init__(self, config: "Mapping[str, Any] | str | os.PathLike[str]") -> None:
        self.config = parsed(config)
        self.name, self.root_dir = self.config.name, self.config.root_dir
        self.log: MultiLogger = from_config(self.config.settings())
        self.routines = Routines(self.log, **self.config.routines())

    def log_iter(self, batch: Mapping[str, Any]) -> None:
        """What one iteration had: phase, epoch, and the tracked keys."""
        self.routines.log_iter_blocking(batch)

    def log_epoch(self) -> None:
        """What the iterations since the last time came to."""
        self.routines.log_epoch_blocking()

    def log_hyperparams(self, hparams: Any, metrics: Any = None, *, model: Any = None) -> None:
        """The run's settings; model: of torch, whose parameters are counted."""
        self.routines.log_hyperparams_blocking(hparams, metrics, model=model)

    def end_log(self) -> None:
        """The end of the training: the run is ended, and everything delivered. Raises an ExceptionGroup of SinkErrors if sinks
        were stopped on the way. A second time does nothing."""
        self.routines.end_log_blocking()
        self.log.close()

    def __enter__(self) -> Self:
        self.log.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.routines.end_log_blocking()
        self.log.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<Logger {self.name!r} for {self.config.logint}: {self.routines!r}>"

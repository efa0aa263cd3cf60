"""unifi3d's ``Logger``: made of the same configuration, with the same verbs, over a logger and routines of asynclog.

logger:
  aim:
    _target_: asynclog.integrations.unifi3d.Logger
    config: {logint: aim, loggers: [metric, image], tracked_variables: {metric: [loss], image: [render]}}
"""

import os
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from asynclog.config import from_config
from asynclog.config.unifi3d import parsed
from asynclog.logger.multi import MultiLogger
from asynclog.logger.settings import plain_settings
from asynclog.routines import Routines

_SECTIONS: Final = ("model", "data", "trainer", "extras", "task_name", "tags", "ckpt_path", "seed")


def log_hyperparameters(object_dict: Mapping[str, Any], is_main_process: bool = True) -> None:
    """unifi3d's function of this name: of the configuration ``cfg``, the sections that describe a run, its whole, and how many
    parameters ``model`` has, to every logger of ``trainer``."""
    if is_main_process:
        cfg = plain_settings(object_dict["cfg"])
        params = {name: cfg.get(name) for name in _SECTIONS if name in cfg} | {"cfg": dict(_unrolled(cfg))}
        for logger in object_dict["trainer"].loggers:
            logger.log_hyperparams(params, model=object_dict["model"])


def _unrolled(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in settings.items():
        if isinstance(one, Mapping):
            yield from _unrolled(one, f"{above}{name}/")
        else:
            yield f"{above}{name}", one


class Logger:
    """For loops that are not async, as unifi3d's is: nothing here is awaited.

    config: a mapping, OmegaConf, or the path of a YAML file, with the keys of asynclog.config.unifi3d. The run lies in
    ``{root_dir}/log/{logint}``, and goes to the backend from there. log: the MultiLogger. routines: what reads tracked keys.

    name, root_dir, log_dir, ckpt_dir, tracked_variables: what unifi3d's Trainer asks for.

    Raises InvalidConfiguration, with each key, what was expected and the nearest known name.
    """

    group_separator: Final = "/"

    def __init__(self, config: "Mapping[str, Any] | str | os.PathLike[str]") -> None:
        self.config = parsed(config)
        self.name, self.root_dir = self.config.name, self.config.root_dir
        self.log_dir, self.ckpt_dir = os.path.join(self.root_dir, "log"), os.path.join(self.root_dir, "checkpoints")
        self.tracked_variables: Mapping[str, list[str]] = self.config.arguments()["tracked_variables"]
        self.log: MultiLogger = from_config(self.config.settings())
        # Without any, the data's own output_parser counts.
        self.routines = Routines(self.log, **self.config.arguments() | {"tracked_variables": self.tracked_variables or None})

    def log_iter(self, batch: Mapping[str, Any]) -> None:
        """What one iteration had: phase, epoch, and the tracked keys."""
        self.routines.log_iter_blocking(batch)

    def log_epoch(self) -> None:
        """What the iterations since the last time came to."""
        self.routines.log_epoch_blocking()

    def log_hyperparams(self, hparams: Any, metrics: Any = None, *, model: Any = None) -> None:
        """The run's settings; model: of torch, whose parameters are counted."""
        self.routines.log_hyperparams_blocking(hparams, metrics, model=model)

    # What NAP calls them.
    log_batch = log_iter
    log_phase = log_epoch

    def end_log(self) -> None:
        """The end of the training: the run is ended, and everything delivered. Raises an ExceptionGroup of SinkErrors if sinks
        were stopped on the way. A second time does nothing."""
        try:
            self.routines.end_log_blocking()
        finally:
            self.log.close()

    def __enter__(self) -> Self:
        self.log.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self.routines.end_log_blocking()
        finally:
            self.log.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<Logger {self.name!r} for {self.config.logint}: {self.routines!r}>"

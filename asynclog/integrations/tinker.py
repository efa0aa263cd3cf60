"""tinker-cookbook's ``Logger``, recorded by asynclog: metrics at their steps, text, and settings.

``MultiplexLogger`` and ``setup_logging`` are here as well, so that a recipe changes one import; or hand ``AsynclogLogger`` to
the cookbook's own MultiplexLogger.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from asynclog.flow.route import Route
from asynclog.integrations.outbox import Outbox, Said
from asynclog.integrations.phases import by_phase
from asynclog.integrations.wandb.values import flat, plain, said
from asynclog.logger.multi import MultiLogger
from asynclog.sink import Sink
from asynclog.state import State


class Logger(Protocol):
    """What the cookbook asks of one."""

    def log_hparams(self, config: Any) -> None: ...
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None: ...
    def log_long_text(self, key: str, text: str) -> None: ...
    def close(self) -> None: ...
    def sync(self) -> None: ...
    def get_logger_url(self) -> str | None: ...


class AsynclogLogger:
    """log_dir: the recipe's directory; the run lies in ``asynclog`` below it. sinks: where it goes on to. Safe from any thread,
    and on a loop, which never waits for it."""

    def __init__(self, log_dir: str | os.PathLike[str], *, sinks: Iterable[Sink | Route] = ()) -> None:
        self.directory = Path(log_dir).expanduser() / "asynclog"
        self.logger = MultiLogger(self.directory, sinks=sinks)
        self.logger.__enter__()
        self._outbox = Outbox(self.logger)
        self._step = 0

    def log_hparams(self, config: Any) -> None:
        """Settings: a mapping, a dataclass, a chz object, or one with attributes."""
        self._outbox.settings(_plain_settings(config))

    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """A row, at ``step``: late ones, of an evaluator that took its time, are recorded where they belong. None: at the last
        step."""
        at = self._step if step is None else step
        self._step = at
        values = {name: plain(value) for name, value in flat(metrics).items()}
        for phase, some in by_phase(values).items():
            self._outbox.put(State(at, phase), [one for name, value in some.items() for one in said(name, value)])

    def log_long_text(self, key: str, text: str) -> None:
        """Text, at the last step."""
        self._outbox.put(State(self._step), [Said("log_string", key, text)])

    def close(self) -> None:
        """End the run; waits in this thread until all is delivered, or kept for later."""
        try:
            self._outbox.settle()
        finally:
            self.logger.close()

    def sync(self) -> None:
        """Nothing waits here: what ``log_metrics`` returned for survives this process."""
        self._outbox.settle()

    def get_logger_url(self) -> str | None:
        """The run's directory as a file URL."""
        return self.directory.resolve().as_uri()


class MultiplexLogger:
    """Says everything to each of several loggers."""

    def __init__(self, loggers: list[Logger]) -> None:
        self.loggers = loggers

    def log_hparams(self, config: Any) -> None:
        for one in self.loggers:
            one.log_hparams(config)

    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        for one in self.loggers:
            one.log_metrics(metrics, step)

    def log_long_text(self, key: str, text: str) -> None:
        for one in self.loggers:
            if hasattr(one, "log_long_text"):
                one.log_long_text(key, text)

    def close(self) -> None:
        for one in self.loggers:
            if hasattr(one, "close"):
                one.close()

    def sync(self) -> None:
        for one in self.loggers:
            if hasattr(one, "sync"):
                one.sync()

    def get_logger_url(self) -> str | None:
        """The first that there is."""
        return next((url for one in self.loggers if (url := one.get_logger_url())), None)


def setup_logging(
    log_dir: str,
    wandb_project: str | None = None,
    wandb_name: str | None = None,
    config: Any | None = None,
    do_configure_logging_module: bool = True,
) -> MultiplexLogger:
    """As the cookbook's: a recording in log_dir, the metrics as ``metrics.jsonl`` and on the console, and with wandb_project a
    W&B sink. do_configure_logging_module: the logging of Python also goes to ``log_dir/logs.log``."""
    from asynclog import sinks

    above = Path(log_dir).expanduser()
    above.mkdir(parents=True, exist_ok=True)
    served: list[Any] = [sinks.JSONLines(above.resolve() / "metrics.jsonl"), sinks.Console()]
    if wandb_project:
        served.append(sinks.WandB(wandb_project, group=wandb_name))
    if do_configure_logging_module:
        _log_to(above / "logs.log")
    logger = AsynclogLogger(above, sinks=served)
    if config is not None:
        logger.log_hparams(config)
    return MultiplexLogger([logger])


def _log_to(path: Path) -> None:
    import logging

    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s:%(lineno)d [%(levelname)s] %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(min(root.level, logging.INFO))


def _plain_settings(config: Any) -> dict[str, Any]:
    found = _held(config)
    return found if isinstance(found, dict) else {"config": found}


def _held(value: Any) -> Any:
    """As the cookbook's own files have it: what nests, nests; what has no form of its own is named."""
    if hasattr(value, "to_dict"):
        return _held(value.to_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _held(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _held(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_held(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "__chz_fields__"):
        return {name: _held(getattr(value, name)) for name in value.__chz_fields__}
    if callable(value):
        return f"{value.__module__}.{getattr(value, '__name__', type(value).__name__)}"
    if hasattr(value, "__dict__"):
        return {name: _held(one) for name, one in vars(value).items() if not name.startswith(("_", "X_"))}
    return str(value)

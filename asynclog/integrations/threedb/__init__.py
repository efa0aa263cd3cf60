"""For those who come from 3DB (``threedb.result_logging``): the same loggers, over a buffer that can't hang.

training process    results = Results(log); ix = await results.log(item, {"rgb": array, …})
                    or, without asyncio, LoggerManager: append, start, log, join
each logger         a class of BaseLogger in a module of its own, named by configuration (asynclog.config.logger_modules)

A result is recorded as one write: a record with the item, and a tensor a channel. What a logger reads are arrays over what
was recorded; nothing is counted back to the training process, so no logger can hold it up.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynclog.integrations.threedb.base_logger import BaseLogger
    from asynclog.integrations.threedb.buffer import Buffer
    from asynclog.integrations.threedb.manager import LoggerManager
    from asynclog.integrations.threedb.results import Results

__all__ = ["BaseLogger", "Buffer", "LoggerManager", "Results"]

# A logger's process needs nothing of the training side, and there may be a dozen of them.
_HOMES = {"BaseLogger": "base_logger", "Buffer": "buffer", "LoggerManager": "manager", "Results": "results"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__

"""Destinations, one a file. Each is imported when it is first named, so that none pays for another's dependencies."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynclog.sinks.comet.sink import Comet
    from asynclog.sinks.console import Console
    from asynclog.sinks.csv import CSV
    from asynclog.sinks.files.sink import Files
    from asynclog.sinks.jsonl import JSONLines
    from asynclog.sinks.memory import Memory
    from asynclog.sinks.neptune import Neptune
    from asynclog.sinks.wandb.sink import WandB

__all__ = ["CSV", "Comet", "Console", "Files", "JSONLines", "Memory", "Neptune", "WandB"]

_HOMES = {
    "CSV": "csv",
    "Comet": "comet.sink",
    "Console": "console",
    "Files": "files.sink",
    "JSONLines": "jsonl",
    "Memory": "memory",
    "Neptune": "neptune",
    "WandB": "wandb.sink",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__

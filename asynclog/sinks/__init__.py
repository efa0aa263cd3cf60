"""Destinations, one a file. Each is imported when it is first named, so that none pays for another's dependencies."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynclog.sinks.alerts import Alerts
    from asynclog.sinks.console import Console
    from asynclog.sinks.csv import CSV
    from asynclog.sinks.jsonl import JSONLines
    from asynclog.sinks.memory import Memory
    from asynclog.sinks.progress import Progress

__all__ = ["CSV", "Alerts", "Console", "JSONLines", "Memory", "Progress"]

_HOMES = {
    "Alerts": "alerts",
    "CSV": "csv",
    "Console": "console",
    "JSONLines": "jsonl",
    "Memory": "memory",
    "Progress": "progress",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__

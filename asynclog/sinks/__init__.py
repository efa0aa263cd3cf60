"""Destinations, one a file. Each is imported when it is first named, so that none pays for another's dependencies."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynclog.sinks.aim import Aim
    from asynclog.sinks.alerts import Alerts
    from asynclog.sinks.comet.sink import Comet
    from asynclog.sinks.console import Console
    from asynclog.sinks.csv import CSV
    from asynclog.sinks.files.sink import Files
    from asynclog.sinks.jsonl import JSONLines
    from asynclog.sinks.log_file import LogFile
    from asynclog.sinks.mcap.sink import MCAP
    from asynclog.sinks.memory import Memory
    from asynclog.sinks.mlflow import MLflow
    from asynclog.sinks.neptune import Neptune
    from asynclog.sinks.objectstore.sink import ObjectStore
    from asynclog.sinks.parquet.sink import Parquet
    from asynclog.sinks.progress import Progress
    from asynclog.sinks.rerun.sink import Rerun
    from asynclog.sinks.slack import Slack
    from asynclog.sinks.tensorboard import TensorBoard
    from asynclog.sinks.wandb.sink import WandB

__all__ = [
    "CSV",
    "MCAP",
    "Aim",
    "Alerts",
    "Comet",
    "Console",
    "Files",
    "JSONLines",
    "LogFile",
    "MLflow",
    "Memory",
    "Neptune",
    "ObjectStore",
    "Parquet",
    "Progress",
    "Rerun",
    "Slack",
    "TensorBoard",
    "WandB",
]

_HOMES = {
    "Aim": "aim",
    "Alerts": "alerts",
    "CSV": "csv",
    "Comet": "comet.sink",
    "Console": "console",
    "Files": "files.sink",
    "JSONLines": "jsonl",
    "LogFile": "log_file",
    "MCAP": "mcap.sink",
    "MLflow": "mlflow",
    "Memory": "memory",
    "Neptune": "neptune",
    "ObjectStore": "objectstore.sink",
    "Parquet": "parquet.sink",
    "Progress": "progress",
    "Rerun": "rerun.sink",
    "Slack": "slack",
    "TensorBoard": "tensorboard",
    "WandB": "wandb.sink",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__

"""asynclog: an asyncio event-streaming logger for machine learning. ``import asynclog as al``.

Names load when they are used, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynclog import config as config
    from asynclog import errors as errors
    from asynclog import routines as routines
    from asynclog import sinks as sinks
    from asynclog.artifacts.settings import Artifacts as Artifacts
    from asynclog.artifacts.stored import StoredArtifact as StoredArtifact
    from asynclog.config import from_config as from_config
    from asynclog.engine.settings import Journal as Journal
    from asynclog.errors import AmbiguousSeries as AmbiguousSeries
    from asynclog.errors import ArtifactNotFound as ArtifactNotFound
    from asynclog.errors import AsynclogError as AsynclogError
    from asynclog.errors import DamagedArtifact as DamagedArtifact
    from asynclog.errors import InvalidConfiguration as InvalidConfiguration
    from asynclog.errors import InvalidValue as InvalidValue
    from asynclog.errors import LoggerClosed as LoggerClosed
    from asynclog.errors import RecorderError as RecorderError
    from asynclog.errors import RunError as RunError
    from asynclog.errors import RunInUse as RunInUse
    from asynclog.errors import RunNotFound as RunNotFound
    from asynclog.errors import RunNotLive as RunNotLive
    from asynclog.errors import RunUnwritable as RunUnwritable
    from asynclog.errors import SeriesNotFound as SeriesNotFound
    from asynclog.errors import SinkError as SinkError
    from asynclog.errors import SinkRejected as SinkRejected
    from asynclog.errors import SinkUnavailable as SinkUnavailable
    from asynclog.errors import WouldBlock as WouldBlock
    from asynclog.flow.limit import RateLimit as RateLimit
    from asynclog.flow.route import Route as Route
    from asynclog.logger.capturing.settings import Capture as Capture
    from asynclog.logger.multi import MultiLogger as MultiLogger
    from asynclog.readers import Report as Report
    from asynclog.readers import Run as Run
    from asynclog.readers import Series as Series
    from asynclog.readers import Synced as Synced
    from asynclog.readers import attach as attach
    from asynclog.readers import follow as follow
    from asynclog.readers import read as read
    from asynclog.readers import repair as repair
    from asynclog.readers import sync as sync
    from asynclog.readers import verify as verify
    from asynclog.sink import BaseSink as BaseSink
    from asynclog.sink import Batch as Batch
    from asynclog.sink import Column as Column
    from asynclog.sink import Event as Event
    from asynclog.sink import RunInfo as RunInfo
    from asynclog.sink import Sink as Sink
    from asynclog.sink import Write as Write
    from asynclog.state import State as State
    from asynclog.values import Artifact as Artifact
    from asynclog.values import Audio as Audio
    from asynclog.values import Config as Config
    from asynclog.values import Histogram as Histogram
    from asynclog.values import Hook as Hook
    from asynclog.values import Image as Image
    from asynclog.values import Mesh as Mesh
    from asynclog.values import PointCloud as PointCloud
    from asynclog.values import Record as Record
    from asynclog.values import Rollout as Rollout
    from asynclog.values import Spectrogram as Spectrogram
    from asynclog.values import Table as Table
    from asynclog.values import Tensor as Tensor
    from asynclog.values import Video as Video

__version__ = "0.1.0"

_HOMES = {
    "asynclog.artifacts.settings": ("Artifacts",),
    "asynclog.artifacts.stored": ("StoredArtifact",),
    "asynclog.config": ("from_config",),
    "asynclog.engine.settings": ("Journal",),
    "asynclog.errors": (
        "AmbiguousSeries",
        "ArtifactNotFound",
        "AsynclogError",
        "DamagedArtifact",
        "InvalidConfiguration",
        "InvalidValue",
        "LoggerClosed",
        "RecorderError",
        "RunError",
        "RunInUse",
        "RunNotFound",
        "RunNotLive",
        "RunUnwritable",
        "SeriesNotFound",
        "SinkError",
        "SinkRejected",
        "SinkUnavailable",
        "WouldBlock",
    ),
    "asynclog.flow.limit": ("RateLimit",),
    "asynclog.flow.route": ("Route",),
    "asynclog.logger.capturing.settings": ("Capture",),
    "asynclog.logger.multi": ("MultiLogger",),
    "asynclog.readers": ("Report", "Run", "Series", "Synced", "attach", "follow", "read", "repair", "sync", "verify"),
    "asynclog.sink": ("BaseSink", "Batch", "Column", "Event", "RunInfo", "Sink", "Write"),
    "asynclog.state": ("State",),
    "asynclog.values": (
        "Artifact",
        "Audio",
        "Config",
        "Histogram",
        "Hook",
        "Image",
        "Mesh",
        "PointCloud",
        "Record",
        "Rollout",
        "Spectrogram",
        "Table",
        "Tensor",
        "Video",
    ),
}
_MODULES = ("config", "errors", "routines", "sinks")
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted([*_HOME_OF, *_MODULES])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"asynclog.{name}")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'asynclog' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return __all__

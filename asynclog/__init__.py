"""asynclog: an asyncio event-streaming logger for machine learning. ``import asynclog as al``.

Names load when they are used, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynclog import sinks as sinks
    from asynclog.engine.settings import Journal as Journal
    from asynclog.errors import AsynclogError as AsynclogError
    from asynclog.errors import InvalidValue as InvalidValue
    from asynclog.errors import LoggerClosed as LoggerClosed
    from asynclog.errors import SinkError as SinkError
    from asynclog.errors import SinkRejected as SinkRejected
    from asynclog.errors import SinkUnavailable as SinkUnavailable
    from asynclog.errors import WouldBlock as WouldBlock
    from asynclog.flow.limit import RateLimit as RateLimit
    from asynclog.flow.route import Route as Route
    from asynclog.logger.multi import MultiLogger as MultiLogger
    from asynclog.readers import follow as follow
    from asynclog.readers import read as read
    from asynclog.sink import BaseSink as BaseSink
    from asynclog.sink import Batch as Batch
    from asynclog.sink import Event as Event
    from asynclog.sink import RunInfo as RunInfo
    from asynclog.sink import Sink as Sink
    from asynclog.state import State as State
    from asynclog.values import Audio as Audio
    from asynclog.values import Histogram as Histogram
    from asynclog.values import Image as Image
    from asynclog.values import PointCloud as PointCloud
    from asynclog.values import Tensor as Tensor
    from asynclog.values import Video as Video

__version__ = "0.1.0"

_HOMES = {
    "asynclog.engine.settings": ("Journal",),
    "asynclog.errors": (
        "AsynclogError",
        "InvalidValue",
        "LoggerClosed",
        "SinkError",
        "SinkRejected",
        "SinkUnavailable",
        "WouldBlock",
    ),
    "asynclog.flow.limit": ("RateLimit",),
    "asynclog.flow.route": ("Route",),
    "asynclog.logger.multi": ("MultiLogger",),
    "asynclog.readers": ("follow", "read"),
    "asynclog.sink": ("BaseSink", "Batch", "Event", "RunInfo", "Sink"),
    "asynclog.state": ("State",),
    "asynclog.values": ("Audio", "Histogram", "Image", "PointCloud", "Tensor", "Video"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted([*_HOME_OF, "sinks"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name == "sinks":
        return import_module("asynclog.sinks")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'asynclog' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return __all__

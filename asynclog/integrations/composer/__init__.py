"""For MosaicML Composer, both ways round.

AsynclogLogger          a Composer ``LoggerDestination``: ``Trainer(…, loggers=[AsynclogLogger("runs/digits")])``
DestinationSink         a sink that an existing ``LoggerDestination`` of anybody's serves: ``sinks=[DestinationSink(theirs)]``

LogLevel                FIT, EPOCH, BATCH, for destinations written for Composer up to 0.8
Recording               what AsynclogLogger does, without Composer's base class

The first needs Composer when it is named; the others need nothing.
"""

from typing import TYPE_CHECKING, Any

from asynclog.integrations.composer.hosting import DestinationSink
from asynclog.integrations.composer.levels import LogLevel
from asynclog.integrations.composer.recording import Recording

if TYPE_CHECKING:
    from asynclog.integrations.composer.destination import AsynclogLogger

__all__ = ["AsynclogLogger", "DestinationSink", "LogLevel", "Recording"]


def __getattr__(name: str) -> Any:
    if name != "AsynclogLogger":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from asynclog.integrations.composer.destination import AsynclogLogger

    return AsynclogLogger

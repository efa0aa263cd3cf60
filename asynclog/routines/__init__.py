"""What a training loop does with a logger.

capture        what a program says beside its logger: prints, log records, environment, machine
LogHandler     records of the standard library's loggers
"""

from asynclog.logger.capturing.logs import LogHandler
from asynclog.logger.capturing.settings import Capture
from asynclog.routines.capture import capture

__all__ = ["Capture", "LogHandler", "capture"]

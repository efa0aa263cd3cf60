"""What a training loop does with a logger.

Routines       what an iteration had, what an epoch came to: metric, image, hist, hparams, mesh, video, xls
Checkpoints    best and latest
Meters         mean, sum, min, max and ratio over all ranks
Tracker        to write one's own
capture        what a program says beside its logger: prints, log records, environment, machine
LogHandler     records of the standard library's loggers
"""

from asynclog.logger.capturing.logs import LogHandler
from asynclog.logger.capturing.settings import Capture
from asynclog.routines.capture import capture
from asynclog.routines.checkpoints import Checkpoints
from asynclog.routines.hparams import hyperparameters
from asynclog.routines.meters import Meters, Reduced
from asynclog.routines.metric import Ratio
from asynclog.routines.routines import Routines
from asynclog.routines.tracker import Epoch, Tracker

__all__ = [
    "Capture",
    "Checkpoints",
    "Epoch",
    "LogHandler",
    "Meters",
    "Ratio",
    "Reduced",
    "Routines",
    "Tracker",
    "capture",
    "hyperparameters",
]

"""Put in place of verl's own by being imported: ``VERL_USE_EXTERNAL_MODULES=asynclog.integrations.verl.plugin``, in the
environment of the trainer's actor, too.
"""

from importlib import import_module
from typing import Any

from asynclog.integrations.verl.generations import DapoFilteredRewardTableLogger, ValidationGenerationsLogger
from asynclog.integrations.verl.tracking import Tracking

_theirs: Any = import_module("verl.utils.tracking")
for _ours in (Tracking, ValidationGenerationsLogger, DapoFilteredRewardTableLogger):
    setattr(_theirs, _ours.__name__, _ours)

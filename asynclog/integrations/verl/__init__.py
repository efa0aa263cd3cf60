"""verl's trackers, recorded by asynclog. ``VERL_USE_EXTERNAL_MODULES=asynclog.integrations.verl.plugin`` is all that a training
needs; or name the classes yourself.
"""

from asynclog.integrations.verl.backend import Backend as Backend
from asynclog.integrations.verl.generations import DapoFilteredRewardTableLogger as DapoFilteredRewardTableLogger
from asynclog.integrations.verl.generations import ValidationGenerationsLogger as ValidationGenerationsLogger
from asynclog.integrations.verl.tracking import Tracking as Tracking

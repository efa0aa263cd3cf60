"""prime-rl's monitors, recorded: ``Monitor`` as in its ``monitors``, ``SyncMonitor`` as in its ``utils.monitor``."""

from asynclog.integrations.prime_rl.monitor import Monitor as Monitor
from asynclog.integrations.prime_rl.sync_monitor import SyncMonitor as SyncMonitor

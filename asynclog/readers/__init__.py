"""Reading runs back: whole, while they grow, and after they were damaged. Files are not trusted, and never written."""

from asynclog.readers.attach import attach
from asynclog.readers.follow import follow
from asynclog.readers.repair import repair
from asynclog.readers.run import Run, read
from asynclog.readers.series import Series
from asynclog.readers.sync import Synced, sync
from asynclog.readers.verify import Report, verify

__all__ = ["Report", "Run", "Series", "Synced", "attach", "follow", "read", "repair", "sync", "verify"]

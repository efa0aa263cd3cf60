"""Comet: a run as an offline archive, for ``comet upload``."""

from asynclog.sinks.comet.sink import Comet

__all__ = ["Comet"]

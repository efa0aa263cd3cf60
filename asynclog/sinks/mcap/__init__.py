"""MCAP: a recording that Foxglove plays."""

from asynclog.sinks.mcap.sink import MCAP

__all__ = ["MCAP"]

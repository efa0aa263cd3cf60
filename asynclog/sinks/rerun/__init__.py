"""Rerun: a recording for its viewer."""

from asynclog.sinks.rerun.sink import Rerun

__all__ = ["Rerun"]

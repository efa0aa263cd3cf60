"""Progress of the training, on a terminal or in lines."""

from asynclog.sinks.progress.sink import Progress

__all__ = ["Progress"]

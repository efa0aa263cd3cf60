"""Every value as a file that other programs open, and an index that says what each file is."""

from asynclog.sinks.files.sink import Files

__all__ = ["Files"]

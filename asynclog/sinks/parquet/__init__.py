"""All that is recorded as one long table, in Parquet."""

from asynclog.sinks.parquet.sink import Parquet

__all__ = ["Parquet"]

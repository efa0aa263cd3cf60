"""A run in formats that other programs read."""

from asynclog.readers.export.csv import export_csv
from asynclog.readers.export.jsonl import export_jsonl
from asynclog.readers.export.parquet import export_parquet, write_parquet
from asynclog.readers.export.sinks import Exported, export_through

__all__ = ["Exported", "export_csv", "export_jsonl", "export_parquet", "export_through", "write_parquet"]

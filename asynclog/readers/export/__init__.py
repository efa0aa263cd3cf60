"""A run in formats that other programs read."""

from asynclog.readers.export.csv import export_csv
from asynclog.readers.export.jsonl import export_jsonl
from asynclog.readers.export.parquet import export_parquet, write_parquet

__all__ = ["export_csv", "export_jsonl", "export_parquet", "write_parquet"]

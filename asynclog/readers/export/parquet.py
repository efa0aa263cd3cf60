"""Parquet in one file: the long table of ``asynclog.sinks.parquet``, a row group a million rows."""

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from asynclog.readers.run import Run
from asynclog.sinks.parquet.table import WRITING, arrow, schema, table_of
from asynclog.sinks.strict_json import json_text

if TYPE_CHECKING:
    import pyarrow as pa


def export_parquet(run: Run, file: BinaryIO, progress: Callable[[int], None] | None = None) -> int:
    """Write all of a run's numbers and events; gives their number. progress: called with how many were written so far, now
    and then. Raises ImportError naming the extra."""
    arrow()
    import pyarrow.parquet as pq

    count = 0
    with pq.ParquetWriter(file, schema(), **WRITING) as writer:
        for batch in run.batches():
            table = table_of(batch)
            writer.write_table(table, row_group_size=max(len(table), 1))
            count += len(table)
            if progress is not None:
                progress(count)
    return count


def write_parquet(table: "pa.Table", file: BinaryIO) -> None:
    """Write a table, compressed. Cells that are or hold mappings of no fields become JSON text: Parquet has no column for
    them."""
    import pyarrow as pa
    import pyarrow.parquet

    for at, field in enumerate(table.schema):
        if _has_no_fields(field.type):
            texts = [None if one is None else json_text(one) for one in table.column(at).to_pylist()]
            table = table.set_column(at, field.name, pa.array(texts, pa.string()))
    pyarrow.parquet.write_table(table, file, compression="zstd")


def _has_no_fields(kind: "pa.DataType") -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        return kind.num_fields == 0 or any(_has_no_fields(kind.field(at).type) for at in range(kind.num_fields))
    return types.is_list(kind) and _has_no_fields(kind.value_type)

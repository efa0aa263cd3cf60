"""Parquet: the long table of ``Run.to_arrow``, series by series, so that names take next to nothing."""

from typing import TYPE_CHECKING, BinaryIO

from asynclog.readers.run import Run
from asynclog.sinks.strict_json import json_text

if TYPE_CHECKING:
    import pyarrow as pa


def export_parquet(run: Run, file: BinaryIO) -> int:
    """Write all of a run's numbers and events; gives their number. Raises ImportError naming the extra."""
    table = run.to_arrow()
    write_parquet(table, file)
    return int(table.num_rows)


def write_parquet(table: "pa.Table", file: BinaryIO) -> None:
    """Write a run's table, compressed. Cells that are or hold mappings of no fields become JSON text: Parquet has no column
    for them."""
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

"""Parquet: the long table of ``Run.to_arrow``, series by series, so that names take next to nothing."""

from typing import TYPE_CHECKING, BinaryIO

from asynclog.readers.run import Run

if TYPE_CHECKING:
    import pyarrow as pa


def export_parquet(run: Run, file: BinaryIO) -> int:
    """Write all of a run's numbers and events; gives their number. Raises ImportError naming the extra."""
    table = run.to_arrow()
    write_parquet(table, file)
    return int(table.num_rows)


def write_parquet(table: "pa.Table", file: BinaryIO) -> None:
    """Write a run's table, compressed."""
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, file, compression="zstd")

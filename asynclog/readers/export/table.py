"""All rows of a table as a file that other programs open: CSV, Parquet, JSON or HTML, written piece by piece."""

import csv
import io
from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files
from typing import Any, BinaryIO, Final

from asynclog.errors import AsynclogError, InvalidValue
from asynclog.readers.export.markup import escape
from asynclog.readers.export.parquet import write_parquet
from asynclog.readers.joined import JoinedTable
from asynclog.sinks.strict_json import json_text

Write = Callable[[JoinedTable, BinaryIO], None]


def write_table(table: JoinedTable, file: BinaryIO, suffix: str) -> None:
    """Write all rows as the file that ``suffix`` (".csv") names. Raises InvalidValue, naming those that there are; ImportError
    naming the extra."""
    writer_of(suffix)(table, file)


def writer_of(suffix: str) -> Write:
    """What writes such a file. Raises InvalidValue."""
    write = TABLE_WRITERS.get(suffix.lower())
    if write is None:
        expected = f"one of the files that show it: {', '.join(TABLE_WRITERS)}"
        raise InvalidValue(kind="table", expected=expected, got=suffix or "no suffix")
    return partial(_written, write, suffix.lower())


def _written(write: Write, suffix: str, table: JoinedTable, file: BinaryIO) -> None:
    """Whatever a library has against the cells becomes an InvalidValue that names the other files; a full disk stays one."""
    try:
        write(table, file)
    except (AsynclogError, ImportError, OSError):
        raise
    except Exception as error:
        others = ", ".join(one for one in TABLE_WRITERS if one != suffix)
        why = f"{suffix}, which can't: {' '.join(str(error).split()) or type(error).__name__}"
        raise InvalidValue(kind="table", expected=f"a file that can hold it: {others}", got=why) from error


def _csv(table: JoinedTable, file: BinaryIO) -> None:
    """Nothing where there is nothing; lists and mappings as JSON."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(table.columns)
    for row in table:
        writer.writerow([json_text(one) if isinstance(one, list | Mapping) else one for one in row])
    text.detach()


def _parquet(table: JoinedTable, file: BinaryIO) -> None:
    write_parquet(table.to_arrow(), file)


def _json(table: JoinedTable, file: BinaryIO) -> None:
    """A list of objects, a row a line."""
    between = "[\n"
    for row in table:
        file.write(f"{between}{json_text(dict(zip(table.columns, row, strict=True)))}".encode())
        between = ",\n"
    file.write(b"\n]\n" if between == ",\n" else b"[]\n")


def _html(table: JoinedTable, file: BinaryIO) -> None:
    """A page that fetches nothing and has no script; every text in it is escaped."""
    style = files("asynclog.readers.export").joinpath("page.css").read_text(encoding="utf-8")
    name = escape(table.name)
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    about = f"{len(table):,} rows, phase {escape(table.phase)}"
    start = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">""",
        f'<meta name="viewport" content="width=device-width">\n<title>{name}</title>\n<style>{style}</style>\n</head>\n<body>',
        f"<header><h1>{name}</h1><p>{about}</p></header>\n<main><table><thead><tr>{head}</tr></thead>\n<tbody>\n",
    ]
    file.write("\n".join(start).encode("utf-8", "backslashreplace"))
    for row in table:
        line = f"<tr>{''.join(map(_cell, row))}</tr>\n"
        file.write(line.encode("utf-8", "backslashreplace"))
    file.write(b"</tbody></table></main>\n</body>\n</html>\n")


def _cell(value: Any) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td class="number">{value}</td>'
    return f"<td>{escape(value if isinstance(value, str) else json_text(value))}</td>"


TABLE_WRITERS: Final[Mapping[str, Write]] = {".csv": _csv, ".parquet": _parquet, ".json": _json, ".html": _html}
"""By suffix, the customary one first."""

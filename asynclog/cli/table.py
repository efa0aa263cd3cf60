"""A table in a terminal, or as a file: all that was ever added to it, whichever write recorded it."""

from pathlib import Path
from typing import Any, Final

from rich.table import Table as Grid
from rich.text import Text

from asynclog.cli.screen import errors, safe, screen
from asynclog.cli.target import binary_target, refuse
from asynclog.cli.words import count, number, size
from asynclog.readers import Run
from asynclog.readers.export.table import TABLE_WRITERS, writer_of
from asynclog.readers.joined import JoinedTable
from asynclog.sinks.strict_json import json_text

_LAST_ROWS: Final = 20
_LONGEST_CELL: Final = 60
_LONGEST_NAME: Final = 30
_LONGEST_PATH: Final = 120


def show_table(run: Run, key: str, step: int | None, phase: str | None, save: Path | None, force: bool) -> None:
    """The table of this key, or "namespace/key". step: only the rows of this one. Raises AmbiguousSeries."""
    found = run.table(key, phase=phase)
    table = found if step is None else found.at_step(step)
    if save is None:
        _print(table)
        return
    write = writer_of(save.suffix)
    refuse(save, force)
    with binary_target(save) as file:
        write(table, file)
    errors.print(Text(f"{count(len(table), 'row')}, {size(save.stat().st_size)} written to {save}"))


def _print(table: JoinedTable) -> None:
    steps = ""
    if len(table):
        low, high = int(table.step.min()), int(table.step.max())
        steps = f" · step {low:,}" if low == high else f" · steps {low:,} to {high:,}"
    told = f"  {count(len(table), 'row')} in {count(table.writes, 'write')}{steps}"
    screen.print(Text.assemble((safe(table.name, _LONGEST_PATH), "bold"), "  ", safe(table.phase, 20), (told, "dim")))
    first = max(len(table) - _LAST_ROWS, 0)
    if first:
        screen.print(Text(f"the last {_LAST_ROWS}:", "dim"))
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    grid.add_column("step", justify="right", no_wrap=True, style="dim")
    for name in table.columns:
        numeric = table[name].dtype.kind in "if"
        grid.add_column(Text(safe(name, _LONGEST_NAME)), justify="right" if numeric else "left", overflow="fold")
    for step, row in zip(table.step[first:].tolist(), table.rows(first), strict=True):
        grid.add_row(f"{step:,}", *(Text(_cell(one)) for one in row))
    screen.print(grid)
    screen.print(Text(f"--save FILE writes all rows: {', '.join(TABLE_WRITERS)}", "dim"))


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    return safe(value if isinstance(value, str) else json_text(value), _LONGEST_CELL)

"""Results as a table on the terminal, as Markdown, and as JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.figures import Figure

Results = Mapping[str, Sequence[Figure]]

HEADINGS = ("what", "measured", "bar", "", "of")


def shown(value: float) -> str:
    """Four digits are more than the machine's noise deserves; whole counts stay whole."""
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e12 else f"{value:,.3g}"


def cells(figure: Figure) -> tuple[str, str, str, str, str]:
    """One row of the table, as text."""
    bar = "" if figure.bar is None else str(figure.bar)
    return figure.what, f"{shown(figure.value)} {figure.unit}", bar, figure.verdict, figure.detail


def print_table(name: str, figures: Sequence[Figure]) -> None:
    """A workload's figures: a rich table where rich is installed, else aligned columns."""
    rows = [cells(figure) for figure in figures]
    if find_spec("rich") is None:
        widths = [max(len(row[i]) for row in [HEADINGS, *rows]) for i in range(len(HEADINGS))]
        print(f"\n{name}")
        for row in [HEADINGS, *rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=name, title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading)
    styles = {"ok": "green", "missed": "bold red", "": ""}
    for row in rows:
        table.add_row(*row[:3], Text(row[3], style=styles[row[3]]), row[4])
    # Piped output has no width of its own, and rich would fold every cell at 80 columns.
    Console(width=None if sys.stdout.isatty() else 190).print(table)


def markdown(machine: Mapping[str, Any], date: str, results: Results) -> str:
    """The whole run as a Markdown page."""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    lines = [
        "# Benchmark",
        "",
        (
            f"{date}, {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
            f"{machine['python']}; {packages}."
        ),
        "",
        "Both sides of a ratio ran alternately in this one run; a ratio is the median over the pairs.",
    ]
    for name, figures in results.items():
        lines += ["", f"## {name}", "", f"| {' | '.join(HEADINGS)} |", "| --- | ---: | ---: | --- | --- |"]
        lines += [f"| {' | '.join(cells(figure))} |" for figure in figures]
    return "\n".join(lines) + "\n"


def write_json(path: Path, machine: Mapping[str, Any], date: str, results: Results) -> None:
    """Everything that was measured, raw samples included."""
    workloads = {
        name: [asdict(figure) | {"verdict": figure.verdict} for figure in figures] for name, figures in results.items()
    }
    path.write_text(json.dumps({"date": date, "machine": machine, "workloads": workloads}, indent=1) + "\n")

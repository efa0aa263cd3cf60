"""``asynclog config``: what a configuration would make, or all that is wrong with it; and what one may say."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from asynclog.cli.ending import TROUBLE, ends_well
from asynclog.cli.screen import WHOLE, errors, print_json, safe, screen
from asynclog.cli.words import count, size
from asynclog.config import schema as schema_of
from asynclog.config.planned import Plan, Planned, planned

config: Final = typer.Typer(help="Check a configuration, or see what one may say.", no_args_is_help=True)

_LONGEST: Final = 80


@config.command()
@ends_well
def check(
    file: Annotated[Path, typer.Argument(help="The YAML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON object.")] = False,
) -> None:
    """Say what a configuration would make. Modules that it names are imported and its sinks made; nothing is opened. Exit
    code 2: it is wrong, and each error is said with file, line and key.
    """
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        # As for a script that lies here: the file may name modules of the user's.
        sys.path.insert(0, str(Path.cwd()))
    plan = planned(file)
    if as_json:
        print_json({"errors": plan.errors} if plan.errors else plan.as_plain())
    elif plan.errors:
        for line in plan.errors:
            errors.print(Text.assemble(("error: ", "bold red"), safe(line, WHOLE)), soft_wrap=True)
    else:
        _print(plan)
    if plan.errors:
        raise typer.Exit(TROUBLE)


@config.command()
@ends_well
def schema() -> None:
    """The JSON schema of a configuration, for editors."""
    print_json(schema_of())


def _print(plan: Plan) -> None:
    for name, told in (
        ("run", plan.run or "none: values go to the sinks alone"),
        ("writer", plan.writer),
        ("recorder", plan.recorder),
        ("limit", plan.limit),
        ("journal", plan.journal),
        ("memory", f"{size(plan.slabs)} at most"),
        ("settings", count(plan.settings, "setting") if plan.settings else "none"),
    ):
        screen.print(Text.assemble((f"{name:<10}", "dim"), safe(told, _LONGEST * 2)), soft_wrap=True)
    if plan.routes:
        screen.print()
        screen.print(_table(plan.routes))


def _table(routes: list[Planned]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("route", "sink", "runs in", "limit", "gets", "overflow"):
        table.add_column(name, no_wrap=name == "route")
    for one in routes:
        table.add_row(
            *(Text(safe(told, _LONGEST)) for told in (one.name, one.sink, one.runs_in, one.limit, one.gets, one.overflow))
        )
    return table

"""``asynclog artifacts``: the files and directories that a run keeps, and copies of them."""

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from asynclog.artifacts.layout import FOLDER, names
from asynclog.artifacts.stored import StoredArtifact, all_artifacts, one_artifact
from asynclog.cli.ending import ends_well
from asynclog.cli.screen import errors, print_json, safe, screen
from asynclog.cli.words import size
from asynclog.encoding.artifact import artifact_facts
from asynclog.readers.directory import run_directory

_VERSION: Final = re.compile(r"(.+):v?(\d+)")
_SHORT: Final = 12


class _Listing(TyperGroup):
    """``artifacts RUN`` is ``artifacts ls RUN``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = not args or args[0] in self.commands or args[0].startswith("-")
        return super().parse_args(ctx, args if known else ["ls", *args])


artifacts: Final = typer.Typer(cls=_Listing, help="List the artifacts of a run, or get one out of it.", no_args_is_help=True)


@artifacts.command("ls")
@ends_well
def listed(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    every: Annotated[bool, typer.Option("--all", help="Every version, not the newest alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a version.")] = False,
) -> None:
    """List a run's artifacts: name, version, size, step, digest."""
    found = all_artifacts(run_directory(run))
    if not every:
        found = list({one.name: one for one in found}.values())
    if as_json:
        for one in found:
            print_json({**artifact_facts(one.value), "step": one.step, "phase": one.phase, "dropped": one.dropped})
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("name")
    for name in ("version", "size", "files", "step"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("sha256", no_wrap=True, style="dim")
    for one in found:
        table.add_row(Text(safe(one.name)), f"v{one.version}", *_measures(one), f"{one.step:,}", _identity(one))
    screen.print(table)


def _measures(one: StoredArtifact) -> tuple[str, str]:
    if one.target is not None:
        return "", ""
    return size(one.size_bytes), "" if one.value.files is None else f"{one.value.files:,}"


def _identity(one: StoredArtifact) -> Text:
    if one.target is not None:
        return Text(f"→ {safe(one.target)}")
    return Text("dropped" if one.dropped else one.digest[:_SHORT])


@artifacts.command("get")
@ends_well
def fetched(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    artifact: Annotated[str, typer.Argument(metavar="NAME[:VERSION]", help="The newest version, or this one.")],
    to: Annotated[Path, typer.Argument(help="Where nothing is yet, or a directory to put it in.")] = Path(),
) -> None:
    """Copy an artifact out of a run, its digest checked."""
    directory = run_directory(run)
    versioned = _VERSION.fullmatch(artifact)
    # A name may end as a version does.
    if versioned is None or artifact in names(directory / FOLDER):
        stored = one_artifact(directory, artifact)
    else:
        stored = one_artifact(directory, versioned[1], int(versioned[2]))
    where = stored.download(to)
    errors.print(Text(f"{stored.value.label}, {size(stored.size_bytes)}, written to {where}"), soft_wrap=True)

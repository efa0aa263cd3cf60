"""Shell completion: the keys of the run that stands before on the line."""

from pathlib import Path

import typer

from asynclog.errors import AsynclogError
from asynclog.readers import read


def keys_of(context: typer.Context, incomplete: str) -> list[str]:
    """The run's keys that begin as what was typed; none for a directory that is no run."""
    run = context.params.get("run")
    try:
        found = {one.key for one in read(Path(str(run))).keys()}  # noqa: SIM118 (a Run is no mapping)
    except (AsynclogError, OSError):
        return []
    return sorted(key for key in found if key.startswith(incomplete))

"""An artifact of the run's as one of W&B's, which has versions of its own."""

import re
from pathlib import Path
from typing import Any, Final

from asynclog.artifacts.stored import one_artifact
from asynclog.errors import ArtifactNotFound, DamagedArtifact, SinkRejected
from asynclog.values.artifact import Artifact

_LONGEST: Final = 128
"""Characters of a name there."""


def log_kept(run: Any, directory: Path | None, value: Artifact) -> None:
    """Raises SinkRejected for a symlink, and for what the run lacks. W&B copies the files before this returns."""
    import wandb

    if value.target is not None:
        raise SinkRejected("W&B has no place for a symlink to an artifact")
    if directory is None:
        raise SinkRejected("an artifact of a run without a directory has no bytes")
    metadata = {**value.metadata, "asynclog": {"name": value.name, "version": value.version, "sha256": value.digest}}
    made = wandb.Artifact(artifact_name(value.name), type="artifact", metadata=metadata)
    try:
        stored = one_artifact(directory, value.name, value.version)
        files = {value.name.rpartition("/")[2]: stored.path} if value.files is None else stored.files
    except (ArtifactNotFound, DamagedArtifact) as error:
        raise SinkRejected(f"the run lacks what was logged: {error}") from error
    for path, content in files.items():
        made.add_file(str(content), name=path)
    run.log_artifact(made)


def artifact_name(name: str) -> str:
    """Letters, digits, ".", "_" and "-", of a name that may have others."""
    return re.sub(r"[^A-Za-z0-9._-]", ".", name)[-_LONGEST:]

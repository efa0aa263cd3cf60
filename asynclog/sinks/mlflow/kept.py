"""An artifact of the run's as one of MLflow's: its files under ``artifacts/<name>``, the newest version's."""

from pathlib import Path
from typing import TYPE_CHECKING

from asynclog.artifacts.stored import one_artifact
from asynclog.errors import ArtifactNotFound, DamagedArtifact, SinkRejected
from asynclog.values.artifact import Artifact

if TYPE_CHECKING:
    from mlflow import MlflowClient

_FOLDER = "artifacts"


def upload_kept(client: "MlflowClient", run_id: str, directory: Path | None, value: Artifact, scratch: Path) -> None:
    """Raises SinkRejected for a symlink, and for what the run lacks. scratch: a folder for names: MLflow takes a file's own."""
    if value.target is not None:
        raise SinkRejected("MLflow has no place for a symlink to an artifact")
    if directory is None:
        raise SinkRejected("an artifact of a run without a directory has no bytes")
    place, _, name = f"{_FOLDER}/{value.name}".rpartition("/")
    try:
        stored = one_artifact(directory, value.name, value.version)
        if value.files is None:
            link = scratch / name
            link.symlink_to(stored.path)
            client.log_artifact(run_id, str(link), place)
            link.unlink()
            return
        for path, content in stored.files.items():
            link = scratch / _FOLDER / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(content)
    except (ArtifactNotFound, DamagedArtifact) as error:
        raise SinkRejected(f"the run lacks what was logged: {error}") from error
    client.log_artifacts(run_id, str(scratch / _FOLDER), f"{_FOLDER}/{value.name}")

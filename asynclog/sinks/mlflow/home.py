"""Where a run is at home in MLflow: found again by a tag, or made.

MLflow gives runs their ids, so ours stands in a tag. Two processes may look at one moment, find nothing, and both make a run:
each looks again then, the run that was begun first stays, and who made another deletes its own.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN_TAG: Final = "asynclog.run_id"
RANK_TAG: Final = "asynclog.rank"
_PARENT_TAG: Final = "mlflow.parentRunId"


class Home:
    """One run of ours, in one experiment. rank: above 0 it is a child of rank 0's run."""

    def __init__(self, client: "MlflowClient", experiment_id: str, run_id: str, name: str | None, rank: int) -> None:
        self._client, self._experiment_id = client, experiment_id
        self._run_id, self._name, self._rank = run_id, name, rank

    def find(self) -> Any:
        """MLflow's run, or None."""
        return self._found(self._rank)

    def make(self, start_ms: int, tags: Mapping[str, str]) -> Any:
        """MLflow's run, begun at ``start_ms``; its parent too, if it should have one and that is not there."""
        if not self._rank:
            return self._made(0, start_ms, tags, self._name)
        parent = self._found(0) or self._made(0, start_ms, {}, self._name)
        family = {**tags, _PARENT_TAG: parent.info.run_id}
        return self._made(self._rank, start_ms, family, f"{self._name or ''} rank {self._rank}".lstrip())

    def _found(self, rank: int) -> Any:
        quoted = self._run_id.replace("'", "''")
        query = f"tags.`{RUN_TAG}` = '{quoted}' AND tags.`{RANK_TAG}` = '{rank}'"
        found = self._client.search_runs([self._experiment_id], query, max_results=1, order_by=["attributes.start_time ASC"])
        return found[0] if found else None

    def _made(self, rank: int, start_ms: int, tags: Mapping[str, str], name: str | None) -> Any:
        own = {**tags, RUN_TAG: self._run_id, RANK_TAG: str(rank)}
        made = self._client.create_run(self._experiment_id, start_ms, own, name)
        first = self._found(rank)
        if first is None or first.info.run_id == made.info.run_id:
            return made
        self._client.delete_run(made.info.run_id)
        return first


def experiment_id(client: "MlflowClient", name: str, artifact_location: str | None) -> str:
    """The experiment of that name, made if there is none. artifact_location: of one that is made."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, artifact_location))
    except MlflowException:
        # Another process was quicker.
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)

"""Where a run is at home in MLflow: found again by a tag, or made.

MLflow gives runs their ids, so ours stands in a tag, and so does when it was made. Two processes may look at one moment, find
nothing, and both make a run: each looks again then, the one that was made first stays, and who made another deletes its own.
"""

from collections.abc import Mapping
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN_TAG: Final = "asynclog.run_id"
RANK_TAG: Final = "asynclog.rank"
_MADE_TAG: Final = "asynclog.made_at_ns"
_PARENT_TAG: Final = "mlflow.parentRunId"


class Home:
    """One run of ours, in one experiment. rank: above 0 it is a child of rank 0's run, as soon as there is that."""

    def __init__(self, client: "MlflowClient", experiment_id: str, run_id: str, name: str | None, rank: int) -> None:
        self._client, self._experiment_id = client, experiment_id
        self._run_id, self._name, self._rank = run_id, name, rank
        self._adopted = not rank

    def find(self) -> Any:
        """MLflow's run, or None."""
        return self._first(self._rank)

    def make(self, start_ms: int, tags: Mapping[str, str]) -> Any:
        """MLflow's run, begun at ``start_ms``."""
        name = f"{self._name or ''} rank {self._rank}".lstrip() if self._rank else self._name
        own = {**tags, RUN_TAG: self._run_id, RANK_TAG: str(self._rank), _MADE_TAG: str(time_ns())}
        made = self._client.create_run(self._experiment_id, start_ms, own, name)
        first = self._first(self._rank)
        if first is None or first.info.run_id == made.info.run_id:
            return made
        self._client.delete_run(made.info.run_id)
        return first

    def adopt(self, child_id: str) -> None:
        """Put the run below rank 0's, if that is there by now."""
        if self._adopted:
            return
        parent = self._first(0)
        if parent is not None:
            self._client.set_tag(child_id, _PARENT_TAG, parent.info.run_id, synchronous=True)
            self._adopted = True

    def _first(self, rank: int) -> Any:
        """The one that was made before the others, if there are any."""
        quoted = self._run_id.replace("'", "''")
        query = f"tags.`{RUN_TAG}` = '{quoted}' AND tags.`{RANK_TAG}` = '{rank}'"
        found = self._client.search_runs([self._experiment_id], query)
        return min(found, key=lambda one: (int(one.data.tags.get(_MADE_TAG, "0")), one.info.run_id), default=None)


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

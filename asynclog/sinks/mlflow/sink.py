"""The sink: what a run says, in a run of MLflow's.

Numbers go a thousand at a call, as many as MLflow takes. Each of its stores in a database keeps (name, time in milliseconds,
step, value) once, so that numbers may be delivered again; artifacts are named by what they hold, and parameters that are there
stay. Nothing else is kept anywhere.
"""

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import TYPE_CHECKING, Any, ClassVar, Final

from asynclog.errors import InvalidValue, SinkRejected
from asynclog.sink import Batch, Event, Place, RunInfo, Write
from asynclog.sinks.mlflow.answers import require_mlflow, translated
from asynclog.sinks.mlflow.artifacts import Artifact, Identity, artifacts_of
from asynclog.sinks.mlflow.home import Home, experiment_id
from asynclog.sinks.mlflow.kept import upload_kept
from asynclog.sinks.mlflow.names import MetricNames
from asynclog.sinks.mlflow.settings import Parameters, tag_text
from asynclog.sinks.naming import flat_name
from asynclog.values import Artifact as Kept

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

_A_CALL: Final = 1000
"""Metrics that MLflow takes in one call."""
_STATUSES: Final = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED", "exited": "FAILED"}
_AXES: Final = "x-axes"
"""Begins the names of what is an axis. No phase is called so, and on MLflow's pages it comes behind them."""
_ERROR_TAG: Final = "asynclog.error"
_PICTURES_TAG: Final = "mlflow.loggedImages"
_TABLES_TAG: Final = "mlflow.loggedArtifacts"
_TABLES_LONGEST: Final = 8000


class MLflow:
    """A run in MLflow: metrics, parameters, tags and artifacts. Needs the extra ``mlflow``.

    tracking_uri: a server ("http://…") or a database ("sqlite:///mlflow.db"); None: as MLflow has it, from
    MLFLOW_TRACKING_URI or its default. experiment: its name; None: MLFLOW_EXPERIMENT_NAME, or "Default". name: of the run;
    None: this run's. tags: set on the run. artifact_location: where artifacts of an experiment go that isn't there yet.

    The run is found again by its tag ``asynclog.run_id``. Rank n > 0 has a run of its own, a child of rank 0's.

    Raises InvalidConfiguration on opening if mlflow isn't installed.
    """

    default_place: ClassVar[Place] = "process"

    def __init__(
        self,
        tracking_uri: str | None = None,
        *,
        experiment: str | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        artifact_location: str | None = None,
    ) -> None:
        self.tracking_uri, self.experiment, self.name = tracking_uri, experiment, name
        self.tags, self.artifact_location = dict(tags or {}), artifact_location
        self._client: MlflowClient | None = None
        self._directory: Path | None = None
        self._home: Home | None = None
        self._run_id = ""
        self._parameters = Parameters({})
        self._names = MetricNames()
        self._tables: list[dict[str, str]] = []
        self._pictured = False
        self._latest_ms: int | None = None
        """Of the last event delivered here, or when the run is known to have ended: when it ended, if it has."""

    async def open(self, run: RunInfo) -> None:
        require_mlflow()
        self._directory = run.directory
        import mlflow

        # Whoever runs this sink tries again for as long as it takes; MLflow's own seven tries are minutes of silence.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        with translated("when the run is looked for"):
            self._client = mlflow.MlflowClient(tracking_uri=self.tracking_uri)
            called = self.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "Default"
            experiment = experiment_id(self._client, called, self.artifact_location)
            # A run without a directory has no id, and nobody will look for it again.
            run_id, name = run.id or token_hex(8), self.name or run.name or None
            self._home = Home(self._client, experiment, run_id, name, run.rank)
            found = self._home.find()
            if found is not None:
                self._enter(found)

    async def write(self, batch: Batch, /) -> None:
        metrics: list[Metric] = []
        others: list[Event] = []
        first_ms: int | None = None
        for one in batch.writes():
            at_ms = one.time_ns // 1_000_000
            first_ms = at_ms if first_ms is None else first_ms
            self._latest_ms = max(self._latest_ms or 0, at_ms)
            metrics.extend(self._metrics(one, at_ms))
            others.extend(event for event in one.events if event.kind != "scalar")
        if first_ms is None:
            return
        with translated("when the run is begun"):
            self._begin(first_ms)
        rest = iter(metrics)
        while call := list(islice(rest, _A_CALL)):
            with translated("with metrics"):
                self._opened.log_batch(self._run_id, metrics=call, synchronous=True)
        self._write_others(batch, others)

    async def run_ended(self, status: str, error: str | None) -> None:
        with translated("when the run is ended"):
            ended_ms = self._latest_ms or int(time.time() * 1000)
            self._begin(ended_ms)
            if error:
                self._opened.set_tag(self._run_id, _ERROR_TAG, tag_text(error), synchronous=True)
            self._opened.set_terminated(self._run_id, _STATUSES[status], ended_ms)

    async def aclose(self) -> None:
        """Nothing to let go of: every call has returned with its answer."""

    @property
    def _opened(self) -> "MlflowClient":
        assert self._client is not None, "open() comes first"
        return self._client

    def _begin(self, start_ms: int) -> None:
        """The run is there, and runs; of a rank, in its place."""
        assert self._home is not None, "open() comes first"
        if not self._run_id:
            self._enter(self._home.make(start_ms, self.tags))
        self._home.adopt(self._run_id)

    def _enter(self, run: Any) -> None:
        """Go on with what MLflow has of the run."""
        # An end that is told once more, with nothing left to deliver, is no later one.
        self._latest_ms = max(self._latest_ms or 0, run.info.end_time or 0) or None
        if run.info.status != "RUNNING":
            self._opened.update_run(run.info.run_id, status="RUNNING")
        self._parameters = Parameters(run.data.params)
        self._tables = json.loads(run.data.tags.get(_TABLES_TAG, "[]"))
        self._pictured = _PICTURES_TAG in run.data.tags
        self._run_id = run.info.run_id

    def _metrics(self, write: Write, at_ms: int) -> "Iterator[Metric]":
        """The write's numbers; and its axes and epoch as numbers of their own, whose names begin with no phase."""
        from mlflow.entities import Metric

        state = write.state
        for event in write.events:
            if event.kind == "scalar":
                name = self._names[event.phase, flat_name(event.namespace, event.key)]
                yield Metric(name, float(event.value), at_ms, event.step)
        for axis, position in state.axes.items():
            yield Metric(self._names[f"{_AXES}/{state.phase}", axis], float(position), at_ms, state.step)
        if state.epoch and "epoch" not in state.axes:
            yield Metric(self._names[f"{_AXES}/{state.phase}", "epoch"], float(state.epoch), at_ms, state.step)

    def _write_others(self, batch: Batch, events: list[Event]) -> None:
        seen: Counter[str] = Counter()
        with tempfile.TemporaryDirectory(prefix="asynclog-mlflow-") as directory:
            for event in events:
                try:
                    if event.kind == "config":
                        self._write_settings(event.value)
                    self._upload(Path(directory), batch, event, seen)
                except (InvalidValue, SinkRejected) as error:
                    batch.reject(str(error))

    def _upload(self, directory: Path, batch: Batch, event: Event, seen: "Counter[str]") -> None:
        if isinstance(event.value, Kept):
            with tempfile.TemporaryDirectory(dir=directory) as scratch, translated("with an artifact"):
                upload_kept(self._opened, self._run_id, self._directory, event.value, Path(scratch))
            return
        identity = Identity(batch.writer, event)
        made = list(artifacts_of(event, identity))
        # Equal values of one write: each has its own place.
        identity.repeat = seen[made[0].path]
        seen[made[0].path] += 1
        for artifact in artifacts_of(event, identity) if identity.repeat else made:
            path = PurePosixPath(artifact.path)
            local = directory / path.name
            local.write_bytes(artifact.content)
            with translated(f"with a {event.kind}"):
                self._opened.log_artifact(self._run_id, str(local), str(path.parent))
                self._tell_of(artifact)
            local.unlink()

    def _tell_of(self, artifact: Artifact) -> None:
        """MLflow looks for pictures and tables only where a tag says that there are any."""
        if artifact.picture and not self._pictured:
            self._opened.set_tag(self._run_id, _PICTURES_TAG, "True", synchronous=True)
            self._pictured = True
        entry = {"path": artifact.path, "type": "table"}
        if artifact.table and entry not in self._tables:
            tables = [*self._tables, entry]
            # A tag has an end; the latest tables stay in it.
            while len(json.dumps(tables)) > _TABLES_LONGEST:
                del tables[0]
            self._opened.set_tag(self._run_id, _TABLES_TAG, json.dumps(tables), synchronous=True)
            self._tables = tables

    def _write_settings(self, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param, RunTag

        parameters, tags = self._parameters.added(config)
        with translated("with settings"):
            self._opened.log_batch(
                self._run_id,
                params=[Param(name, text) for name, text in parameters.items()],
                tags=[RunTag(name, text) for name, text in tags.items()],
                synchronous=True,
            )
        self._parameters.keep(parameters)

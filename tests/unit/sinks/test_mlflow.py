"""What the MLflow sink makes of names, settings, tables and ends; how it says that MLflow is not there, or refuses."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("mlflow")

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.exceptions import RestException

from asynclog import Image, Mesh, State, Table
from asynclog.errors import SinkRejected, SinkUnavailable
from asynclog.sink import RunInfo
from asynclog.sinks import MLflow
from asynclog.sinks.mlflow.answers import translated
from asynclog.sinks.mlflow.home import Home
from asynclog.sinks.mlflow.names import image_key, metric_name
from asynclog.sinks.mlflow.settings import flattened
from asynclog.testing import batch_of
from tests.conformance.test_mlflow import empty_database, files, found_run, unescaped

pytestmark = [
    pytest.mark.blocking,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Place:
    """A database of MLflow's, and what is in it."""

    def __init__(self, directory: Path) -> None:
        shutil.copyfile(empty_database(), directory / "mlflow.db")
        self.uri = f"sqlite:///{directory / 'mlflow.db'}"
        self.location = (directory / "artifacts").as_uri()
        self.client = MlflowClient(self.uri)

    def sink(self, **options: Any) -> MLflow:
        return MLflow(self.uri, experiment="exam", artifact_location=self.location, **options)

    def deliver(self, *entries: Any, ended: str | None = None, error: str | None = None, rank: int = 0, **options: Any) -> Any:
        """Open, write, close; MLflow's run."""
        sink = self.sink(**options)

        async def delivery() -> Any:
            await sink.open(RunInfo("r1", "demo", None, f"w{rank}", 0, rank))
            batch = batch_of(entries)
            await sink.write(batch)
            if ended is not None:
                await sink.run_ended(ended, error)
            await sink.aclose()
            return batch

        self.batch = asyncio.run(delivery())
        return found_run(self.uri, "r1", rank=rank)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fitted", [metric_name, image_key])
@given(name=st.text(min_size=1, max_size=40))
def test_a_name_can_be_told_from_what_mlflow_has(fitted: Callable[[str], str], name: str) -> None:
    """So two names never become one; and MLflow's own checks take it."""
    from mlflow.utils.validation import _validate_metric_name

    found = fitted(f"train/{name}")
    _validate_metric_name(found)
    if len(found) < 120:
        assert unescaped(found) == f"train/{name}"


def test_long_names_are_cut_and_stay_apart() -> None:
    one, other = metric_name("train/" + "k" * 400 + "a"), metric_name("train/" + "k" * 400 + "b")
    assert len(one) == len(other) == 250
    assert one != other


def test_plain_names_stay_as_they_are() -> None:
    name = "train/net.0/conv-1_weight norm"
    assert metric_name(name) == image_key(name) == name
    assert metric_name("train/Genauigkeit der Größe") == "train/Genauigkeit der Größe"


# -- settings, tags, status --------------------------------------------------------------------------------------------


def test_settings_are_flat_parameters(place: Place) -> None:
    """In their words; long ones are cut, and whole in an artifact; more than a hundred go in several calls."""
    config = {
        "optimizer": {"name": "adam", "lr": 1e-3, "hooks": {}},
        "prompt": "x" * 9000,
        **{f"p{at}": at for at in range(250)},
    }
    run = place.deliver((State(0), {"": config}))
    found = run.data.params
    assert (found["optimizer.name"], found["optimizer.lr"], found["optimizer.hooks"]) == ("adam", "0.001", "{}")
    assert len(found) == 254
    assert (len(found["prompt"]), found["prompt"][-1]) == (6000, "…")
    (path,) = files(place.client, run.info.run_id)
    whole = json.loads((Path(run.info.artifact_uri.removeprefix("file://")) / path).read_text())
    assert whole == config


def test_a_setting_that_changes_keeps_its_first_parameter(place: Place) -> None:
    """MLflow's parameters never change; what it is now is a tag."""
    place.deliver((State(0), {"": {"lr": 0.1, "seed": 1}}))
    run = place.deliver((State(9), {"": {"lr": 0.01, "seed": 1, "new": 2}}))
    assert run.data.params == {"lr": "0.1", "seed": "1", "new": "2"}
    assert run.data.tags["changed.lr"] == "0.01"
    assert "changed.seed" not in run.data.tags


def test_settings_are_flattened_to_their_paths() -> None:
    assert dict(flattened({"a": {"b": {"c": 1}}, "d": [1, 2]})) == {"a.b.c": 1, "d": [1, 2]}


@pytest.mark.parametrize(
    ("status", "shown"), [("finished", "FINISHED"), ("failed", "FAILED"), ("killed", "KILLED"), ("exited", "FAILED")]
)
def test_a_run_ends_as_it_ended(place: Place, status: str, shown: str) -> None:
    """At the time of its last value, begun at that of its first; with its error."""
    run = place.deliver(
        (State(0), {"loss": 1.0}), (State(1), {"loss": 0.5}), ended=status, error="ValueError: no", name="named"
    )
    assert (run.info.status, run.info.run_name) == (shown, "named")
    assert run.data.tags["asynclog.error"] == "ValueError: no"
    times = [one.timestamp for one in place.client.get_metric_history(run.info.run_id, "train/loss")]
    assert [run.info.start_time, run.info.end_time] == times


def test_an_end_that_is_told_again_stays_when_it_was(place: Place) -> None:
    """As by a second sync, to which nothing is left to deliver."""
    ended = place.deliver((State(0), {"loss": 1.0}), ended="finished").info.end_time
    again = place.deliver(ended="finished")
    assert (again.info.status, again.info.end_time) == ("FINISHED", ended)


def test_settings_that_are_refused_take_nothing_else_with_them(place: Place) -> None:
    """Another program had the parameter first."""
    sink = place.sink()

    async def delivery() -> Any:
        await sink.open(RunInfo("r1", "demo", None, "main", 0))
        await sink.write(batch_of([(State(0), {"loss": 1.0})]))
        place.client.log_param(found_run(place.uri, "r1").info.run_id, "lr", "7")
        later = batch_of([(State(1), {"": {"lr": 0.1}, "note": "text", "loss": 0.5})], seq=9)
        await sink.write(later)
        return later

    batch = asyncio.run(delivery())
    run = found_run(place.uri, "r1")
    assert sum(batch.rejected.values()) == 1
    assert (run.data.metrics["train/loss"], run.data.params) == (0.5, {"lr": "7"})
    assert [path.partition("/")[0] for path in files(place.client, run.info.run_id)] == ["string"]


def test_a_run_that_goes_on_runs_again(place: Place) -> None:
    place.deliver((State(0), {"loss": 1.0}), ended="killed")
    run = place.deliver((State(1), {"loss": 0.5}))
    assert run.info.status == "RUNNING"
    assert place.deliver((State(2), {"loss": 0.25}), ended="finished").info.status == "FINISHED"


def test_ranks_are_children_of_the_first(place: Place) -> None:
    """Whoever comes first; each has its own numbers."""
    early = place.deliver((State(0), {"loss": 1.5}), rank=3)
    assert "mlflow.parentRunId" not in early.data.tags
    parent = place.deliver((State(0), {"loss": 1.0}), tags={"team": "vision"})
    child = place.deliver((State(1), {"loss": 2.0}), rank=3)
    assert (early.info.run_id, parent.data.tags["team"]) == (child.info.run_id, "vision")
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (parent.info.run_name, child.info.run_name) == ("demo", "demo rank 3")
    assert (parent.data.metrics["train/loss"], child.data.metrics["train/loss"]) == (1.0, 2.0)
    assert (parent.data.tags["asynclog.rank"], child.data.tags["asynclog.rank"]) == ("0", "3")


def test_two_who_make_the_run_at_once_end_in_one(place: Place) -> None:
    """The one that was made first; the other deletes its own."""
    experiment = place.client.create_experiment("exam", place.location)
    first, second = (Home(place.client, experiment, "r1", "demo", 0) for _ in range(2))
    assert (first.find(), second.find()) == (None, None)
    kept = first.make(5, {})
    assert second.make(3, {}).info.run_id == kept.info.run_id
    assert len(place.client.search_runs([experiment])) == 1


# -- numbers and artifacts ---------------------------------------------------------------------------------------------


def test_axes_and_epochs_are_numbers_of_their_own(place: Place) -> None:
    """Once a write, under names that no series of ours can have."""
    run = place.deliver((State(7, "valid", 2, axes={"samples": 640.0}), {"loss": 1.0, "accuracy": 0.5}))
    assert run.data.metrics == {
        "valid/loss": 1.0,
        "valid/accuracy": 0.5,
        "x-axes/valid/samples": 640.0,
        "x-axes/valid/epoch": 2.0,
    }
    (found,) = place.client.get_metric_history(run.info.run_id, "x-axes/valid/samples")
    assert (found.step, found.value) == (7, 640.0)


def test_equal_values_of_one_write_are_all_there_and_once(place: Place) -> None:
    """However often they are delivered."""
    entry = (State(0), [("said", "yes"), ("said", "yes"), ("said", "no")])
    place.deliver(entry)
    run = place.deliver(entry)
    assert len(list(files(place.client, run.info.run_id))) == 3


def test_what_is_drawn_is_no_image_of_that_name(place: Place) -> None:
    """The kind stands behind the name of its pictures, and an image that is called so is another series."""
    run = place.deliver((State(0), {"bunny": Mesh(np.eye(3), np.array([[0, 1, 2]])), "bunny.mesh": Image(np.zeros((4, 4)))}))
    keys = {path.split("+")[0] for path in files(place.client, run.info.run_id, "images")}
    assert keys == {"images/train~bunny.mesh", "images/train~bunny_U2E_mesh"}


def test_tables_are_mlflows_own(place: Place) -> None:
    """Found by its ``load_table``; the tag that lists them has an end, and keeps the latest."""
    rows = [(step, "a, b", 0.1 + step) for step in range(3)]
    table = Table.of_rows(["step", "said", "loss"], rows)
    run = place.deliver(*[(State(step), {"samples": table}) for step in range(120)])
    listed = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    assert 20 < len(listed) < 120
    assert "/000000119-" in listed[-1]["path"]
    mlflow.set_tracking_uri(place.uri)  # which even the client's own load_table looks at
    try:
        frame = place.client.load_table(run.info.experiment_id, listed[-1]["path"], [run.info.run_id])
    finally:
        mlflow.set_tracking_uri("")
    assert list(frame.itertuples(index=False, name=None)) == rows


def test_what_can_not_be_rendered_is_rejected_and_the_rest_is_there(place: Place) -> None:
    broken = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 9]]))
    run = place.deliver((State(0), {"loss": 1.0, "bunny": broken, "said": "fine"}))
    assert list(place.batch.rejected.values()) == [1]
    assert "faces within 0 to 2" in next(iter(place.batch.rejected))
    assert len(list(files(place.client, run.info.run_id))) == 1


# -- not there, or unwilling -------------------------------------------------------------------------------------------


def open_and_write(sink: MLflow, entries: Iterable[Any]) -> None:
    async def delivery() -> None:
        await sink.open(RunInfo("r1", "demo", None, "w", 0))
        await sink.write(batch_of(entries))

    asyncio.run(delivery())


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(SinkUnavailable, match="can't be reached"):
        open_and_write(MLflow("http://127.0.0.1:9", experiment="exam"), [])


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("INTERNAL_ERROR", SinkUnavailable),
        ("TEMPORARILY_UNAVAILABLE", SinkUnavailable),
        ("REQUEST_LIMIT_EXCEEDED", SinkUnavailable),
        ("UNAUTHENTICATED", SinkUnavailable),
        ("PERMISSION_DENIED", SinkUnavailable),
        ("INVALID_PARAMETER_VALUE", SinkRejected),
        ("RESOURCE_DOES_NOT_EXIST", SinkRejected),
    ],
)
def test_mlflows_errors_are_for_later_or_for_good(code: str, raised: type[Exception]) -> None:
    """Credentials are renewed, servers come back; what is wrong with a value stays wrong."""
    with pytest.raises(raised, match="it says so"), translated("here"):
        raise RestException({"error_code": code, "message": "it says so"})


@pytest.mark.parametrize(("status", "raised"), [(None, SinkUnavailable), (502, SinkUnavailable), (413, SinkRejected)])
def test_so_are_those_of_its_store_of_artifacts(status: int | None, raised: type[Exception]) -> None:
    """A file that is too large for a proxy is never taken."""
    answer = None if status is None else requests.Response()
    if answer is not None and status is not None:
        answer.status_code = status
    with pytest.raises(raised), translated("here"):
        raise requests.HTTPError("no", response=answer)


def test_a_run_that_was_deleted_there_refuses(place: Place) -> None:
    """For good: the batch is rejected, and not tried for ever."""
    run = place.deliver((State(0), {"loss": 1.0}))
    sink = place.sink()

    async def delivery() -> None:
        await sink.open(RunInfo("r1", "demo", None, "w", 0))
        place.client.delete_run(run.info.run_id)
        await sink.write(batch_of([(State(1), {"loss": 1.0})]))

    with pytest.raises(SinkRejected, match="MLflow refuses"):
        asyncio.run(delivery())

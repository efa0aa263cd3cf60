"""MLflow takes the public exam, read back by MLflow's own client."""

import math
import re
import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

pytest.importorskip("mlflow")

from mlflow import MlflowClient

from asynclog.sink import Sink
from asynclog.sinks import MLflow
from asynclog.sinks.mlflow.names import image_key, metric_name
from asynclog.sinks.naming import flat_name
from asynclog.testing import Delivered, SinkTests
from asynclog.testing.examples import ODD_NAMES
from asynclog.values import EVERY_KIND

pytestmark = [
    pytest.mark.blocking,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_LARGEST = 1.7976931348623157e308


@cache
def empty_database() -> Path:
    """Made once: MLflow's migrations take seconds."""
    path = Path(mkdtemp(prefix="mlflow-")) / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


def unescaped(name: str) -> str:
    return re.sub(r"_U([0-9A-F]*)_", lambda found: chr(int(found[1], 16)) if found[1] else "", name)


def split(name: str, cut: dict[str, str]) -> tuple[str, str]:
    """(phase, name) of a name in MLflow."""
    phase, _, rest = cut.get(name, unescaped(name)).partition("/")
    return phase, rest


def cut_names(fitted: Any) -> dict[str, str]:
    """What is too long for MLflow can't be told from its name there; these are the ones that the exam has."""
    names = [f"{phase}/{flat_name(*one)}" for phase in ("train", "valid", "test") for one in ODD_NAMES]
    return {fitted(name): name for name in names if len(name) > 200}


def files(client: Any, run_id: str, path: str | None = None) -> Iterator[str]:
    for one in client.list_artifacts(run_id, path):
        if one.is_dir:
            yield from files(client, run_id, one.path)
        else:
            yield one.path


def delivered(client: Any, run: Any) -> Iterator[Delivered]:
    """All that a run of MLflow's shows, in the order of its times."""
    cut = cut_names(metric_name)
    for key in run.data.metrics:
        if not key.startswith("x-axes/"):
            phase, name = split(key, cut)
            for one in client.get_metric_history(run.info.run_id, key):
                yield Delivered("scalar", phase, "", name, one.step, one.value)
    root = Path(run.info.artifact_uri.removeprefix("file://"))
    cut = cut_names(image_key)
    for path in sorted(files(client, run.info.run_id), key=lambda path: (root / path).stat().st_mtime_ns):
        kind, *series, file = path.split("/")
        if kind != "images":
            value = (root / path).read_text("utf-8") if kind == "string" else None
            step = re.match(r"-?\d+", file)
            assert step is not None
            yield Delivered(kind, *_series("/".join(series), cut), int(step[0]), value)
        elif path.endswith(".png"):
            key, _, step_text, *_ = file.split("+")
            kind, key = drawn_kind(key.replace("~", "/"))
            if kind in ("image", "spectrogram"):
                yield Delivered(kind, *_series(key, cut), int(step_text))


def drawn_kind(key: str) -> tuple[str, str]:
    """(kind, name) of a series in the grid of images."""
    name, _, kind = key.rpartition(".")
    return (kind, name) if kind in ("histogram", "mesh", "point_cloud", "spectrogram") else ("image", key)


def _series(name: str, cut: dict[str, str]) -> tuple[str, str, str]:
    phase, rest = split(name, cut)
    return phase, "", rest


def found_run(uri: str, run_id: str, experiment: str = "exam", rank: int = 0) -> Any:
    client = MlflowClient(uri)
    experiments = [client.get_experiment_by_name(experiment).experiment_id]
    runs = client.search_runs(experiments, f"tags.`asynclog.run_id` = '{run_id}' AND tags.`asynclog.rank` = '{rank}'")
    assert len(runs) <= 1, "two runs of one"
    return runs[0] if runs else None


class TestMLflow(SinkTests):
    kinds = tuple(kind for kind in EVERY_KIND if kind != "artifact")
    may_block = True

    def make_sink(self, tmp_path: Path) -> Sink:
        path = tmp_path / "mlflow.db"
        if not path.exists():
            shutil.copyfile(empty_database(), path)
        return MLflow(f"sqlite:///{path}", experiment="exam", artifact_location=(tmp_path / "artifacts").as_uri())

    def read_back(self, sink: Any, tmp_path: Path) -> Iterable[Delivered] | None:
        run = found_run(sink.tracking_uri, "conformance")
        return [] if run is None else delivered(MlflowClient(sink.tracking_uri), run)

    def matches(self, logged: Any, shown: Any) -> bool:
        if isinstance(logged, str):
            return bool(logged == shown)
        # Databases have no infinities: MLflow keeps the largest number instead. Nor does SQLite have a -0.0.
        number = max(-_LARGEST, min(_LARGEST, logged)) if not math.isnan(logged) else logged
        return repr(float(number) + 0.0) == repr(float(shown) + 0.0)

"""The facade and the real wandb: the same names and signatures, and of the same program the same history."""

import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
import asynclog.integrations.wandb as facade
from tests.integration.destinations.wandb_files import OfflineRun, runs_below
from tests.integration.wandb_facade import programs

FUNCTIONS = ("init", "finish")
METHODS = ("log", "define_metric", "finish", "alert", "watch", "unwatch", "save", "log_artifact", "log_model")
CLASSES = ("Image", "Audio", "Video", "Histogram", "Table", "Html", "Object3D", "Artifact")
PROPERTIES = (
    *("config", "summary", "id", "name", "notes", "tags", "dir", "step", "starting_step", "start_time", "project", "entity"),
    *("group", "job_type", "path", "url", "project_url", "sweep_id", "resumed", "offline", "disabled"),
)
OF_TABLE = ("add_data", "add_row", "add_column", "get_column", "get_dataframe", "iterrows", "add_computed_columns")
OF_ARTIFACT = ("add_file", "add_dir", "new_file", "wait")
OF_CONFIG = ("update", "setdefaults", "get", "keys", "items", "as_dict")


@pytest.fixture(scope="module")
def real() -> Any:
    # Read alone: nothing of it runs in this process.
    return pytest.importorskip("wandb")


def arguments(function: Any) -> list[tuple[str, Any, Any]]:
    """Names, how they are given, and what they are unless given; W&B's own word for "not given" is as good as another."""
    found = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, None if one.name == "anonymous" else one.default) for one in found]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_take_what_those_of_wandb_take(real: Any, name: str) -> None:
    assert arguments(getattr(facade, name)) == arguments(getattr(real, name))


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_a_run_take_what_those_of_wandb_take(real: Any, name: str) -> None:
    assert arguments(getattr(facade.Run, name)) == arguments(getattr(real.Run, name))


@pytest.mark.parametrize("name", CLASSES)
def test_media_are_made_of_what_those_of_wandb_are_made_of(real: Any, name: str) -> None:
    assert arguments(getattr(facade, name).__init__) == arguments(getattr(real, name).__init__)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        *(("Table", name) for name in OF_TABLE),
        *(("Artifact", name) for name in OF_ARTIFACT),
        *(("Config", name) for name in OF_CONFIG),
        *(("Object3D", name) for name in ("from_file", "from_numpy", "from_point_cloud")),
    ],
)
def test_methods_take_what_those_of_wandb_take(real: Any, owner: str, name: str) -> None:
    assert arguments(getattr(getattr(facade, owner), name)) == arguments(getattr(getattr(real, owner), name))


def test_a_run_has_the_attributes_of_wandbs(real: Any, tmp_path: Path) -> None:
    with facade.init(dir=tmp_path) as run:
        assert all(hasattr(run, name) for name in PROPERTIES)
    public = {name for name in PROPERTIES if name not in ("summary", "config")}
    assert not {name for name in public if not hasattr(real.Run, name)}


def test_the_package_has_the_names_that_programs_use(real: Any) -> None:
    used = (
        "run",
        "config",
        "summary",
        "log",
        "define_metric",
        "watch",
        "unwatch",
        "save",
        "alert",
        "log_artifact",
        "log_model",
    )
    others = (
        "join",
        "setup",
        "teardown",
        "login",
        "require",
        "Settings",
        "AlertLevel",
        "Error",
        "UsageError",
        "CommError",
        "Run",
    )
    for name in (*used, *others, *FUNCTIONS, *CLASSES):
        assert hasattr(real, name), name
        assert hasattr(facade, name), name


def history(run: al.Run) -> dict[int, dict[str, Any]]:
    """Rows by their step: values, and the axes that they were recorded at."""
    rows: dict[int, dict[str, Any]] = {}
    for event in run.events():
        if event.kind in ("scalar", "string"):
            rows.setdefault(event.step, {}).update({event.key: event.value, **event.axes})
    return rows


def flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def recorded_by_wandb(program: str, directory: Path) -> OfflineRun:
    environ = {
        **os.environ,
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_CONSOLE": "off",
        "WANDB__DISABLE_STATS": "true",
    }
    environ |= {"WANDB_DISABLE_GIT": "true", "WANDB_DISABLE_CODE": "true", "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-m", "tests.integration.wandb_facade.programs", program, str(directory)]
    subprocess.run(command, env=environ, check=True, timeout=50)
    (run,) = runs_below(directory)
    return run


@pytest.mark.parametrize("program", ["steps", "metrics"])
def test_a_program_has_the_history_config_and_summary_that_it_has_with_wandb(real: Any, tmp_path: Path, program: str) -> None:
    theirs = recorded_by_wandb(program, tmp_path)
    getattr(programs, program)(facade, str(tmp_path / "runs"))
    (directory,) = (tmp_path / "runs" / "digits").iterdir()
    ours = al.read(directory)
    rows = {row["_step"]: {name: one for name, one in flat(row) if not name.startswith("_")} for row in theirs.rows}
    assert history(ours) == rows
    begun = [one.run.config.update for one in theirs.records if one.WhichOneof("record_type") == "run"]
    config = {item.key: json.loads(item.value_json) for update in begun for item in update} | theirs.config
    assert {key: one for key, one in ours.config.items() if key != "wandb"} == {
        key: one for key, one in config.items() if not key.startswith("_")
    }
    last = [event.value.fields for event in ours.events(kind="record", key="summary")][-1]
    assert dict(flat(last)) == pytest.approx({name: one for name, one in flat(theirs.summary) if not name.startswith("_")})
    assert ours.status == "finished"


def test_the_facade_loads_neither_wandb_nor_torch() -> None:
    code = "import sys, asynclog.integrations.wandb; print([name for name in ('wandb', 'torch', 'PIL') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert ended.stdout.strip() == "[]"


def test_a_name_that_needs_wandbs_server_is_named_as_missing() -> None:
    with pytest.raises(AttributeError, match="sweep"):
        importlib.import_module("asynclog.integrations.wandb").sweep  # noqa: B018

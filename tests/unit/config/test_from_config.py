"""A logger from configuration: what each key becomes, where values end up, and what a person is told who mistyped."""

import inspect
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from asynclog.artifacts.settings import Artifacts
from asynclog.config import parse
from asynclog.config.models import LoggerSettings
from asynclog.errors import InvalidConfiguration

MODULE = """
class Tape:
    def __init__(self, target, *, mode: str = "a"):
        self.target, self.mode = target, mode
    async def write(self, batch):
        with open(self.target, self.mode) as file:
            file.writelines(f"{event.step}\\n" for event in batch)
    async def aclose(self): pass

class Broken:
    def __init__(self, port: int):
        raise RuntimeError("nobody listens")
    async def write(self, batch): pass
    async def aclose(self): pass

Sink = Tape
"""


@pytest.fixture
def package(tmp_path: Path) -> Iterator[str]:
    """A module that can be imported."""
    name = f"tapes_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    sys.path.insert(0, str(tmp_path))
    yield name
    sys.path.remove(str(tmp_path))
    sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No launcher's environment."""
    for name in ("RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refusal(config: Any, **overrides: Any) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        al.from_config(config, **overrides)
    return str(caught.value).splitlines()


def routes(config: Any, **overrides: Any) -> dict[str, al.Route]:
    return {one.name: one for one in al.from_config(config, **overrides)._core.routes}


# -- what it makes ---------------------------------------------------------------------------------------------------


def test_a_file_makes_a_logger_that_records(tmp_path: Path) -> None:
    written(tmp_path / "shared" / "base.yaml", "limit: {every: 1.0, spare: [scalar]}\njournal: {fsync: close}\nstrict: true\n")
    path = written(
        tmp_path / "own.yaml",
        f"""
        base_config: shared/base.yaml
        run: {tmp_path}/runs/first
        recorder: thread
        config: {{lr: 0.1, layers: [64, 64]}}
        sinks:
          - use: jsonlines
            path: lines.jsonl
          - {{use: csv, path: "{{run_name}}.csv", route: {{kinds: [scalar], limit: 3}}}}
        """,
    )
    with al.from_config(path) as log:
        log.log_scalar("loss", 0.5)
        log.write_nowait(3)
    run = al.read(tmp_path / "runs" / "first")
    assert run.series("loss").value.tolist() == [0.5]
    assert [event.value for event in run.events(kind="config")] == [{"lr": 0.1, "layers": [64, 64]}]
    assert "0.5" in (tmp_path / "runs" / "first" / "lines.jsonl").read_text()
    assert "0.5" in (tmp_path / "runs" / "first" / "first.csv").read_text()


def test_keys_become_the_arguments_of_a_multilogger() -> None:
    log = al.from_config(
        {
            "run": "runs/x",
            "limit": {"every": 2, "valid": 0, "steps": 3, "budget": 0.5, "spare": ["scalar"]},
            "journal": {"kinds": ["scalar"], "linger": 1, "compress": "zstd", "limit": 7},
            "slabs": 32 << 20,
            "recorder": "thread",
            "strict": True,
            "resume": "must",
            "rewind_to": 40,
            "capture": True,
            "writer": "me",
            "switch_interval": None,
            "artifacts": {"quota": 1000, "full": "refuse", "keep": 2},
        }
    )
    core = log._core
    assert core.artifacts == Artifacts(1000, "refuse", 2)
    assert core.limit is not None
    assert (core.limit.interval("train"), core.limit.interval("valid"), core.limit.steps) == (2.0, 0.0, 3)
    assert core.journal is not None
    assert core.journal.kinds == frozenset({"scalar"})
    assert (core.journal.linger, core.journal.compress) == (1.0, "zstd")
    assert core.journal.limit is not None
    assert core.journal.limit.interval("test") == 7.0
    assert (core.quota, core.recorder, core.strict, core.writer) == (32 << 20, "thread", True, "me")
    assert core.switch_interval is None


def test_every_argument_of_a_multilogger_has_a_key() -> None:
    """One that is added there is missed here."""
    assert {*inspect.signature(al.MultiLogger).parameters} <= {*LoggerSettings.model_fields}


def test_a_sink_is_named_or_a_class_or_a_file_or_an_entry_point(package: str, tmp_path: Path) -> None:
    installed = tmp_path / "cassettes-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: cassettes\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[asynclog.sinks]\ncassette = {package}:Tape\n")
    file = written(tmp_path / "experiments" / "mine.py", MODULE)
    path = written(
        tmp_path / "experiments" / "own.yaml",
        f"""
        run: {tmp_path}/run
        sinks:
          - tensorboard
          - {{use: "{package}:Tape", target: a, mode: w}}
          - {{use: mine.py, target: b, route: {{name: filed}}}}
          - {{use: cassette, target: c, route: {{name: installed}}}}
        """,
    )
    made = routes(path)
    assert list(made) == ["tensorboard", "tape", "filed", "installed"]
    assert (made["tape"].sink.target, made["tape"].sink.mode) == ("a", "w")
    assert (made["filed"].sink.module, made["filed"].sink.config) == (str(file), {"target": "b"})
    assert made["installed"].sink.target == "c"


def test_a_route_says_how_its_sink_is_served() -> None:
    route = {
        "name": "mine", "limit": {"steps": 2}, "overflow": "block", "place": "process", "worker": "shared", "kinds": ["scalar"],
        "namespaces": ["train"], "phases": ["valid"], "level": "epoch", "deadline": 3,
    }  # fmt: skip
    made = routes({"run": "x", "sinks": [{"use": "csv", "path": "x.csv", "route": route}]})["mine"]
    assert made.limit is not None
    assert made.limit.steps == 2
    assert (made.overflow, made.place, made.worker, made.level, made.deadline) == ("block", "process", "shared", "epoch", 3)
    assert (made.kinds, made.namespaces, made.phases) == ({"scalar"}, {"train"}, {"valid"})


def test_sinks_may_be_a_mapping_whose_keys_name_their_routes(tmp_path: Path) -> None:
    """So that a file that inherits from another may change one of them."""
    written(tmp_path / "base.yaml", "sinks: {board: {use: tensorboard, path: a}, csv: {path: x.csv}}")
    path = written(
        tmp_path / "own.yaml", "base_config: base.yaml\nrun: r\nsinks: {board: {path: b}, lines: {use: jsonlines, path: l}}"
    )
    made = routes(path)
    assert {name: str(one.sink.path) for name, one in made.items()} == {"board": "b", "csv": "x.csv", "lines": "l"}


def test_rules_of_alerts_are_mappings() -> None:
    from asynclog.sinks.alerts import Above, Ended, Webhook

    rules = [{"use": "above", "series": "grad*", "limit": 10, "points": 3, "to": "chat"}, {"use": "not-finite"}, "ended"]
    actions = {"chat": {"use": "webhook", "url": "{env:CHAT}"}, "console": {"use": "terminal"}}
    parsed = {"sinks": [{"use": "alerts", "rules": rules, "actions": {"chat": {"use": "webhook", "url": "http://localhost"}}}]}
    (route,) = routes(parsed).values()
    above, _, ended = route.sink._rules
    assert above == Above("grad*", 10, points=3, to="chat")
    assert ended == Ended()
    assert isinstance(route.sink._actions["chat"], Webhook)
    (said,) = refusal({"sinks": [{"use": "alerts", "rules": rules, "actions": actions}]})
    assert said.startswith("sinks[0].actions.chat.url: {env:CHAT}: the environment has no CHAT")
    (said,) = refusal({"sinks": [{"use": "alerts", "rules": [{"use": "abov", "series": "x", "limit": 1}]}]})
    assert "rules[0].use: expected one of Above" in said
    assert "did you mean 'Above'" in said


def test_logger_modules_of_3db_are_routes_beside_the_sinks(tmp_path: Path) -> None:
    written(tmp_path / "csv_logger.py", MODULE)
    path = written(tmp_path / "own.yaml", "run: r\nsinks: [tensorboard]\nlogging: {logger_modules: [csv_logger.py]}")
    made = routes(path)
    assert list(made) == ["tensorboard", "csv_logger"]
    assert made["csv_logger"].place == "process"


def test_what_routines_track_is_handed_on_and_shown(tmp_path: Path) -> None:
    from asynclog.routines import Routines

    tracked = {"metric": ["loss"], "image": ["render"]}
    section = {"loggers": ["metric", "image"], "tracked_variables": tracked, "print_every_n_seconds": 2, "gpu_summarize": False}
    config = {"run": tmp_path / "run", "recorder": "thread", "routines": section, "sinks": ["memory"]}
    found = parse(config).routines
    assert found is not None
    with al.from_config(config) as log:
        routines = Routines(log, **found.arguments())
        routines.log_iter_blocking({"phase": "train", "epoch": 0, "iteration": 3, "loss": 0.5})
        routines.end_log_blocking()
    assert [one.name for one in log._core.routes] == ["memory", "console", "console-epochs"]
    assert [type(one).__name__ for one in routines.trackers] == ["Metrics", "Images"]
    assert al.read(tmp_path / "run").series("loss/train", namespace="Metric-BatchWise").value.tolist() == [0.5]


def test_a_part_of_a_larger_file_is_the_loggers(tmp_path: Path) -> None:
    path = written(tmp_path / "all.yaml", "optimizer: {lr: 0.1}\nasynclog: {run: r, sinks: [{use: csv, pth: x}]}")
    assert refusal(path) == [
        f"{path}:2: sinks[0].pth: there is no such setting; did you mean 'path'?",
        f"{path}:2: sinks[0].path: it is needed, and has no default",
    ]
    assert list(routes(path, sinks=["tensorboard"])) == ["tensorboard"]


def test_overrides_lie_over_the_file_and_may_be_objects(tmp_path: Path) -> None:
    path = written(tmp_path / "own.yaml", "run: a\nlimit: 3\nconfig: {lr: 1, depth: 2}\njournal: {fsync: close}")
    memory = al.sinks.Memory()
    route = al.Route(al.sinks.CSV("x.csv"), name="mine")
    artifacts = Artifacts(keep=3)
    overrides = {
        "artifacts": artifacts,
        "run": tmp_path,
        "limit": al.RateLimit(1.0, test=4.0),
        "journal": al.Journal(linger=3.0),
        "config": {"lr": 5},
    }
    log = al.from_config(path, sinks=[memory, route], **overrides)
    core = log._core
    assert (core.directory, core.config) == (tmp_path, {"lr": 5, "depth": 2})
    assert core.artifacts == artifacts
    assert core.limit is not None
    assert [core.limit.interval(phase) for phase in ("train", "valid", "test")] == [1.0, 1.0, 4.0]
    assert core.journal is not None
    assert (core.journal.linger, core.journal.fsync) == (3.0, "interval")
    assert [one.sink for one in core.routes] == [memory, route.sink]
    assert core.routes[1] is route


def test_omegaconf_is_a_configuration_with_its_interpolations_resolved() -> None:
    omegaconf = pytest.importorskip("omegaconf")
    text = "name: digits\nasynclog: {run: 'runs/${name}', sinks: [{use: csv, path: '${name}.csv'}], config: {a: '${name}'}}"
    config = omegaconf.OmegaConf.create(text)
    log = al.from_config(config)
    assert (str(log._core.directory), log._core.config) == ("runs/digits", {"a": "digits"})
    assert str(log._core.routes[0].sink.path) == "digits.csv"
    config.asynclog.run = "${nowhere}"
    assert "nowhere" in refusal(config)[0]


def test_no_configuration_is_a_logger_of_overrides_alone() -> None:
    assert list(routes(None, sinks=["tensorboard"], run="x")) == ["tensorboard"]


def test_parsing_makes_nothing(tmp_path: Path) -> None:
    found = parse({"run": "runs/{run_name}", "run_name": "x", "sinks": [{"use": "nowhere:Nothing", "a": 1}]})
    assert (found.run, found.sinks[0].use, found.sinks[0].arguments) == ("runs/x", "nowhere:Nothing", {"a": 1})


# -- placeholders ----------------------------------------------------------------------------------------------------


def test_placeholders_stand_for_the_run_and_the_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = {"RANK": "5", "LOCAL_RANK": "1", "GROUP_RANK": "2", "WORLD_SIZE": "8", "SECRET": "s"}
    for name, value in ranks.items():
        monkeypatch.setenv(name, value)
    text = "{run_name}-{rank}-{local_rank}-{node_rank}-{world_size}-{{rank}}-{env:SECRET}"
    sinks = [{"use": "wandb", "project": text, "tags": [text], "route": {"name": "w{rank}"}}]
    (route,) = routes({"run": "runs/some", "sinks": sinks}).values()
    assert route.sink.project == "some-5-1-2-8-{rank}-s"
    assert route.sink.tags == ("some-5-1-2-8-{rank}-s",)
    assert route.name == "w5"


def test_a_file_of_log_lines_fills_in_its_name_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has to see where the rank's number stands."""
    monkeypatch.setenv("RANK", "5")
    monkeypatch.setenv("WORLD_SIZE", "8")
    name = "{run_name}/logs-rank{rank}.txt"
    for sinks in ([{"use": "log-file", "filename": name}], {"logfile": {"filename": name}}):
        (route,) = routes({"run": "runs/some", "sinks": sinks}).values()
        assert route.sink.filename == name
    (route,) = routes({"run": "runs/some", "sinks": [{"use": "csv", "path": "{writer}.csv"}]}).values()
    assert str(route.sink.path) == "rank5.csv"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"run": "runs/{run_nam}"}, "run: there is no placeholder {run_nam}; did you mean 'run_name'?"),
        ({"run": "runs/{zzz}"}, "run: there is no placeholder {zzz}; there are {run_name}, {writer}, {rank},"),
        ({"run": "runs/{run_name}"}, "run: {run_name}: a run without a directory has none; write run_name: …"),
        ({"run": "a{b"}, "run: a brace by itself is written {{"),
        ({"sinks": [{"use": "csv", "path": "{run_name}"}]}, "sinks[0].path: {run_name}: a run without a directory"),
        ({"run": "{env:NOT_THERE_AT_ALL}"}, "run: {env:NOT_THERE_AT_ALL}: the environment has no NOT_THERE_AT_ALL"),
    ],
)
def test_a_placeholder_that_nobody_knows_is_refused(config: dict[str, Any], said: str) -> None:
    assert refusal(config)[0].startswith(said)


# -- intervals of ml-starter -----------------------------------------------------------------------------------------


def test_intervals_of_ml_starter_are_a_limit() -> None:
    log = al.from_config({"write_every_n_seconds": 2, "write_train_every_n_seconds": 5, "write_val_every_n_seconds": 0})
    limit = log._core.limit
    assert limit is not None
    assert [limit.interval(phase) for phase in ("train", "valid", "test")] == [5.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("general", "own", "expected"),
    [
        ({}, {"write_every_n_seconds": 3}, [3.0, 3.0, 3.0]),
        ({"write_every_n_seconds": 9}, {"write_train_every_n_seconds": 1}, [1.0, 9.0, 9.0]),
        ({"write_val_every_n_seconds": 9}, {"write_train_every_n_seconds": 1}, [1.0, 9.0, 9.0]),
        ({"limit": {"every": 4, "test": 6}}, {"write_train_every_n_seconds": 1}, [1.0, 4.0, 6.0]),
        ({"write_every_n_seconds": 9}, {}, [9.0, 9.0, 9.0]),
    ],
)
def test_a_sinks_own_interval_comes_before_the_general_one(
    general: dict[str, Any], own: dict[str, Any], expected: list[float]
) -> None:
    log = al.from_config({**general, "sinks": [{"use": "csv", "path": "x", **own}]})
    limit = log._core.routes[0].limit or log._core.limit
    assert limit is not None
    assert [limit.interval(phase) for phase in ("train", "valid", "test")] == expected


def test_a_sink_with_intervals_is_written_by_should_writes_rule(tmp_path: Path) -> None:
    """First of a phase, then once the interval has passed, by the loop's own clock."""
    memory = al.sinks.Memory()
    log = al.from_config(
        {"write_train_every_n_seconds": 10, "write_val_every_n_seconds": 1}, run=tmp_path / "r", sinks=[memory]
    )
    with log:
        for step, (phase, elapsed) in enumerate(
            [("train", 0), ("train", 9.9), ("valid", 9.9), ("train", 10), ("valid", 10), ("valid", 11)]
        ):
            log.log_scalar("x", step)
            log.write_nowait(al.State(step, phase, elapsed_s=float(elapsed)))  # type: ignore[arg-type]
    assert [event.step for event in memory.events] == [0, 2, 3, 5]


# -- what is refused -------------------------------------------------------------------------------------------------


def test_everything_wrong_is_said_at_once_with_file_and_line(tmp_path: Path) -> None:
    base = written(tmp_path / "base.yaml", "journal:\n  fsnc: close\n")
    path = written(
        tmp_path / "own.yaml",
        """base_config: base.yaml
run: x
limt: 3
run: y
slabs: 3
sinks:
  - use: jsonlines
    pth: x
  - {use: csv, path: 3, route: {place: proces}}
  - tensorbord
  - use: csv
    path: x
    layout: wid
""",
    )
    assert sorted(refusal(path)) == sorted(
        [
            f"{path}:4: run: it stands twice, first in line 2",
            f"{path}:3: limt: there is no such key; did you mean 'limit'?",
            f"{base}:2: journal.fsnc: there is no such key; did you mean 'fsync'?",
            f"{path}:5: slabs: expected at least 16777216, got int 3",
            f"{path}:8: sinks[0].pth: there is no such setting; did you mean 'path'?",
            f"{path}:7: sinks[0].path: it is needed, and has no default",
            (
                f"{path}:9: sinks[1].route.place: expected 'recorder', 'process', 'thread' or 'caller', got str 'proces'; "
                "did you mean 'process'?"
            ),
            (
                f"{path}:10: sinks[2].use: there is no sink 'tensorbord'; did you mean 'tensorboard'? Or write "
                "package.module:Class, or the path of a .py file"
            ),
            f"{path}:13: sinks[3].layout: expected 'wide' or 'long', got str 'wid'",
        ]
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (3, "expected the path of a YAML file, a mapping or OmegaConf, got int 3"),
        ({"asynclog": None}, "asynclog: expected a mapping, the logger's configuration, got NoneType None"),
        (
            {"routines": {"tracked_variable": {}}},
            "routines.tracked_variable: there is no such key; did you mean 'tracked_variables'?",
        ),
        ({"routines": {"tracked_variables": {"metric": "loss"}}}, "routines.tracked_variables.metric: expected a list, got"),
        ({"rewind_to": {"tran": 3}}, "rewind_to: expected a step, or one by phase (train, valid, test), got dict {'tran': 3}"),
        ({"rewind_to": "last"}, "rewind_to: expected a step, or one by phase"),
        ({3: 4}, "[3]: Keys should be strings"),
        ({"sinks": [None]}, "sinks[0]: expected a mapping, got NoneType None"),
        ({"limit": "1"}, "limit: expected a number or a mapping, got str '1'"),
        ({"limit": -1}, "limit.every: expected at least 0, got int -1"),
        ({"limit": {"every": math.inf}}, "limit.every: expected a finite number, got float inf"),
        ({"limit": {"spare": ["sclar"]}}, "did you mean 'scalar'?"),
        ({"strict": "yes"}, "strict: expected true or false, got str 'yes'"),
        ({"recorder": "proces"}, "did you mean 'process'?"),
        ({"optimizer": {}}, "In a file that has others' keys, too, the logger's stand below asynclog:"),
        ({"sinks": "csv"}, "sinks: expected a list, got str 'csv'"),
        ({"sinks": [3]}, "sinks[0]: expected a mapping, got int 3"),
        ({"sinks": [{"path": "x"}]}, "sinks[0].use: it is needed, and isn't there"),
        ({"sinks": {"mine": {"path": "x"}}}, "sinks.mine.use: there is no sink 'mine'"),
        ({"sinks": [{"use": "{package}:Broken", "port": 3}]}, "sinks[0]: RuntimeError: nobody listens"),
        ({"sinks": [{"use": "{package}:Broken", "port": "3"}]}, "sinks[0].port: expected a whole number, got str '3'"),
        ({"sinks": [{"use": "{package}:Tap", "port": "3"}]}, "sinks[0].use: {package} has no 'Tap'; did you mean 'Tape'?"),
        ({"sinks": [{"use": "nowhere_at_all:Tap"}]}, "sinks[0].use: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ({"sinks": ["tensorboard", {"use": "csv", "path": "x", "route": {"name": "tensorboard"}}]}, "two routes are named"),
        ({"sinks": [{"use": "csv", "path": "x", "route": {"name": "a/b"}}]}, "sinks[0].route: Route name: expected letters"),
        (
            {"sinks": [{"use": "csv", "path": "x", "route": {"overflow": "journal"}}]},
            "overflow='journal' needs a run directory",
        ),
        ({"limit": 3, "write_every_n_seconds": 3}, "limit and write_every_n_seconds say the same; give one of them"),
        (
            {"sinks": [{"use": "csv", "path": "x", "write_every_n_seconds": 3, "route": {"limit": 3}}]},
            "sinks[0]: its limit is given here and below route; give one of them",
        ),
        ({"logging": {"logger_modules": ["nowhere.py"]}}, "logging.logger_modules: logger_modules: there is no file"),
        ({"logging": {"logger_module": []}}, "logging.logger_module: there is no such key; did you mean 'logger_modules'?"),
    ],
)
def test_what_is_wrong_is_said_with_its_key_and_the_way_out(package: str, config: Any, said: str) -> None:
    def named(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: named(one) for name, one in node.items()}
        if isinstance(node, list):
            return [named(one) for one in node]
        return node.replace("{package}", package) if isinstance(node, str) else node

    assert named(said) in "\n".join(refusal(named(config)))


def test_neither_the_package_nor_its_configuration_loads_pydantic_before_it_is_asked_for() -> None:
    ask = "import sys, asynclog as al; al.from_config; al.config.load; print('pydantic' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, timeout=50)
    assert loaded.stdout.strip() == "False"


def test_a_configuration_says_what_training_goes_back_to(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for rewind_to, stop in ((None, 10), (4, 6), ({"train": 2}, 4)):
        given = {"run": str(run), "recorder": "thread", "rewind_to": rewind_to}
        with al.from_config(given) as log:
            for step in range(5 if rewind_to == 4 else 3 if rewind_to else 0, stop):
                log.log_scalar("loss", 1.0)
                log.write_nowait(step)
    assert al.read(run).series("loss").step.tolist() == [0, 1, 2, 3]
    with pytest.raises(al.errors.InvalidConfiguration, match="rewind_to"):
        al.from_config({"run": str(run), "rewind_to": {"training": 3}})


def test_what_stands_twice_among_keys_of_others_is_theirs(tmp_path: Path) -> None:
    path = tmp_path / "whole.yaml"
    path.write_text("optimizer: {lr: 1, lr: 2}\nasynclog: {strict: true}\n")
    assert al.config.parse(path).strict
    path.write_text("asynclog: {strict: true, strict: false}\n")
    with pytest.raises(al.InvalidConfiguration, match=r"asynclog\.strict: it stands twice, first in line 1"):
        al.config.parse(path)

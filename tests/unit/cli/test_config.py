"""``asynclog config``: what a file would make, or all that is wrong with it."""

import json
from pathlib import Path

from tests.unit.cli.conftest import Invoke


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_it_says_what_would_be_made_and_makes_nothing(asynclog: Invoke, tmp_path: Path) -> None:
    path = written(
        tmp_path / "own.yaml",
        f"""
        run: {tmp_path}/runs/digits
        limit: {{every: 1, valid: 0, spare: [scalar]}}
        config: {{lr: 0.1}}
        sinks:
          - tensorboard
          - {{use: csv, path: x.csv, route: {{name: mine, kinds: [scalar], overflow: block}}}}
        """,
    )
    result = asynclog("config", "check", path)
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["run", f"{tmp_path}/runs/digits"] in lines
    assert ["settings", "1", "setting"] in lines
    rows = {line[0]: " ".join(line[1:]) for line in lines if line}
    assert rows["tensorboard"].startswith("TensorBoard a process of its own train every 1 s")
    assert "everything journal" in rows["tensorboard"]
    assert rows["mine"].startswith("CSV a thread of the recorder")
    assert "scalar block" in rows["mine"]
    assert not (tmp_path / "runs").exists()


def test_every_error_is_a_line_with_file_line_and_key(asynclog: Invoke, tmp_path: Path) -> None:
    path = written(tmp_path / "own.yaml", "limt: 3\nsinks:\n  - tensorbord\n  - {use: csv, path: 3}\n")
    result = asynclog("config", "check", path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line.split("; ")[0] for line in result.stderr.splitlines()] == [
        f"error: {path}:1: limt: there is no such key",
        f"error: {path}:3: sinks[0].use: there is no sink 'tensorbord'",
        f"error: {path}:4: sinks[1].path: expected text, got int 3",
    ]


def test_a_file_that_is_no_yaml_or_not_there_ends_in_an_error(asynclog: Invoke, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.yaml", written(tmp_path / "own.yaml", "a: [")):
        result = asynclog("config", "check", path)
        assert result.exit_code == 2
        assert str(path) in result.stderr
        assert "Traceback" not in result.stderr


def test_for_scripts_it_says_so_in_json(asynclog: Invoke, tmp_path: Path) -> None:
    told = json.loads(asynclog("config", "check", "--json", written(tmp_path / "a.yaml", "sinks: [memory]")).stdout)
    assert told["routes"] == [
        {
            "name": "memory", "sink": "Memory", "runs_in": "the training's loop", "limit": "none", "gets": "everything",
            "overflow": "drop_oldest",
        }
    ]  # fmt: skip
    result = asynclog("config", "check", "--json", written(tmp_path / "b.yaml", "limt: 3"))
    assert result.exit_code == 2
    assert "limt" in json.loads(result.stdout)["errors"][0]


def test_the_schema_is_printed(asynclog: Invoke) -> None:
    assert json.loads(asynclog("config", "schema").stdout)["title"] == "asynclog"

"""Artifacts in a terminal: listed, copied out, verified."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import asynclog as al
from asynclog.cli.app import app


def asynclog(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "160"})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    source = tmp_path / "model.pt"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "inner").write_text("inside")
    with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        for step in range(2):
            source.write_text(f"weights of {step}")
            log.log_artifact("ckpt/best.pt", source, overwrite=True)
            log.write_nowait(step)
        log.log_artifact("folder", folder)
        log.log_symlink("ckpt/best.pt", "latest")
        log.write_nowait(2)
    return tmp_path / "run"


def test_lists_the_newest_of_each_name_or_every_version(run: Path) -> None:
    told = asynclog("artifacts", run)
    assert told.exit_code == 0
    rows = [line.split() for line in told.stdout.splitlines()]
    digest = al.read(run).artifact("ckpt/best.pt").digest[:12]
    assert rows[1] == ["ckpt/best.pt", "v1", "12", "B", "1", digest]
    assert rows[2][:2] == ["folder", "v0"]
    assert rows[3] == ["latest", "v0", "2", "→", "ckpt/best.pt"]
    every = [json.loads(line) for line in asynclog("artifacts", run, "--all", "--json").stdout.splitlines()]
    assert [(one["name"], one["version"]) for one in every][:2] == [("ckpt/best.pt", 0), ("ckpt/best.pt", 1)]


def test_copies_the_newest_or_a_version_out_of_a_run(run: Path, tmp_path: Path) -> None:
    assert asynclog("artifacts", "get", run, "latest", tmp_path / "new").exit_code == 0
    assert asynclog("artifacts", "get", run, "ckpt/best.pt:v0", tmp_path / "old").exit_code == 0
    assert asynclog("artifacts", "get", run, "folder", tmp_path / "copy").exit_code == 0
    assert (tmp_path / "new").read_text() == "weights of 1"
    assert (tmp_path / "old").read_text() == "weights of 0"
    assert (tmp_path / "copy" / "inner").read_text() == "inside"


def test_a_name_may_end_as_a_version_does(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        for step, name in enumerate(("model", "model:v2")):
            source.write_text(name)
            log.log_artifact(name, source)
            log.write_nowait(step)
    assert asynclog("artifacts", "get", tmp_path / "run", "model:v2", tmp_path / "of its name").exit_code == 0
    assert asynclog("artifacts", "get", tmp_path / "run", "model:v0", tmp_path / "of its version").exit_code == 0
    assert (tmp_path / "of its name").read_text() == "model:v2"
    assert (tmp_path / "of its version").read_text() == "model"


def test_a_name_that_is_not_there_ends_badly_and_names_the_nearest(run: Path, tmp_path: Path) -> None:
    told = asynclog("artifacts", "get", run, "ckpt/bestpt", tmp_path / "new")
    assert told.exit_code != 0
    assert "the nearest is 'ckpt/best.pt'" in told.stderr
    assert asynclog("artifacts", "get", run, "latest", run / "run.json").exit_code != 0


def test_verify_compares_bytes_with_their_digests(run: Path) -> None:
    assert "3 artifacts" in asynclog("verify", run).stdout
    content = al.read(run).artifact("latest").path
    content.write_text("weights of 2")
    told = asynclog("verify", run)
    assert told.exit_code == 1
    assert "the bytes of ckpt/best.pt:v1 are not what was recorded" in told.stdout
    content.unlink()
    assert "the bytes of ckpt/best.pt:v1 are gone" in asynclog("verify", run).stdout

"""Where a run was made is told, and nothing that is secret."""

import subprocess
import tracemalloc
from pathlib import Path

from asynclog.logger.capturing.environment import environment, git, hidden, uncommitted, variables


def repository(path: Path, *commands: str) -> None:
    for command in ("init -q -b work", "config user.name n", "config user.email e@x.example", *commands):
        subprocess.run(["git", "-C", str(path), *command.split()], check=True, capture_output=True)


def test_git_s_state_is_told_with_what_is_not_committed(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("lr = 1\n")
    repository(tmp_path, "add .", "commit -q -m first", "remote add origin https://me:hunter2@host.example/x.git")
    clean = git(tmp_path)
    assert clean is not None
    assert (clean["dirty"], clean["branch"], len(clean["commit"])) == (False, "work", 40)
    assert clean["remote"] == "https://host.example/x.git"
    assert uncommitted(tmp_path) is None
    (tmp_path / "train.py").write_text("lr = 2\n")
    changed = git(tmp_path)
    assert changed is not None
    assert changed["dirty"]
    assert "+lr = 2" in (uncommitted(tmp_path) or "")


def test_without_a_repository_nothing_is_told_of_git(tmp_path: Path) -> None:
    assert git(tmp_path) is None
    assert "git" not in environment(tmp_path)


def test_a_long_diff_is_cut(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("x\n")
    repository(tmp_path, "add .", "commit -q -m first")
    (tmp_path / "data.txt").write_text("a line of text\n" * 1_000_000)
    tracemalloc.start()
    changes = uncommitted(tmp_path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert changes is not None
    assert len(changes) < (1 << 20) + 100
    assert changes.endswith("bytes more")
    assert most < 8 << 20


def test_where_git_can_not_tell_what_changed_it_is_not_told_that_nothing_did(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("lr = 1\n")
    repository(tmp_path, "add .", "commit -q -m first")
    (tmp_path / ".git/index").write_bytes(b"damaged")
    found = git(tmp_path)
    assert found is not None
    assert sorted(found) == ["branch", "commit"]


def test_variables_are_those_that_are_named_and_never_secrets() -> None:
    environ = {
        "RANK": "1",
        "SLURM_JOB_ID": "7",
        "NCCL_DEBUG": "INFO",
        "TORCHELASTIC_RUN_ID": "x",
        "SLURM_JWT": "s",
        "NCCL_TOKEN": "s",
        "HOME": "/root",
        "OPENAI_API_KEY": "s",
    }
    assert variables(environ) == {"NCCL_DEBUG": "INFO", "RANK": "1", "SLURM_JOB_ID": "7", "TORCHELASTIC_RUN_ID": "x"}


def test_a_command_line_is_told_without_what_follows_on_a_secret_s_name() -> None:
    given = ["python", "train.py", "--api-key", "s1", "--lr", "1", "--token=s2", "wandb.key=s3", "--password", "--fast"]
    shown = ["python", "train.py", "--api-key", "***", "--lr", "1", "--token=***", "wandb.key=***", "--password", "--fast"]
    assert hidden(given) == shown


def test_a_command_line_is_told_without_the_passwords_of_addresses_and_headers() -> None:
    given = ["t.py", "--db=postgres://me:s1@host/db", "https://s2@host.example/x@y", "-H", "Authorization: Bearer s", "a: b"]
    shown = ["t.py", "--db=postgres://***@host/db", "https://***@host.example/x@y", "-H", "Authorization: ***", "a: b"]
    assert hidden(given) == shown

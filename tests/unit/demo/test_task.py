"""Tasks by their names, and what the command line says of one that isn't there or can't be loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from asynclog.demo import TASKS
from asynclog.demo.task import Task, task_named
from asynclog.errors import InvalidConfiguration


def test_every_task_is_found_by_its_name() -> None:
    tasks = [task_named(name) for name in TASKS]
    assert all(issubclass(task, Task) for task in tasks)
    assert len(set(tasks)) == len(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_a_quick_demo_takes_ten_seconds_unless_told_otherwise(name: str) -> None:
    task = task_named(name)
    assert task.planned(None, seed=3, quick=True).plan.seconds == 10
    assert task.planned(4.5, seed=3, quick=True).plan.seconds == task.planned(4.5, seed=3, quick=False).plan.seconds == 4.5
    full = task.planned(None, seed=3, quick=False).plan
    assert 10 < full.seconds <= 75
    assert full.seed == 3


def test_an_unknown_task_names_those_there_are() -> None:
    with pytest.raises(InvalidConfiguration, match="no task 'chess'; there are cartpole and digits"):
        task_named("chess")


def command(code: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """The command line in a process of its own, after some code."""
    program = f"{code}; from asynclog.cli import main; main()"
    words = tuple(map(str, words))
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60)


def test_the_command_line_says_so_in_a_line(tmp_path: Path) -> None:
    ended = command("import sys", "demo", "--task", "chess", tmp_path / "run")
    assert ended.returncode == 2
    assert ended.stderr == "error: there is no task 'chess'; there are cartpole and digits\n"
    assert not (tmp_path / "run").exists()


def test_what_a_task_lacks_is_named_with_the_extra_that_has_it(tmp_path: Path) -> None:
    ended = command("import sys; sys.modules['sklearn'] = None", "demo", "--task", "digits", tmp_path / "run")
    assert ended.returncode == 2
    assert ended.stderr == "error: the demo needs sklearn: pip install 'asynclog-stream[demo]'\n"
    assert not (tmp_path / "run").exists()

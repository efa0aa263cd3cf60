"""Cells of a notebook: each is compiled with top-level await and run on a loop that is running, as IPython's kernel does."""

import ast
import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest

import asynclog as al


async def run_cells(*cells: str, **names: Any) -> dict[str, Any]:
    """Each in a task of its own, with the loop turning between them."""
    names |= {"al": al, "asyncio": asyncio}

    async def run(cell: str) -> None:
        made = eval(compile(cell, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.isawaitable(made):
            await made

    for cell in cells:
        await asyncio.get_running_loop().create_task(run(cell))
    return names


@pytest.mark.blocking
async def test_cells_that_await_and_cells_that_dont_record_one_run(tmp_path: Path) -> None:
    memory = al.sinks.Memory()
    await run_cells(
        "log = al.MultiLogger(path, sinks=[memory])",
        "for step in range(3):\n    log.log_scalar('loss', float(step))\n    log.write_blocking(step)",
        "for step in range(3, 6):\n    log.log_scalar('loss', float(step))\n    await log.write(step)",
        "log.log_scalar('loss', 6.0)",
        "log.write_blocking(6)",
        "await log.aclose()",
        path=tmp_path / "run",
        memory=memory,
    )
    assert al.read(tmp_path / "run").series("loss").value.tolist() == [float(step) for step in range(7)]
    assert [one.value for one in memory.events] == [float(step) for step in range(7)]


@pytest.mark.blocking
async def test_a_cell_with_a_with_statement_ends_its_run(tmp_path: Path) -> None:
    """The sink that would live on the loop, which stands still meanwhile, gets everything before the cell ends."""
    memory = al.sinks.Memory()
    names = await run_cells(
        """
with al.MultiLogger(path, sinks=[memory]) as log:
    for step in range(3):
        log.log_scalar("loss", float(step))
        log.write_blocking(step)
seen = len(memory.events)
""",
        path=tmp_path / "run",
        memory=memory,
    )
    assert names["seen"] == 3
    assert al.read(tmp_path / "run").status == "finished"


@pytest.mark.blocking
async def test_a_cell_that_fails_under_with_fails_its_run_alone(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        await run_cells("with al.MultiLogger(path) as log:\n    log.log_scalar('loss', 1 / 0)", path=tmp_path / "run")
    await run_cells(
        "with al.MultiLogger(path) as log:\n    log.log_scalar('loss', 1.0)\n    log.write_blocking(0)", path=tmp_path / "run"
    )
    assert [one.status for one in al.read(tmp_path / "run").writers] == ["failed", "finished"]

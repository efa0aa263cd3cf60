"""Several processes that open one run directory at once, as a launcher starts them: one run, a writer each."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import SeriesNotFound
from tests.integration.scripts import ROOT

RANKS = 3
PROGRAM = """
import os, sys
import asynclog as al
rank = int(os.environ["RANK"])
log = al.MultiLogger(sys.argv[1], resume=sys.argv[2], config={"lr": 0.1}, recorder="thread")
sys.stdin.readline()
with log:
    for step in range(5):
        log.log_scalar("loss", 10.0 * rank + step)
        if rank == 2:
            log.log_string("said", f"by {rank}")
        log.write_nowait(step)
"""


def start(path: Path, rank: int, resume: str) -> "subprocess.Popen[str]":
    environ = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(RANKS), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path), resume],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )


def train(path: Path, resume: str) -> list[str]:
    """Start all ranks, let them open the run at one moment; what each said in the end, if it failed."""
    ranks = [start(path, rank, resume) for rank in range(RANKS)]
    for one in ranks:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    said = [one.communicate(timeout=50)[1] for one in ranks]
    return [text for one, text in zip(ranks, said, strict=True) if one.returncode]


@pytest.mark.timeout(120)
def test_ranks_that_open_a_run_at_once_make_one_run_with_a_writer_each(tmp_path: Path) -> None:
    assert train(tmp_path / "run", "never") == []
    run = al.read(tmp_path / "run")
    assert [(one.writer, one.rank, one.status) for one in run.writers] == [(f"rank{n}", n, "finished") for n in range(RANKS)]
    assert run.status == "finished"
    assert not list((tmp_path / "run").glob(".run-*"))
    assert len(run.series("loss")) == 5 * RANKS
    for rank in range(RANKS):
        own = run.series("loss", writer=f"rank{rank}")
        np.testing.assert_array_equal(own.step, range(5))
        np.testing.assert_array_equal(own.value, 10.0 * rank + np.arange(5))
        assert {one.value for one in run.events("string", writer=f"rank{rank}")} == ({"by 2"} if rank == 2 else set())
    assert [one.key for one in run.keys(writer="rank1")] == ["loss", "config"]
    with pytest.raises(SeriesNotFound, match="no writer is named 'rank9'; the run has rank0, rank1, rank2"):
        run.series("loss", writer="rank9")
    with pytest.raises(SeriesNotFound, match="said"):
        run.table("said", writer="rank2")
    again = train(tmp_path / "run", "never")
    assert len(again) == RANKS
    assert all("exists already, and resume='never'" in one for one in again)
    assert train(tmp_path / "run", "must") == []
    assert len(al.read(tmp_path / "run").series("loss", writer="rank2")) == 10

"""Trainings of several ranks on gloo, started by torchrun: one run, reduced metrics right, each rank's own kept."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

import asynclog as al
from asynclog.errors import SeriesNotFound
from tests.integration.ranks_training import EPOCHS, batch_size, iterations, metric
from tests.integration.scripts import ROOT, settled
from tests.unmeasured import UNMEASURED

pytest.importorskip("torch")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def torchrun(ranks: int, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    program = ["--module", "tests.integration.ranks_training", *map(str, arguments)]
    environ = {**UNMEASURED, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *program], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=160)


def mean_score(ranks: Iterable[int], epoch: int) -> float:
    """Over every iteration of these ranks, computed here."""
    whose = [(rank, iteration) for rank in ranks for iteration in range(iterations(rank))]
    return float(np.average([metric(rank, epoch, one) for rank, one in whose], weights=[batch_size(*one) for one in whose]))


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_make_one_run_with_reduced_metrics_and_their_own(tmp_path: Path, ranks: int) -> None:
    done = torchrun(ranks, tmp_path / "run", EPOCHS)
    assert done.returncode == 0, done.stderr
    run = al.read(tmp_path / "run")
    assert run.status == "finished"
    assert [(one.writer, one.rank) for one in run.writers] == [(f"rank{rank}", rank) for rank in range(ranks)]
    assert run.config["lr"] == 0.01

    reduced = run.series("Metric-EpochWise/score/train")
    np.testing.assert_array_equal(reduced.step, range(EPOCHS))
    np.testing.assert_allclose(reduced.value, [mean_score(range(ranks), epoch) for epoch in range(EPOCHS)], rtol=1e-12)

    right = sum(rank * iterations(rank) for rank in range(ranks))
    answers = sum(batch_size(rank, iteration) for rank in range(ranks) for iteration in range(iterations(rank)))
    np.testing.assert_allclose(run.series("Metric-EpochWise/right/train").value, [right / answers] * EPOCHS)
    rare = run.series("Metric-EpochWise/rare/train")
    assert rare.step.tolist() == [1]
    last = ranks - 1
    sizes = [batch_size(last, iteration) for iteration in range(iterations(last))]
    assert rare.value.tolist() == pytest.approx([np.average(range(iterations(last)), weights=sizes)])

    with pytest.raises(SeriesNotFound):
        run.series("Metric-EpochWise/score/train", writer="rank1")
    for rank in range(ranks):
        shard = tmp_path / "run" / "shards" / f"rank{rank}" / f"{EPOCHS - 1}_latest.pt"
        assert shard.read_text() == str(rank)
        own = run.series("Metric-BatchWise/score/train", writer=f"rank{rank}")
        wanted = [metric(rank, epoch, iteration) for epoch in range(EPOCHS) for iteration in range(iterations(rank))]
        assert own.value.tolist() == wanted
        mean = run.series("Metric-EpochWise-Rank/score/train", writer=f"rank{rank}")
        np.testing.assert_allclose(mean.value, [mean_score([rank], epoch) for epoch in range(EPOCHS)], rtol=1e-12)
        spread = [one.value.count for one in run.events("histogram", "Metric-Hist/score/train", writer=f"rank{rank}")]
        assert spread == [iterations(rank)] * EPOCHS
        refused = [one.value for one in run.events("string", "refused", writer=f"rank{rank}")]
        ones = ", ".join(map(str, range(1, ranks)))
        assert refused == [f"meter 'clash': expected the same on every rank, got mean on rank 0; sum on rank {ones}"]
        assert run.series("rank", writer=f"rank{rank}").value.tolist() == [ranks - 1]


def test_a_rank_that_is_killed_costs_the_others_no_record(tmp_path: Path) -> None:
    """torchrun ends the others; what each had logged is whole, and the run says what became of it."""
    done = torchrun(2, tmp_path / "run", EPOCHS, 1)
    assert done.returncode != 0
    settled(tmp_path / "run")
    run = al.read(tmp_path / "run")
    assert {one.writer: one.status for one in run.writers}["rank1"] == "killed"
    assert run.status in ("killed", "failed")
    assert not run.damage
    assert run.missing == 0
    for rank, epochs in ((0, [range(iterations(0))] * 2), (1, [range(iterations(1)), range(3)])):
        own = run.series("Metric-BatchWise/score/train", writer=f"rank{rank}")
        wanted = [metric(rank, epoch, iteration) for epoch, ones in enumerate(epochs) for iteration in ones]
        assert len(own) >= iterations(rank) + 2
        assert own.value.tolist() == (wanted if rank else wanted[: len(own)])
    assert run.series("Metric-EpochWise/score/train").step.tolist() == [0]

"""docs/examples/composer runs as it stands, and leaves behind what its page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import asynclog as al
from tests.integration.scripts import ROOT


def example(name: str, *arguments: object) -> list[str]:
    """What a program of the example prints."""
    ended = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "examples" / "composer" / name), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.splitlines()


def test_the_loop_of_ones_own(tmp_path: Path) -> None:
    """Events, exact lines, levels, time series, a destination of Composer's shape, masks, and artifacts read back."""
    run = tmp_path / "digits"
    *epochs, closed, loss, same, latest = example("run.py", run)
    assert [line.split(":")[0] for line in epochs] == ["epoch 0", "epoch 1", "epoch 2"]
    assert closed == "digits: 123 values, epochs ended at [(0, 19), (1, 39), (2, 59)]"
    assert loss == "loss over batches 0 to 59, 1888 samples"
    assert same == "the destination written for Composer has the same: True"
    assert latest == "latest is checkpoints/ep2.npy, 8 weights"

    lines = (run / "logs-rank0.txt").read_text().splitlines()
    assert lines[:3] == ['[hyperparameter]: optimizer: "sgd" ', "[hyperparameter]: lr: 0.5000 ", "[hyperparameter]: epochs: 3 "]
    assert sum(line.startswith("[metric]") for line in lines) == 2 * 60 + 3
    coarse = (run / "epochs.txt").read_text().splitlines()
    assert coarse[0] == '[FIT][batch=0]: { "optimizer": "sgd", "lr": 0.5000, "epochs": 3, }'
    found = [line for line in coarse if line.startswith("[EPOCH]")]
    assert all(re.fullmatch(r'\[EPOCH\]\[batch=\d+\]: \{ "metrics/eval/accuracy": 0\.\d{4}, \}', line) for line in found)
    assert (len(found), sum("[BATCH]" in line for line in coarse)) == (3, 0)

    recorded = al.read(run)
    assert recorded.status == "finished"
    images = [event.value for event in recorded.events(kind="image")]
    assert [[word for _, word in one.legend()] for one in images] == [["positive"]] * 3
    for epoch in range(3):
        kept = np.load(recorded.artifact(f"checkpoints/ep{epoch}.npy").path)
        assert np.array_equal(kept, np.load(run / "scratch" / f"ep{epoch}.npy"))


def test_composers_own_trainer(tmp_path: Path) -> None:
    pytest.importorskip("composer")
    assert example("trainer.py", tmp_path)[-1].startswith("<Series metrics/eval/MulticlassAccuracy (valid): 2 points")

"""The example of unifi3d's documentation, as a program, with everything that it logs read back."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import asynclog as al
from tests.integration.scripts import ROOT

pytest.importorskip("hydra")
torch = pytest.importorskip("torch")
trimesh = pytest.importorskip("trimesh")
EPOCHS = 4


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_unifi3ds_example_trains_and_everything_it_logs_is_there(tmp_path: Path) -> None:
    words = ["experiment=shapes", f"hydra.run.dir={tmp_path}", f"trainer.max_epochs={EPOCHS}"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/examples/unifi3d/train.py"), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SLURM_JOB_ID": "4711"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "Metric-EpochWise/val_loss/val" in done.stderr
    run = al.read(tmp_path / "log" / "tensorboard")
    assert run.status == "finished"
    assert not run.damage

    loss = run.series("Metric-BatchWise/loss/train")
    assert loss.step.tolist() == list(range(1, 4 * EPOCHS + 1))
    assert loss.value[-1] < loss.value[0] / 4
    means = run.series("Metric-EpochWise/loss/train")
    assert means.step.tolist() == list(range(1, EPOCHS + 1))
    np.testing.assert_allclose(means.value, loss.value.reshape(EPOCHS, 4).mean(1))
    valid = run.series("Metric-BatchWise/val_loss/val").value.reshape(EPOCHS, 2)
    np.testing.assert_allclose(run.series("Metric-EpochWise/val_loss/val").value, np.average(valid, axis=1, weights=[12, 4]))
    np.testing.assert_allclose(run.series("Metric-BatchWise/lr/train").value, 0.01)

    assert [one.value.count for one in run.events("histogram", "Hist/hist_loss/train")] == [48] * EPOCHS
    assert [one.value.count for one in run.events("histogram", "Metric-Hist/loss/train")] == [4] * EPOCHS
    pictures = [one.value for one in run.events("image", "render_rec/train")]
    assert len(pictures) == 2 * EPOCHS
    assert [one.caption for one in pictures[:2]] == ["0 view 0", "0 view 1"]
    assert next(run.events("image", "depth/train")).value.data.shape == (3, 48, 48)
    film = next(run.events("video", "turntable/train")).value
    assert (film.data.shape, film.fps) == ((8, 1, 48, 48), 10.0)
    assert next(run.events("mesh", "mesh_rec/val")).value.faces.shape == (320, 3)
    cloud = next(run.events("point_cloud", "surface_points/train")).value
    assert cloud.points.shape == (162, 3)
    assert set(map(tuple, cloud.colors.tolist())) <= {(0, 255, 0), (255, 0, 0)}

    assert run.config["slurm_job_id"] == "4711"
    assert run.config["model/params/total"] == run.config["model/params/trainable"] == 16586
    assert run.config["cfg"]["trainer/lr"] == 0.01

    checkpoints = sorted(one.name for one in (tmp_path / "checkpoints").iterdir())
    assert checkpoints == ["2.pt", "4.pt", "4_latest.pt", "selected.json", "selected.pt"]
    best = torch.load(tmp_path / "checkpoints" / "selected.pt", weights_only=False)
    assert best["select_metric"] == pytest.approx(float(run.series("Metric-EpochWise/val_loss/val").value.min()))

    files = tmp_path / "log" / "tensorboard" / "files"
    suffixes = {kind.name: {one.suffix for one in kind.iterdir()} for kind in files.iterdir() if kind.is_dir()}
    assert suffixes == {"image": {".png"}, "video": {".gif"}, "mesh": {".obj"}, "point_cloud": {".txt"}}
    assert trimesh.load(next((files / "mesh").glob("*mesh_rec*.obj")), process=False).faces.shape == (320, 3)
    assert np.loadtxt(next((files / "point_cloud").iterdir())).shape == (162, 6)

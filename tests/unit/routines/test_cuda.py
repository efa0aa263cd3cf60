"""What an iteration has on a CUDA device stays there: nothing waits for it, and what is recorded is right."""

from pathlib import Path

import numpy as np
import pytest

import asynclog as al
from asynclog.routines import Meters, Ratio, Routines
from asynclog.routines.magma import coloured

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.gpu
BUSY_CYCLES = 2_000_000_000
"""About a second on any device of these years."""


async def test_neither_an_iteration_nor_an_epoch_waits_for_the_device(tmp_path: Path) -> None:
    tracked = {"metric": ["loss", "several", "right"], "hist": ["each"], "image": ["grey"], "mesh": ["cloud"]}
    grey = torch.rand(2, 1, 16, 16, device="cuda")
    cloud = torch.rand(100, 6, device="cuda")
    async with al.MultiLogger(tmp_path / "run", recorder="thread", strict=True) as log:
        routines = Routines(log, tracked)
        for epoch in range(2):
            if epoch:
                await log.flush()
                torch.cuda._sleep(BUSY_CYCLES)
            for iteration in range(4):
                value = torch.full((), 1.0 + iteration, device="cuda", requires_grad=True)
                said = {
                    "loss": value * 2,
                    "several": value.expand(3),
                    "right": Ratio(value.detach(), 4),
                    "each": value.expand(5),
                }
                at = {"phase": "train", "epoch": epoch, "iteration": 4 * epoch + iteration, "batch_size": 1 + iteration}
                await routines.log_iter({**at, **said, "grey": grey, "cloud": cloud})
            await routines.log_epoch()
            if epoch:
                assert not torch.cuda.current_stream().query(), "somebody waited"
    run = al.read(tmp_path / "run")
    assert run.series("Metric-BatchWise/loss/train").value.tolist() == [2.0, 4.0, 6.0, 8.0] * 2
    mean = np.average([2.0, 4.0, 6.0, 8.0], weights=[1, 2, 3, 4])
    np.testing.assert_allclose(run.series("Metric-EpochWise/loss/train").value, [mean] * 2)
    np.testing.assert_allclose(run.series("Metric-EpochWise/right/train").value, [10 / 16] * 2)
    assert [one.value.count for one in run.events("histogram", "Hist/each/train")] == [20, 20]
    assert [one.value.mean for one in run.events("histogram", "Metric-Hist/several/train")] == [2.5, 2.5]
    picture = next(run.events("image", "grey/train")).value
    np.testing.assert_array_equal(picture.data, coloured(grey[0, 0].cpu()).numpy())
    assert next(run.events("point_cloud", "cloud/train")).value.colors.dtype == np.uint8
    assert run.series("Device-Memory/allocated").value.min() > 0


async def test_meters_are_fetched_once() -> None:
    meters = Meters()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(BUSY_CYCLES // 10)
        for value in (1.0, 2.0, 6.0):
            meters.spread("loss", torch.tensor(value).to("cuda", non_blocking=True))
        meters.ratio("right", torch.ones((), device="cuda"), torch.full((), 4.0, device="cuda"))
        reduced = await meters.reduce()
    assert reduced.values == {"loss/mean": 3.0, "loss/min": 1.0, "loss/max": 6.0, "right": 0.25}

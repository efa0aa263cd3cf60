"""The run that every destination is shown: each kind in two phases, over steps of which one is late."""

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

import asynclog as al

STEPS: Final = (0, 1, 2, 5, 10, 7)
"""The last one is late."""
CONFIG: Final = {"optimizer": {"name": "adam", "lr": 1e-3}, "layers": 3, "amp": True}
NUMBERS: Final = (0.1, -1.5, math.nan, math.inf, 1e300, 3.0)


def values(step: int) -> dict[str, Any]:
    """One value of each kind but config, by a key named after it; plain ones, which differ from step to step."""
    random = np.random.default_rng(step)
    points = random.normal(size=(40, 3)).astype(np.float32)
    seconds = np.arange(2000, dtype=np.float32) / 8000
    return {
        "image": al.Image(random.integers(0, 256, (3, 24, 32), np.uint8)),
        "audio": al.Audio(0.5 * np.sin(2 * np.pi * (200 + 50 * step) * seconds), sample_rate=8000),
        "spectrogram": al.Spectrogram(0.5 * np.sin(2 * np.pi * (400 + 50 * step) * seconds), sample_rate=8000),
        "video": al.Video(_film(step), fps=8.0),
        "histogram": al.Histogram(
            random.integers(1, 9, 64), low=-2.0 - step, high=2.0, count=300, mean=float(step), std=1.0, nans=1
        ),
        "point_cloud": al.PointCloud(points, random.integers(0, 256, (40, 3), np.uint8)),
        "mesh": al.Mesh(points[:4] + step, np.array([[0, 1, 2], [0, 2, 3]]), colors=random.integers(0, 256, (4, 3), np.uint8)),
        "table": al.Table.of_rows(["step", "said", "loss"], [(step, "a, b", 0.5), (step + 1, "c", 0.25)]),
        "tensor": al.Tensor(random.normal(size=(3, 4))),
        "rollout": al.Rollout(
            [{"role": "user", "content": f"{step} + 2?"}, {"role": "assistant", "content": f"{step + 2}"}],
            tokens=np.arange(6),
            logprobs=np.linspace(-1, 0, 6),
            reward=1.0,
        ),
        "record": al.Record(f"disk nearly full at {step}", 30, "os", "disk.py:7"),
        "string": f"said at step {step}",
    }


def _film(step: int) -> np.ndarray:
    """A bright square that moves, large enough for lossy codecs to keep."""
    clip = np.zeros((6, 3, 64, 64), np.uint8)
    for frame in range(len(clip)):
        at = 4 * frame + step
        clip[frame, frame % 3, at : at + 24, 8:40] = 220
    return clip


class Diverged(Exception):
    """What ends a training that fails."""


async def record(run: Any, sinks: Any, *, config: Mapping[str, Any] = CONFIG, fails: bool = False) -> dict[str, Any]:
    """Record the run as a training loop does, and wait for its end; returns the routes' last statistics."""
    log = al.MultiLogger(run, sinks=sinks, config=config)
    with suppress(Diverged):
        await _train(log, Path(run).with_name("weights.bin"), fails=fails)
    routes: dict[str, Any] = log.statistics()["routes"]
    return routes


async def _train(log: al.MultiLogger, weights: Path, *, fails: bool) -> None:
    async with log:
        for number, step in zip(NUMBERS, STEPS, strict=True):
            for phase in ("train", "valid"):
                log.log({"loss": number, "count": step})
                with log.namespace("net"):
                    log.log_scalar("grad", step / 7)
                if step % 5 == 0 or step == STEPS[-1]:
                    log.log({f"a {kind}": value for kind, value in values(step).items()}, namespace="media")
                    await asyncio.to_thread(weights.write_text, f"weights of {phase} at {step}")
                    log.log_artifact(f"an artifact of {phase} at {step}", weights, namespace="media")
                await log.write(al.State(step, phase, epoch=step // 5))
            await log.hook("epoch_end", al.State(step, epoch=step // 5, level="epoch"))
            await asyncio.sleep(0)
        await log.flush()
        if fails:
            raise Diverged("the loss is NaN")

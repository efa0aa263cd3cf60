"""Weights & Biases, offline: a dict a step. System metrics and console capture are off, which favours it."""

from pathlib import Path

from bench.figures import Sample
from bench.peers.timing import measure


def scalars(directory: Path, *, steps: int) -> Sample:
    """W1 with `Run.log`; nothing leaves the machine."""
    import wandb

    quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True)
    run = wandb.init(mode="offline", project="bench", dir=str(directory), settings=quiet)
    return measure(directory, steps, lambda values, step: run.log(values, step=step), run.finish)

"""TensorBoard through `torch.utils.tensorboard`: it takes a scalar a call, so a step is ten calls."""

from pathlib import Path

from bench.figures import Sample
from bench.peers.timing import measure


def scalars(directory: Path, *, steps: int) -> Sample:
    """W1 with a SummaryWriter of default settings."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(directory))

    def log(values: dict[str, float], step: int) -> None:
        for key, value in values.items():
            writer.add_scalar(key, value, step)

    return measure(directory, steps, log, writer.close)

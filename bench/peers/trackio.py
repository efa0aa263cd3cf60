"""trackio with its local SQLite store: a dict a step, handed to a thread that writes."""

import os
from pathlib import Path

from bench.figures import Sample
from bench.peers.timing import measure


def scalars(directory: Path, *, steps: int) -> Sample:
    """W1 with `trackio.log`; the store lies in the sample's directory, and no dashboard is opened."""
    # Both are read when trackio is imported.
    os.environ |= {"TRACKIO_DIR": str(directory), "HF_HUB_OFFLINE": "1"}
    import trackio

    trackio.init(project="bench", name="w1")
    return measure(directory, steps, lambda values, step: trackio.log(values, step=step), trackio.finish)

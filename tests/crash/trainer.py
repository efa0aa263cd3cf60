"""A training that saves checkpoints, is killed, and goes on from the last one. Its values depend on the step alone, so that
whatever happened, the series must be those of a training that nothing happened to."""

import argparse
import json
import os
import signal
from pathlib import Path
from typing import Final

import numpy as np

import asynclog as al

SAVE_EVERY: Final = 50
VALID_EVERY: Final = 5


def train(folder: Path, stop: int, killed_at: int | None) -> None:
    """From the checkpoint, if there is one."""
    checkpoint = folder / "checkpoint.json"
    sinks = [al.sinks.TensorBoard(), al.sinks.JSONLines("metrics.jsonl")]
    if checkpoint.exists():
        saved = json.loads(checkpoint.read_text())
        first, log = saved["model"] + 1, al.MultiLogger.from_state_dict(saved["logger"], sinks=sinks)
    else:
        first, log = 0, al.MultiLogger(folder / "run", sinks=sinks)
    with log:
        for step in range(first, stop):
            if step == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            log.log_scalar("loss", 1.0 / (1 + step))
            log.log_scalar("step", step)
            log.write_nowait(step)
            if step % VALID_EVERY == 0:
                log.log_scalar("accuracy", step / stop)
                log.write_nowait(al.State(step, "valid"))
            if step % SAVE_EVERY == SAVE_EVERY - 1:
                log.log_image("sample", np.full((4, 4), step % 256, np.uint8))
                log.write_nowait(step)
                draft = checkpoint.with_suffix(".draft")
                draft.write_text(json.dumps({"model": step, "logger": log.state_dict()}))
                draft.replace(checkpoint)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("stop", type=int)
    parser.add_argument("--killed-at", type=int)
    given = parser.parse_args()
    train(given.folder, given.stop, given.killed_at)

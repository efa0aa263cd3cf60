"""What Composer's documentation shows of logging, in a loop of one's own: ``python docs/examples/composer/run.py``.

Levels and events, a file to read, time series to plot, a destination written for Composer, a sink that acts on events, images
with masks, and checkpoints as artifacts with a name for the latest.
"""

import argparse
import asyncio
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from dictionary_logger import DictionaryLogger

import asynclog as al
from asynclog.integrations.composer import DestinationSink

EPOCHS, BATCHES, SAMPLES = 3, 20, 32


class Best(al.BaseSink):
    """Acts on events: tells at the end of each evaluation whether it was the best so far."""

    def __init__(self):
        self.accuracy, self.best = 0.0, 0.0

    def log_scalar(self, key, value, state, namespace):
        if (namespace, key) == ("metrics/eval", "accuracy"):
            self.accuracy = value

    async def eval_end(self, state):
        better = self.accuracy > self.best
        self.best = max(self.best, self.accuracy)
        print(f"epoch {state.epoch}: accuracy {self.accuracy:.3f}{', the best so far' if better else ''}")


class Model:
    """Logistic regression, trained by gradient descent."""

    def __init__(self, features, random):
        self.weights = np.zeros(features)
        self.truth = random.normal(size=features)
        self.random = random

    def batch(self, samples):
        inputs = self.random.normal(size=(samples, len(self.weights)))
        return inputs, (inputs @ self.truth > 0).astype(float)

    def step(self, inputs, labels, rate):
        said = 1 / (1 + np.exp(-inputs @ self.weights))
        gradient = inputs.T @ (said - labels) / len(labels)
        self.weights -= rate * gradient
        return float(-np.mean(np.log(np.where(labels > 0, said, 1 - said) + 1e-12))), float(np.linalg.norm(gradient))

    def accuracy(self):
        inputs, labels = self.batch(2000)
        return float(np.mean((inputs @ self.weights > 0) == labels))


async def train(log, checkpoints, rate):
    model = Model(8, np.random.default_rng(0))
    step, state = 0, al.State(0, level="fit")
    await log.write(state)  # the settings, which belong to the run
    await log.hook("fit_start", state)
    for epoch in range(EPOCHS):
        await log.hook("epoch_start", al.State(step, epoch=epoch, level="epoch"))
        for _ in range(BATCHES):
            state = al.State(step, epoch=epoch, axes={"sample": step * SAMPLES})
            loss, gradient = model.step(*model.batch(SAMPLES), rate)
            log.log({"loss": loss, "gradient_norm": gradient}, namespace="train")
            await log.write(state)
            await log.hook("batch_end", state)
            step += 1
        ended = al.State(step - 1, "valid", epoch=epoch, level="epoch")
        log.log_scalar("accuracy", model.accuracy(), namespace="metrics/eval")
        log.log_table("weights", [{"feature": at, "weight": one} for at, one in enumerate(model.weights)])
        log.log_record("weights", "weights", logger="trace", fields={"trace": {"norm": float(np.linalg.norm(model.weights))}})
        grid = np.add.outer(np.arange(48), np.arange(64))
        log.log_image(
            "samples",
            (grid % 256).astype(np.uint8),
            masks={"predicted": grid // 56},
            mask_labels={"predicted": {1: "positive"}},
        )
        path = checkpoints / f"ep{epoch}.npy"
        await asyncio.to_thread(np.save, path, model.weights)
        log.log_artifact(f"checkpoints/{path.name}", path)
        await log.write(ended)
        log.log_symlink(f"checkpoints/{path.name}", "checkpoints/latest.npy", overwrite=True)
        await log.write(ended)
        await log.hook("eval_end", ended)
        await log.hook("epoch_end", al.State(step - 1, epoch=epoch, level="epoch"))
    await log.hook("fit_end", al.State(step - 1, epoch=EPOCHS, level="fit"))


async def main(run):
    memory, theirs = al.sinks.Memory(), DictionaryLogger()
    sinks = [
        al.sinks.LogFile("logs-rank{rank}.txt", flush_interval=50),
        al.Route(al.sinks.LogFile("epochs.txt", style="level", log_level="epoch"), name="epochs"),
        memory,
        DestinationSink(theirs),
        Best(),
    ]
    checkpoints = run / "scratch"
    checkpoints.mkdir(parents=True)
    config = {"optimizer": "sgd", "lr": 0.5, "epochs": EPOCHS}
    async with al.MultiLogger(run, sinks=sinks, config=config) as log:
        await train(log, checkpoints, config["lr"])

    series = memory.get_timeseries("train/loss")
    same = [value for _, value in theirs.data["train/loss"]] == series["train/loss"].tolist()
    print(f"loss over batches {series['batch'][0]} to {series['batch'][-1]}, {int(series['sample'][-1])} samples")
    print(f"the destination written for Composer has the same: {same}")
    latest = al.read(run).artifact("checkpoints/latest.npy")
    print(f"latest is {latest.name}, {np.load(latest.path).shape[0]} weights")
    return 0 if same else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, default=Path("runs/composer"))
    sys.exit(asyncio.run(main(parser.parse_args().run)))

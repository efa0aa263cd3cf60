"""A model, a task and a trainer that share a logger, as in ml-starter: each logs under a namespace of its own, every kind of
value, as a value or as a callable; the trainer writes. Two spirals are told apart, with numpy alone.

    python docs/examples/mlstarter/run.py [RUN]
"""

import asyncio
import sys
from pathlib import Path

import numpy as np

import asynclog as al

HERE = Path(__file__).parent
RATE = 8000


class Model:
    """Two layers. What it says goes under "model"."""

    def __init__(self, log, hidden=24):
        self.log = log.child("model")
        random = np.random.default_rng(0)
        self.weights = [random.normal(size=(2, hidden)) * 1.5, random.normal(size=(hidden, 1)) * 0.3]
        self.bias = random.normal(size=hidden)

    def __call__(self, points):
        self.hidden = np.tanh(points @ self.weights[0] * 3 + self.bias)
        self.log.log_histogram("hidden", lambda: self.hidden)
        return 1 / (1 + np.exp(-(self.hidden @ self.weights[1])[:, 0]))

    def learn(self, error, rate):
        gradient = self.hidden.T @ error[:, None] / len(error)
        self.weights[1] -= rate * gradient
        self.log.log_scalar("gradient", lambda: float(np.linalg.norm(gradient)))


class Task:
    """Data, loss, and pictures of it. What it says goes under "task"."""

    def __init__(self, log, batch_size):
        self.log = log.child("task")
        self.batch_size = batch_size
        self.random = np.random.default_rng(1)

    def batch(self):
        which = self.random.integers(0, 2, self.batch_size)
        turn = self.random.uniform(0.2, 1, self.batch_size)
        angle = turn * 4 + which * np.pi
        return np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1), which

    def loss(self, points, which, guess):
        loss = -np.log(np.where(which == 1, guess, 1 - guess) + 1e-9).mean()
        self.log.log_scalar("loss", loss)
        self.log.log_scalar("accuracy", lambda: float(((guess > 0.5) == which).mean()), reduce="mean")
        self.log.log_point_cloud("points", lambda: np.column_stack([points, guess]), max_points=50)
        return guess - which

    def validate(self, model):
        """Every kind of picture and sound: callables, which are called if a logger is due."""
        log, grid = self.log, np.stack(np.meshgrid(*[np.linspace(-1, 1, 40)] * 2), axis=-1)
        field = model(grid.reshape(-1, 2)).reshape(40, 40)
        log.log_string("verdict", "a spiral" if field.std() > 0.1 else "nothing yet")
        log.log_image("field", lambda: field)
        log.log_images("features", lambda: model.hidden.T[:6].reshape(6, 40, 40), sep=2)
        log.log_labeled_image("labelled", lambda: (field, f"{field.mean():.2f} on average"))
        log.log_labeled_images("two", lambda: (np.stack([field, 1 - field]), ["one", "the other"]), sep=2)
        sound = 0.8 * np.sin(np.cumsum(2 * np.pi * (200 + 800 * field.mean(axis=1).repeat(100)) / RATE))
        log.log_audio("sound", lambda: sound.astype(np.float32), sample_rate=RATE)
        log.log_audios("sounds", lambda: [sound[:1000], sound[-1000:]], sample_rate=RATE, sep_ms=50)
        log.log_spectrogram("spectrum", lambda: sound, sample_rate=RATE)
        log.log_spectrograms("spectra", lambda: [sound[:2000], sound[-2000:]], sample_rate=RATE, sep_ms=50)
        film = np.stack([np.roll(field, shift, axis=1) for shift in range(8)])
        log.log_video("film", lambda: film, fps=12)
        log.log_videos("films", lambda: [film, film[::-1]], fps=12)


class Trainer:
    """The loop. It owns the logger, and its own values go under "trainer" for as long as the block lasts."""

    def __init__(self, log, config):
        self.log, self.config = log, config
        self.model, self.task = Model(log), Task(log, config["batch_size"])

    async def train(self):
        for step in range(self.config["steps"]):
            # The loop's own clock, a tenth of a second a step: limits go by it.
            state = al.State(step, "train", elapsed_s=step / 10, axes={"samples": step * self.config["batch_size"]})
            points, which = self.task.batch()
            error = self.task.loss(points, which, self.model(points))
            self.model.learn(error, self.config["learning_rate"])
            with self.log.namespace("trainer"):
                self.log.log_scalar("learning_rate", self.config["learning_rate"])
            await self.log.write(state)
            if step % 20 == 19:
                self.task.validate(self.model)
                await self.log.write(state.replace(phase="valid"))


async def main(run):
    config = al.config.parse(HERE / "config.yaml", run=run)
    async with al.from_config(HERE / "config.yaml", run=run) as log:
        await Trainer(log, config.config).train()
    print(al.read(run).series("accuracy", namespace="task"))
    print((Path(run) / "sinks" / "table" / "table.csv").read_text().splitlines()[-1])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "runs/mlstarter"))

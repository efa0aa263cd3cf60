"""Composer's own Trainer, recorded here: ``python docs/examples/composer/trainer.py``. Needs Composer (mosaicml)."""

import sys

import composer
import torch
from composer.models import ComposerClassifier
from torch.utils.data import DataLoader, TensorDataset

import asynclog as al
from asynclog.integrations.composer import AsynclogLogger


def main(directory="runs"):
    inputs = torch.randn(64, 4)
    data = DataLoader(TensorDataset(inputs, (inputs[:, 0] > 0).long()), batch_size=8)
    model = ComposerClassifier(torch.nn.Linear(4, 2), num_classes=2)
    trainer = composer.Trainer(
        model=model,
        train_dataloader=data,
        eval_dataloader=data,
        max_duration="2ep",
        optimizers=torch.optim.SGD(model.parameters(), 0.1),
        loggers=AsynclogLogger(f"{directory}/{{run_name}}", sinks=[al.sinks.LogFile(), al.sinks.JSONLines("metrics.jsonl")]),
        run_name="composer-trainer",
        device="cpu",
        progress_bar=False,
    )
    trainer.fit()
    trainer.close()
    print(al.read(f"{directory}/composer-trainer").series("metrics/eval/MulticlassAccuracy"))


if __name__ == "__main__":
    main(*sys.argv[1:])

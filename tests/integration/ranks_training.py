"""A training over several ranks, as torchrun starts it: ``python -m tests.integration.ranks_training RUN [EPOCHS]``.

A linear model is fitted, each rank on a share of its own size, and with metrics that not every rank has. What it logs is a pure
function of rank, epoch and iteration, so that a test can compute in one process what the reduced numbers must be.
"""

import asyncio
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.distributed as dist

import asynclog as al
from asynclog import routines
from asynclog.errors import InvalidValue

EPOCHS = 3


def iterations(rank: int) -> int:
    """Shares differ in size, and so does how often each rank says something."""
    return 4 + 2 * rank


def batch_size(rank: int, iteration: int) -> int:
    return 1 + (3 * rank + iteration) % 5


def metric(rank: int, epoch: int, iteration: int) -> float:
    return 100.0 * epoch + 10.0 * rank + iteration / 8.0


async def train(run: Path, epochs: int, victim: int | None) -> None:
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    torch.manual_seed(rank)
    tracked = {"metric": ["fit", "score", "right", "rare"], "hist": ["fit"]}
    async with al.MultiLogger(run, config={"epochs": epochs}) as log:
        shards = routines.Checkpoints(run / "shards", lambda path, info: path.write_text(str(rank)), every_rank=True)
        routine = routines.Routines(log, tracked, trackers=[shards], timeout=50.0)
        await routine.log_hyperparams({"lr": 0.01}, model=model)
        for epoch in range(epochs):
            for iteration in range(iterations(rank)):
                size = batch_size(rank, iteration)
                given = torch.randn(size, 4)
                # Gradients are shared for as long as every rank has iterations.
                with nullcontext() if iteration < iterations(0) else model.no_sync():
                    loss = (model(given) - given.sum(1, keepdim=True)).square().mean()
                    loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                said = {"phase": "train", "epoch": epoch, "iteration": 100 * epoch + iteration, "batch_size": size, "fit": loss}
                said["score"] = metric(rank, epoch, iteration)
                said["right"] = routines.Ratio(rank, size)
                if rank == dist.get_world_size() - 1 and epoch == 1:
                    said["rare"] = float(iteration)
                await routine.log_iter(said)
                if victim == rank and epoch == 1 and iteration == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
            await routine.log_epoch()
        await routine.end_log()
        meters = routines.Meters(timeout=50.0)
        (meters.sum if rank else meters.mean)("clash", 1.0)
        try:
            await meters.reduce()
        except InvalidValue as error:
            log.log_string("refused", str(error))
        meters.max("rank", rank)
        log.log((await meters.reduce()).values)
        await log.write(0)
    dist.destroy_process_group()


if __name__ == "__main__":
    asyncio.run(train(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None))

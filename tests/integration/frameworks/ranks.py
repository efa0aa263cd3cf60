"""A module for several processes: in a file of its own, so that those which are spawned find it."""

from typing import Any

import lightning
import torch


class RankModule(lightning.LightningModule):
    """Logs each rank's number, its own and the mean of all."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch: Any, number: int) -> Any:
        rank = torch.tensor(float(self.global_rank))
        self.log("mean_rank", rank, sync_dist=True)
        self.log("own_rank", rank)
        return self.layer(batch[0]).pow(2).mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)

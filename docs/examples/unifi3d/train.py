"""Train an autoencoder of shapes, and log what unifi3d logs: ``python docs/examples/unifi3d/train.py experiment=shapes``.

Another backend: its name in the place of ``tensorboard`` in configs/experiment/shapes.yaml; or several, as many_loggers has.
"""

import sys
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import torch
from omegaconf import DictConfig

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from shapes import Shapes, render, turntable  # noqa: E402

from asynclog.integrations.unifi3d import Logger, log_hyperparameters  # noqa: E402
from asynclog.routines import Checkpoints  # noqa: E402


class Autoencoder(torch.nn.Module):
    """A radius for every direction, through a few numbers and back."""

    def __init__(self, directions: int, latent: int, hidden: int) -> None:
        super().__init__()
        self.encoder = torch.nn.Sequential(
            torch.nn.Linear(directions, hidden), torch.nn.SiLU(), torch.nn.Linear(hidden, latent)
        )
        self.decoder = torch.nn.Sequential(
            torch.nn.Linear(latent, hidden), torch.nn.SiLU(), torch.nn.Linear(hidden, directions)
        )

    def forward(self, radii: torch.Tensor) -> dict[str, torch.Tensor]:
        latent = self.encoder(radii)
        rebuilt = self.decoder(latent)
        each = (rebuilt - radii).square().mean(1)
        regularization = 1e-3 * latent.square().mean()
        return {
            "reconstructed": rebuilt,
            "hist_loss": each,
            "reconstruction_loss": each.mean(),
            "regularization_loss": regularization,
            "loss": each.mean() + regularization,
        }


class Trainer:
    """As much of unifi3d's Trainer as its loggers see."""

    def __init__(self, cfg: DictConfig, loggers: list[Logger], shapes: dict[str, Shapes]) -> None:
        self.cfg, self.loggers, self.shapes = cfg, loggers, shapes
        self.model = Autoencoder(len(shapes["train"].directions), cfg.model.latent, cfg.model.hidden)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=cfg.trainer.lr)
        self.iters = {"train": 0, "val": 0}

    def fit(self) -> None:
        for epoch in range(1, self.cfg.trainer.max_epochs + 1):
            for phase in ("train", "val"):
                self.run_epoch(phase, epoch)
        for logger in self.loggers:
            logger.end_log()

    def run_epoch(self, phase: str, epoch: int) -> None:
        training = phase == "train"
        loader = torch.utils.data.DataLoader(self.shapes[phase], self.cfg.data.batch_size, shuffle=training)
        self.model.train(training)
        for step, radii in enumerate(loader):
            with torch.set_grad_enabled(training):
                batch: dict[str, Any] = self.model(radii)
            if training:
                self.optimizer.zero_grad()
                batch["loss"].backward()
                self.optimizer.step()
            else:
                batch["val_loss"] = batch["loss"]
            if self.iters[phase] % self.cfg.trainer.log_image_every_n_iters == 0:
                self.draw(phase, radii, batch)
            batch |= {
                "lr": torch.Tensor([group["lr"] for group in self.optimizer.param_groups]),
                "phase": phase,
                "epoch": epoch,
                "max_epochs": self.cfg.trainer.max_epochs,
                "batch_size": len(radii),
                "batch_current": step + 1,
                "batch_total": len(loader),
                "total_iters": self.iters[phase],
            }
            for logger in self.loggers:
                logger.log_iter({**batch, "output_parser": logger.tracked_variables})
            self.iters[phase] += 1
        for logger in self.loggers:
            logger.log_epoch()

    def draw(self, phase: str, radii: torch.Tensor, batch: dict[str, Any]) -> None:
        shapes = self.shapes[phase]
        true, rebuilt = shapes.places(radii[0]), shapes.places(batch["reconstructed"][0])
        near = np.linalg.norm(true - rebuilt, axis=1, keepdims=True) < 0.05
        batch |= {
            "render_gt": render(true, (0.4, 0.7, 1.0))[None],
            "render_rec": [render(rebuilt, (1.0, 0.7, 0.3), angle)[None] for angle in (0.6, 2.2)],
            "depth": turntable(rebuilt, 1),
            "turntable": turntable(rebuilt)[None],
            "mesh_gt": [shapes.mesh(radii[0])],
            "mesh_rec": [shapes.mesh(batch["reconstructed"][0])],
            "surface_points": torch.from_numpy(np.concatenate([rebuilt, np.where(near, (0, 255, 0), (255, 0, 0))], 1)),
        }

    def checkpoints(self, directory: str) -> Checkpoints:
        """Every second epoch's, the latest, and the best by the validation's loss."""

        def save(path: Path, info: dict[str, Any]) -> None:
            torch.save({"model": self.model.state_dict(), **info}, path)

        return Checkpoints(directory, save, every=2, keep=2, select="val_loss")


@hydra.main(version_base=None, config_path="configs", config_name="train")
def main(cfg: DictConfig) -> None:
    """As the module says."""
    torch.manual_seed(cfg.seed)
    loggers = [hydra.utils.instantiate(one) for one in (cfg.get("logger") or {}).values() if "_target_" in one]
    shapes = {
        phase: Shapes(number, cfg.data.subdivisions, cfg.seed + number)
        for phase, number in (("train", cfg.data.shapes), ("val", cfg.data.shapes // 3))
    }
    trainer = Trainer(cfg, loggers, shapes)
    for logger in loggers[:1]:
        logger.routines.add(trainer.checkpoints(logger.ckpt_dir))
    log_hyperparameters({"cfg": cfg, "model": trainer.model, "trainer": trainer}, is_main_process=True)
    trainer.fit()
    for logger in loggers:
        print(f"{logger!r}: asynclog cat {logger.log_dir}/{logger.config.logint}")


if __name__ == "__main__":
    main()

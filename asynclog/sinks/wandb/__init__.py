"""Weights & Biases: a run there, online or in a file for ``wandb sync``."""

from asynclog.sinks.wandb.sink import WandB

__all__ = ["WandB"]

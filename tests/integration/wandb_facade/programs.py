"""Programs for W&B's interface, run with the facade; and, as ``python -m …programs NAME DIRECTORY``, with the real one."""

import sys
from typing import Any


def steps(wandb: Any, directory: str) -> None:
    """Every way to say at which step a row is; none of them backwards, which the real one would drop."""
    with wandb.init(project="digits", dir=directory, config={"lr": 1e-3, "model": {"width": 64}}, tags=["a", "b"]) as run:
        run.log({"loss": 1.0})
        wandb.log({"loss": 0.5, "nested": {"x": 1, "deep": {"y": 2.5}}})
        wandb.log({"loss": 0.25, "kept": 1}, commit=False)
        wandb.log({"kept": 2, "joined": 3})
        wandb.log({"first": 1}, step=10)
        wandb.log({"second": 2}, step=10)
        wandb.log({"third": 3})
        wandb.log({"committed": 1}, step=20, commit=True)
        wandb.log({"after": 1})
        wandb.log({"held": 1}, step=30, commit=False)
        wandb.log({"text": "said", "yes": True, "large": 2**53 - 1})
        wandb.log({"open": 1.5}, step=40)


def metrics(wandb: Any, directory: str) -> None:
    """Axes and summaries."""
    wandb.init(project="digits", dir=directory)
    wandb.define_metric("policy_version")
    wandb.define_metric("eval/*", step_metric="policy_version")
    wandb.define_metric("acc", summary="max,mean")
    wandb.define_metric("loss", summary="min")
    wandb.define_metric("lr", summary="last")
    wandb.define_metric("quiet", summary="none")
    wandb.define_metric("nested.x", summary="max")
    for version in range(4):
        wandb.log({"policy_version": version, "acc": [0.1, 0.9, 0.5, 0.7][version], "loss": 1.0 / (version + 1), "quiet": 1})
        wandb.log({"eval/return": float(version), "lr": 0.1, "nested": {"x": -version, "y": version}})
    wandb.run.summary["best"] = 0.9
    wandb.config.update({"batch": 32})
    wandb.config.seed = 3
    wandb.finish()


if __name__ == "__main__":
    import wandb

    globals()[sys.argv[1]](wandb, sys.argv[2])

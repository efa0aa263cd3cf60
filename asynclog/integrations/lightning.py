"""For ``lightning``: ``Trainer(logger=AsynclogLogger("runs/digits"))``. ``pytorch_lightning`` has a module of its own."""

from lightning.pytorch.loggers.logger import DummyExperiment, Logger

from asynclog.integrations.trainer_logger import TrainerLogger


class AsynclogLogger(TrainerLogger, Logger):  # type: ignore[misc] # has no types here
    """Records what a Trainer of ``lightning`` says: see TrainerLogger, which documents the arguments."""

    silent = DummyExperiment

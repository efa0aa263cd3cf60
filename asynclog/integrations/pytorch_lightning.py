"""For ``pytorch_lightning``: ``Trainer(logger=AsynclogLogger("runs/digits"))``. ``lightning`` has a module of its own."""

from pytorch_lightning.loggers.logger import DummyExperiment, Logger

from asynclog.integrations.trainer_logger import TrainerLogger


class AsynclogLogger(TrainerLogger, Logger):  # type: ignore[misc] # has no types here
    """Records what a Trainer of ``pytorch_lightning`` says: see TrainerLogger, which documents the arguments."""

    silent = DummyExperiment

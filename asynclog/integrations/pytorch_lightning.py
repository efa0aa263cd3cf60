"""For ``pytorch_lightning``: ``Trainer(logger=AsynclogLogger("runs/digits"))``. For ``lightning`` there is a module beside it."""

from pytorch_lightning.loggers.logger import DummyExperiment, Logger

from asynclog.integrations.trainer_logger import TrainerLogger


class AsynclogLogger(TrainerLogger, Logger):  # type: ignore[misc] # has no types here
    __doc__ = TrainerLogger.__doc__
    silent = DummyExperiment

"""For ``Trainer(…, loggers=[AsynclogLogger("runs/{run_name}")])``."""

from composer.loggers import LoggerDestination

from asynclog.integrations.composer.recording import Recording


class AsynclogLogger(Recording, LoggerDestination):  # type: ignore[misc] # has no types here
    """Records what a Composer ``Trainer`` says: see Recording, which documents the arguments."""

"""What this facade doesn't do is said, once each: nothing that a program asks for is swallowed."""

import logging
from typing import Final

_log = logging.getLogger("asynclog")
_heard: Final[set[str]] = set()


class Error(Exception):
    """As ``wandb.Error``: what W&B's functions raise."""


class UsageError(Error):
    """As ``wandb.UsageError``."""


class CommError(Error):
    """As ``wandb.CommError``, for programs that catch it. Never raised here: nothing is sent from the training process."""


def once(text: str, *words: object) -> None:
    """A warning, the first time that it is given."""
    said = text % words
    if said not in _heard:
        _heard.add(said)
        _log.warning("asynclog.integrations.wandb: %s", said)

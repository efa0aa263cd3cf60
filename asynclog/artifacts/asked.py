"""What a logger is asked to keep, until a write takes it."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """What ``log_artifact`` was given, or ``log_symlink``: a path, or the target's whole name."""

    path: str | None
    overwrite: bool
    metadata: Mapping[str, Any]
    target: str | None = None


class Place(NamedTuple):
    """Where in the training it was logged."""

    step: int
    phase: str
    time_ns: int

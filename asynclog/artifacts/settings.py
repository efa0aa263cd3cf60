"""How a logger keeps artifacts."""

from dataclasses import dataclass
from typing import Literal

from asynclog.errors import InvalidConfiguration


@dataclass(frozen=True)
class Artifacts:
    """quota: bytes that a run's ``artifacts/`` may hold; None: as the disk has room. full: what becomes of an artifact that
    would be too much: "wait" has its write wait as long as old versions are still to be delivered and then dropped (``keep``),
    "refuse" doesn't; what finds no room is refused, counted and said. keep: of how many versions of a name the bytes are kept,
    at least 1, once every route has delivered the older ones; None: of all.

    Raises InvalidConfiguration.
    """

    quota: int | None = None
    full: Literal["wait", "refuse"] = "wait"
    keep: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("quota", 0), ("keep", 1)):
            given = getattr(self, name)
            if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < least):
                raise InvalidConfiguration(f"Artifacts {name}: expected a whole number ≥ {least}, or None, got {given!r}")
        if self.full not in ("wait", "refuse"):
            raise InvalidConfiguration(f"Artifacts full: expected 'wait' or 'refuse', got {self.full!r}")

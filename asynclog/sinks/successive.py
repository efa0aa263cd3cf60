"""A destination whose file can't grow once it is finished: each process of the run writes a next one.

run.mcap, then run.1.mcap, run.2.mcap. What an earlier process delivered, and delivery repeats, is looked up in its files, and
only if something comes that may be there.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from asynclog.sink import Batch

Identities = frozenset[tuple[Any, ...]]


def existing(path: Path) -> list[Path]:
    """The files of earlier processes."""
    found = []
    for one in _names(path):
        if not one.exists():
            break
        found.append(one)
    return found


def following(path: Path) -> Path:
    """The file of the next process."""
    return next(one for one in _names(path) if not one.exists())


def _names(path: Path) -> Iterator[Path]:
    yield path
    for number in count(1):
        yield path.with_name(f"{path.stem}.{number}{path.suffix}")


class Earlier:
    """What files hold. last_time_ns(path): no value in it is later. identities(path): what names each value in it."""

    def __init__(
        self, paths: list[Path], last_time_ns: Callable[[Path], int], identities: Callable[[Path], Iterator[tuple[Any, ...]]]
    ) -> None:
        self._paths, self._identities = paths, identities
        self._until_ns = max(map(last_time_ns, paths), default=-(2**63))
        self._found: Identities | None = None

    def reaching(self, batch: Batch) -> Identities:
        """What is there of what may come in the batch."""
        times = [int(one.time_ns.min()) for one in batch.blocks()] + [one.time_ns for one in batch.others()]
        if min(times, default=2**63) > self._until_ns:
            return frozenset()
        if self._found is None:
            self._found = frozenset(one for path in self._paths for one in self._identities(path))
        return self._found

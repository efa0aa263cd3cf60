"""Checkpoints that a trainer saved, as artifacts of the run: each under its own name, and names that stand for the newest kept
and the best.

    checkpoints/epoch=1-step=12.ckpt    a file or a directory, as the trainer called it; saved again, its next version
    checkpoints/latest                  the last one that was kept
    checkpoints/best                    the best one, where the trainer knows it
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from asynclog.logger.multi import MultiLogger
from asynclog.state import State

_FOLDER: Final = "checkpoints"


class Checkpoints:
    """Those of one training. A checkpoint that wasn't written since it was kept isn't kept again."""

    def __init__(self) -> None:
        self._kept: dict[str, int] = {}
        self._best = ""

    def keep(self, log: MultiLogger, path: "str | os.PathLike[str]", state: State, metadata: Mapping[str, Any]) -> bool:
        """Keep one; False if it isn't there (any more), or is kept already. Waits in this thread while it is copied."""
        where = Path(path)
        if not where.exists():
            return False
        written = _written_ns(where)
        if self._kept.get(str(where)) == written:
            return False
        self._kept[str(where)] = written
        log.log_artifact(f"{_FOLDER}/{where.name}", where, overwrite=True, metadata=metadata)
        log.write_blocking(state)
        log.log_symlink(f"{_FOLDER}/{where.name}", f"{_FOLDER}/latest", overwrite=True)
        log.write_blocking(state)
        return True

    def best(self, log: MultiLogger, path: "str | os.PathLike[str]", state: State) -> None:
        """Say which of those that were kept is the best."""
        name = Path(path).name
        if str(Path(path)) in self._kept and name != self._best:
            self._best = name
            log.log_symlink(f"{_FOLDER}/{name}", f"{_FOLDER}/best", overwrite=True)
            log.write_blocking(state)


def _written_ns(path: Path) -> int:
    """When it was written last. A directory's own time doesn't change with what is written into its files."""
    below: Iterable[Path] = path.rglob("*") if path.is_dir() else ()
    return max(one.stat().st_mtime_ns for one in (path, *below) if one.exists())

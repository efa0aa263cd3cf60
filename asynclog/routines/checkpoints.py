"""Checkpoints: those of some epochs, the latest, and the best by a metric's mean over the validation.

    <epoch>.pt             of the epochs that were asked for, at the end of their training
    <epoch>_latest.pt      of the latest
    selected.pt            of the best, with selected.json: its metric, epoch and step

A file, or a directory, is written under another name and renamed; the old one goes when the new one is there.
"""

import json
import shutil
from collections.abc import Callable, Collection
from math import isnan
from pathlib import Path
from typing import Any, ClassVar, Final

from asynclog.errors import InvalidConfiguration
from asynclog.logger.naming import described
from asynclog.logger.parts import ChildLogger
from asynclog.routines.group import rank_here
from asynclog.routines.tracker import Epoch, Tracker

Save = Callable[[Path, dict[str, Any]], Any]
NAMESPACE: Final = "checkpoint"
_SELECTED: Final = "selected"
_LATEST: Final = "_latest"


class Checkpoints(Tracker):
    """save(path, info) writes a checkpoint; info has epoch, batch (the step) and, for the best, select_metric. By rank 0 alone,
    and in a thread; every_rank: by each, for what is saved in shards. What is written of each is recorded as text,
    ``checkpoint/<which>``.

    every: an epoch number of these, or each so many epochs; None: none. latest_every: each so many epochs; None: never.
    select: a tracked metric; larger: whether more is better. keep: how many of ``every``'s stay; None: all. artifacts: whether
    the run keeps each as an artifact, too: checkpoint/latest.pt, checkpoint/selected.pt as versions, checkpoint/<epoch>.pt.
    Raises InvalidConfiguration.
    """

    kind: ClassVar[str] = "checkpoint"

    def __init__(
        self,
        directory: str | Path,
        save: Save,
        *,
        every: int | Collection[int] | None = None,
        latest_every: int | None = 1,
        select: str | None = None,
        larger: bool = False,
        keep: int | None = None,
        suffix: str = ".pt",
        every_rank: bool = False,
        artifacts: bool = False,
    ) -> None:
        super().__init__(())
        if not callable(save):
            raise InvalidConfiguration(f"save: expected a function of a path and a dict, got {described(save)}")
        for name, number in (("every", every), ("latest_every", latest_every), ("keep", keep)):
            if isinstance(number, int) and number < 1:
                raise InvalidConfiguration(f"{name}: expected at least 1, or None, got {number}")
        self.directory, self.save = Path(directory), save
        self.every, self.latest_every, self.keep, self.suffix = every, latest_every, keep, suffix
        self.select, self.larger, self.every_rank = select, larger, every_rank
        self.artifacts = artifacts
        self.wants = () if select is None else (select,)
        self.save_next = False
        """Whether the next end of a training epoch has a checkpoint, whatever ``every`` says."""
        self._written: list[tuple[str, Path]] = []

    def settle(self, epoch: Epoch) -> None:
        if rank_here() and not self.every_rank:
            return
        info = {"batch": epoch.last.step, "epoch": epoch.state.epoch}
        phase = epoch.state.phase
        if phase == "train":
            self._settle_train(epoch.state.epoch, info)
        elif phase == "valid" and self.select is not None and self.select in epoch.means:
            mean = epoch.means[self.select]
            if self._is_better(mean):
                self._replace(_SELECTED, self.directory / f"{_SELECTED}{self.suffix}", info | {"select_metric": mean})
                note = {"metric": self.select, "value": mean, "epoch": info["epoch"], "step": info["batch"]}
                (self.directory / f"{_SELECTED}.json").write_text(json.dumps(note) + "\n")

    def _settle_train(self, number: int, info: dict[str, Any]) -> None:
        if self.save_next or self._is_due(number):
            self.save_next = False
            self._replace("epoch", self.directory / f"{number}{self.suffix}", info)
            self._forget(f"*{self.suffix}", self.keep)
        if self.latest_every is not None and number % self.latest_every == 0:
            self._replace("latest", self.directory / f"{number}{_LATEST}{self.suffix}", info)
            self._forget(f"*{_LATEST}{self.suffix}", 1)

    def _is_due(self, number: int) -> bool:
        if self.every is None:
            return False
        return number % self.every == 0 if isinstance(self.every, int) else number in self.every

    def best(self) -> float | None:
        """The metric's mean of the best so far, of earlier runs in this directory too."""
        try:
            return float(json.loads((self.directory / f"{_SELECTED}.json").read_text())["value"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _is_better(self, mean: float) -> bool:
        best = self.best()
        if isnan(mean) or best is None:
            return not isnan(mean)
        return mean > best if self.larger else mean < best

    def _replace(self, which: str, path: Path, info: dict[str, Any]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        draft, old = path.with_name(f".{path.name}"), path.with_name(f".old-{path.name}")
        for left in (draft, old):
            _remove(left)
        self.save(draft, dict(info))
        if path.is_dir():
            path.rename(old)
        draft.replace(path)
        _remove(old)
        self._written.append((which, path))

    def _forget(self, pattern: str, keep: int | None) -> None:
        """Of those that are numbered, the ones with the highest numbers stay."""
        end = pattern.removeprefix("*")
        numbered = [one for one in self.directory.glob(pattern) if one.name.removesuffix(end).isdigit()]
        numbered.sort(key=lambda one: int(one.name.removesuffix(end)))
        for one in numbered[: len(numbered) - keep] if keep is not None and len(numbered) > keep else ():
            _remove(one)

    def log_epoch(self, log: ChildLogger, epoch: Epoch) -> None:
        written, self._written = self._written, []
        for which, path in written:
            log.log_string(which, str(path), namespace=NAMESPACE)
            if self.artifacts:
                name = path.name if which == "epoch" else f"{which}{self.suffix}"
                log.log_artifact(f"{NAMESPACE}/{name}", path, overwrite=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

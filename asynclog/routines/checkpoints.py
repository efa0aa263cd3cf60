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
from asynclog.routines.group import is_over, rank_here
from asynclog.routines.tracker import Epoch, Tracker

Save = Callable[[Path, dict[str, Any]], Any]
NAMESPACE: Final = "checkpoint"
_SELECTED: Final = "selected"
_LATEST: Final = "_latest"


class Checkpoints(Tracker):
    """save(path, info) writes a checkpoint; info has epoch, batch (the step) and, for the best, select_metric. By rank 0 alone,
    and in a thread; every_rank: by each in a directory of its own, ``rank<n>``, for what is saved in shards. What is written of
    each is recorded as text, ``checkpoint/<which>``.

    every: an epoch number of these, or each so many epochs; None: none. latest_every: each so many epochs; None: never.
    select: a tracked metric; larger: whether more is better. keep: how many of ``every``'s stay; None: all. artifacts: whether
    the run keeps each as an artifact, too: checkpoint/latest.pt, checkpoint/selected.pt as versions, checkpoint/<epoch>.pt; of
    ranks that all save, below checkpoint/rank<n>.
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
                self._replace(_SELECTED, self._place / f"{_SELECTED}{self.suffix}", info | {"select_metric": mean})
                self._note({"metric": self.select, "value": mean, "epoch": info["epoch"], "step": info["batch"]})

    def _settle_train(self, number: int, info: dict[str, Any]) -> None:
        if self.save_next or self._is_due(number):
            self.save_next = False
            self._replace("epoch", self._place / f"{number}{self.suffix}", info)
            self._forget(self.suffix, self.keep, number)
        if self.latest_every is not None and number % self.latest_every == 0:
            self._replace("latest", self._place / f"{number}{_LATEST}{self.suffix}", info)
            self._forget(f"{_LATEST}{self.suffix}", 1, number)

    @property
    def _place(self) -> Path:
        # Ranks that all save would rename each other's drafts.
        return self.directory / self._own if self._own else self.directory

    @property
    def _own(self) -> str:
        """The name of this rank's directory, if it has one."""
        return f"rank{rank_here()}" if self.every_rank and not is_over() else ""

    def _is_due(self, number: int) -> bool:
        if self.every is None:
            return False
        return number % self.every == 0 if isinstance(self.every, int) else number in self.every

    def best(self) -> float | None:
        """The metric's mean of the best so far, of earlier runs in this directory too."""
        try:
            return float(json.loads((self._place / f"{_SELECTED}.json").read_text())["value"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _is_better(self, mean: float) -> bool:
        best = self.best()
        if isnan(mean) or best is None:
            return not isnan(mean)
        return mean > best if self.larger else mean < best

    def _replace(self, which: str, path: Path, info: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft, old = path.with_name(f".{path.name}"), path.with_name(f".old-{path.name}")
        for left in (draft, old):
            _remove(left)
        self.save(draft, dict(info))
        if path.is_dir():
            path.rename(old)
        draft.replace(path)
        _remove(old)
        self._written.append((which, path))

    def _note(self, best: dict[str, Any]) -> None:
        """What was best. Half a note would have the next run select whatever comes first."""
        path = self._place / f"{_SELECTED}.json"
        draft = path.with_name(f".{path.name}")
        draft.write_text(json.dumps(best) + "\n")
        draft.replace(path)

    def _forget(self, end: str, keep: int | None, number: int) -> None:
        """The ones with the highest numbers stay. Those beyond this number are of before training went back: they go first."""
        if keep is None:
            return
        found = (one for one in self._place.iterdir() if one.name.endswith(end))
        numbered = {one: int(one.name.removesuffix(end)) for one in found if one.name.removesuffix(end).isdigit()}
        ordered = sorted(numbered, key=lambda one: (numbered[one] <= number, numbered[one]))
        for one in ordered[: max(len(ordered) - keep, 0)]:
            _remove(one)

    def log_epoch(self, log: ChildLogger, epoch: Epoch) -> None:
        written, self._written = self._written, []
        for which, path in written:
            log.log_string(which, str(path), namespace=NAMESPACE)
            if self.artifacts:
                name = path.name if which == "epoch" else f"{which}{self.suffix}"
                log.log_artifact("/".join(filter(None, (NAMESPACE, self._own, name))), path, overwrite=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

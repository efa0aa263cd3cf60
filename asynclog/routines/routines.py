"""What a training loop does with a logger: say what an iteration had, say that an epoch is over, and train on."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from asynclog.errors import InvalidValue
from asynclog.logger.multi import MultiLogger
from asynclog.logger.parts import ChildLogger
from asynclog.routines import group
from asynclog.routines.asked import check_wants, checked_kinds, checked_tracked
from asynclog.routines.checkpoints import Checkpoints
from asynclog.routines.histograms import Histograms
from asynclog.routines.hparams import hyperparameters, log_metrics
from asynclog.routines.images import Images
from asynclog.routines.iteration import Iteration, Iterations, phase_of
from asynclog.routines.meshes import Meshes
from asynclog.routines.meters import Meters, Reduced
from asynclog.routines.metric import EPOCH, OWN, Metrics, by_phase
from asynclog.routines.sheets import Sheets
from asynclog.routines.tracker import Aside, Epoch, Tracker, in_place, off_loop
from asynclog.routines.videos import Videos
from asynclog.state import State

_log = logging.getLogger("asynclog")
Means = dict[str, Mapping[str, Any]]
"""By namespace and metric."""
_SETTINGS: Final = State(0, level="fit")


class Routines:
    """Trackers over a logger: each reads the keys that it tracks from what the loop says of an iteration.

    tracked_variables: {kind: [key, …]}; None: what the data's ``output_parser`` says. loggers: which kinds there are, of
    metric, image, hist, hparams, mesh, video, xls; default: those that are tracked, or all. trackers: further ones, Checkpoints
    for instance. across_ranks: whether epochs' means are of all ranks of torch.distributed, where it is initialised: every rank
    then makes its Routines, and calls log_epoch and end_log, together with the others. process_group, timeout: as for Meters.
    viz_one_per_batch: of pictures, films and meshes only a batch's first. device_memory: whether a CUDA device's is recorded at
    the end of each epoch.

    Each verb is async, and has a ``_blocking`` twin for loops that are not. Values that were logged on ``log`` itself are not
    touched. For one task at a time. Raises InvalidConfiguration.
    """

    def __init__(
        self,
        log: MultiLogger | ChildLogger,
        tracked_variables: Mapping[str, Sequence[str]] | None = None,
        *,
        loggers: Iterable[str] | None = None,
        trackers: Iterable[Tracker] = (),
        across_ranks: bool = True,
        process_group: Any = None,
        timeout: float = 600.0,
        viz_one_per_batch: bool = False,
        device_memory: bool = True,
    ) -> None:
        tracked = None if tracked_variables is None else checked_tracked(tracked_variables)
        kinds = checked_kinds(loggers, tracked)
        self._meters = Meters(across_ranks=across_ranks, group=process_group, timeout=timeout)
        made: dict[str, Tracker] = {
            "metric": Metrics((tracked or {}).get("metric", ()), meters=self._meters, device_memory=device_memory)
        }
        for kind, pictures in (("image", Images), ("video", Videos), ("mesh", Meshes)):
            made[kind] = pictures((tracked or {}).get(kind, ()), one_per_batch=viz_one_per_batch)
        made["hist"] = Histograms((tracked or {}).get("hist", ()))
        made["xls"] = Sheets((tracked or {}).get("xls", ()))
        self.trackers: list[Tracker] = [made[kind] for kind in kinds if kind in made] + list(trackers)
        self._metrics = None if tracked is None else tracked.get("metric", ())
        check_wants(self.trackers, self._metrics)
        self.log = log.child("")
        self._iterations = Iterations(tracked)
        self._last: dict[str, Iteration] = {}
        self._over = False

    # -- iterations -------------------------------------------------------------------------------------------------

    async def log_iter(self, data: Mapping[str, Any]) -> None:
        """What one iteration had: phase, epoch, the step, and what is tracked, as ``routines.iteration`` has it; recorded at
        its step.

        Numbers on a device stay there, and nothing waits for it. Raises InvalidValue for a phase, epoch or step that is none;
        a value that can't be tracked costs itself alone, as everywhere.
        """
        await self.log.write(self._iterate(data, off_loop))

    def log_iter_blocking(self, data: Mapping[str, Any]) -> None:
        """The same, waiting in this thread where it has to."""
        self.log.write_blocking(self._iterate(data, in_place))

    def _iterate(self, data: Mapping[str, Any], aside: Aside) -> State:
        at = self._iterations.understood(data)
        self._last[at.phase] = at
        for tracker in self.trackers:
            if tracker.costly and not at.look:
                continue
            for key, value in tracker.found(at):
                try:
                    tracker.log_value(self.log, key, value, at, aside)
                except InvalidValue as error:
                    self.log._core.complain(error)
        return at.state

    # -- epochs -----------------------------------------------------------------------------------------------------

    async def log_epoch(self) -> None:
        """What the iterations since the last time came to, for each phase that had some; recorded at level "epoch", at the step
        that is the epoch's number.

        Of several ranks it waits for the others, in another thread, and rank 0 records what all of them have come to.
        """
        reduced = await self._meters.reduce() if self._must_reduce else None
        for epoch, means in self._ended(reduced):
            try:
                for tracker in self._settling():
                    await asyncio.to_thread(tracker.settle, epoch)
            finally:
                # A checkpoint that can't be saved costs the epoch's numbers nothing.
                self._collect(epoch, means)
                await self.log.write(epoch.state)

    def log_epoch_blocking(self) -> None:
        """The same, waiting in this thread."""
        reduced = self._meters.reduce_blocking() if self._must_reduce else None
        for epoch, means in self._ended(reduced):
            try:
                for tracker in self._settling():
                    tracker.settle(epoch)
            finally:
                self._collect(epoch, means)
                self.log.write_blocking(epoch.state)

    @property
    def _must_reduce(self) -> bool:
        return not self._meters.alone or any(one.wants for one in self.trackers)

    def _settling(self) -> Iterable[Tracker]:
        return (one for one in self.trackers if type(one).settle is not Tracker.settle)

    def _ended(self, reduced: Reduced | None) -> list[tuple[Epoch, Means]]:
        """The end of each phase's epoch, and what is recorded of the metrics' means. A phase that other ranks had alone is as
        old as what this one had last."""
        last, self._last = self._last, {}
        own = by_phase(self._meters.take_means() if reduced is None else reduced.own_values)
        everywhere = own if reduced is None else by_phase(reduced.values)
        number = max((one.state.epoch for one in last.values()), default=0)
        found: list[tuple[Epoch, Means]] = []
        for word in dict.fromkeys([*last, *everywhere]):
            before = last[word].state if word in last else State(0, phase_of(word), number)
            state = State(before.epoch, before.phase, before.epoch, level="epoch")
            means: Means = {EPOCH: everywhere.get(word, {})}
            if not self._meters.alone:
                means = {OWN: own.get(word, {}), **(means if group.rank_here() == 0 else {})}
            found.append((Epoch(word, state, before, {} if reduced is None else everywhere.get(word, {})), means))
        return found

    def _collect(self, epoch: Epoch, means: Means) -> None:
        for namespace, ones in means.items():
            for name, value in ones.items():
                self.log.log_scalar(f"{name}/{epoch.phase}", value, namespace=namespace)
        for tracker in self.trackers:
            tracker.log_epoch(self.log, epoch)

    # -- the whole --------------------------------------------------------------------------------------------------

    async def log_hyperparams(self, params: Any, metrics: Any = None, *, model: Any = None) -> None:
        """The run's settings: a mapping, a Namespace of argparse, a dataclass, OmegaConf. metrics: what they are judged by, a
        mapping of numbers or a number. model: of torch, whose parameters are counted. The SLURM job's id is added. Of several
        ranks rank 0 records them. Raises InvalidValue."""
        if self._collect_settings(params, metrics, model):
            await self.log.write(_SETTINGS)

    def log_hyperparams_blocking(self, params: Any, metrics: Any = None, *, model: Any = None) -> None:
        """The same, waiting in this thread."""
        if self._collect_settings(params, metrics, model):
            self.log.write_blocking(_SETTINGS)

    def _collect_settings(self, params: Any, metrics: Any, model: Any) -> bool:
        found = hyperparameters(params, model)
        if group.rank_here():
            return False
        self.log.log_config(found)
        if metrics is not None:
            log_metrics(self.log, metrics)
        return True

    async def end_log(self) -> None:
        """The end of the training: what has been said since the last log_epoch is recorded, keys that never came are named. The
        logger itself is not closed. A second time does nothing."""
        if self._ends():
            await self.log_epoch()
            self._leave()

    def end_log_blocking(self) -> None:
        """The same, waiting in this thread."""
        if self._ends():
            self.log_epoch_blocking()
            self._leave()

    def _ends(self) -> bool:
        over, self._over = self._over, True
        return not over

    def _leave(self) -> None:
        self._meters.close()
        for tracker in self.trackers:
            for key in sorted(tracker.missing):
                _log.warning("tracked %s %r was in no iteration's data", tracker.kind, key)

    # What NAP calls them.
    log_batch = log_iter
    log_batch_blocking = log_iter_blocking
    log_phase = log_epoch
    log_phase_blocking = log_epoch_blocking

    def add(self, tracker: Tracker) -> None:
        """One more tracker. Raises InvalidConfiguration."""
        check_wants([tracker], self._metrics)
        self.trackers.append(tracker)

    def save_next(self) -> None:
        """Have the next end of a training epoch save a checkpoint, whatever its number."""
        for tracker in self.trackers:
            if isinstance(tracker, Checkpoints):
                tracker.save_next = True

    def __repr__(self) -> str:
        return f"<Routines: {', '.join(one.kind for one in self.trackers)}{', ended' if self._over else ''}>"

"""TensorBoard's event files, written as it reads them, and a TensorBoard to look at them if wanted."""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from glob import escape
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from asynclog.errors import InvalidConfiguration
from asynclog.sink import Batch, Place, RunInfo
from asynclog.sinks.tensorboard.event_file import EventFile
from asynclog.sinks.tensorboard.hparams import HyperparameterFile
from asynclog.sinks.tensorboard.layout import Layout, layout_record
from asynclog.sinks.tensorboard.making import PRCurves, made
from asynclog.sinks.tensorboard.server import Server
from asynclog.sinks.tensorboard.share import shares
from asynclog.state import PHASES

T = TypeVar("T")
_FIRST: Final = frozenset({"main", "rank0"})
_PR_COLUMNS: Final = (2, 3)


class TensorBoard:
    """Event files in the directory ``path`` (relative: in the run's), for ``tensorboard --logdir``.

    A tag is "phase/namespace/key". run_per_phase: each phase has a directory of its own, and TensorBoard lays their curves
    over each other; a tag is then "namespace/key". A writer other than ``main`` or ``rank0`` has a directory of its name.
    layout: of the custom scalars, {"category": {"chart": ["Multiline", [pattern, …]] or ["Margin", [value, lower, upper]]}}.
    pr_curves: a table's "namespace/key" → its columns of labels, scores and, if there are any, weights.
    serve: True for a TensorBoard beside the run, at a free port; a number for that port, if it is free. The environment's
    ``DISABLE_TENSORBOARD=1`` says no.

    A resumed run appends: a record cut short by a crash is removed, and those that are delivered again, recognised by being
    equal in tag, step, time and value, are not written twice. A new run replaces its files. Numbers are float32. Where training
    goes back to a checkpoint, TensorBoard is told to forget what lies beyond; of phases that share a directory what lies beyond
    the latest of their steps.

    Raises InvalidConfiguration for a layout, a PR curve's columns or a port that are none.
    """

    default_place: ClassVar[Place] = "process"

    def __init__(
        self,
        path: str | Path = "tensorboard",
        *,
        run_per_phase: bool = False,
        layout: Layout | None = None,
        pr_curves: PRCurves | None = None,
        serve: bool | int = False,
    ) -> None:
        self.path = Path(path)
        self.run_per_phase = run_per_phase
        self.layout = layout
        self.pr_curves = {name: tuple(columns) for name, columns in (pr_curves or {}).items()}
        for name, columns in self.pr_curves.items():
            if len(columns) not in _PR_COLUMNS:
                raise InvalidConfiguration(f"a PR curve has columns of labels, scores and weights; {name!r} has {columns}")
        if layout is not None:
            layout_record(layout, 0.0)
        self._server = None if serve is False else Server(None if serve is True else serve)
        self._directory = Path()
        self._name = ""
        self._resumed = False
        self._files: dict[str, EventFile] = {}
        self._hparams: HyperparameterFile | None = None
        self._latest = 0.0
        self._under_way: asyncio.Future[Any] | None = None

    async def open(self, run: RunInfo) -> None:
        base = self.path.expanduser() if run.directory is None else run.directory / self.path.expanduser()
        self._directory = base if run.writer in _FIRST else base / run.writer
        self._name = f"{run.id}.{run.writer}"
        self._resumed = run.resumed
        # Sessions of one group are taken for trials of the same settings, and runs of a sweep often share their last name.
        group = f"{run.name} ({run.id[:8]})"
        self._hparams = HyperparameterFile(self._directory / f"events.out.tfevents.0.{self._name}", group)
        if run.resumed:
            await self._hparams.learn()
        else:
            await asyncio.to_thread(self._begin_anew)
        if run.rewound_to:
            await self._go_back(run.rewound_to)
        if self._server is not None and run.rank == 0:
            await self._server.start(base)

    async def write(self, batch: Batch, /) -> None:
        await self._settled()
        for file in self._files.values():
            await file.begin()
        for place, share in (await self._finish(lambda: shares(batch, by_phase=self.run_per_phase))).items():
            first, last = share.span
            file = await self._file(place, first)
            await file.add(await self._finish(partial(made, share, file.tags, batch, self.pr_curves)))
            for _, event in share.events:
                if event.kind == "config":
                    session = await self._settings.update(event.value, event.time)
                    # In a phase's directory it would be a session of its own.
                    await file.add(b"" if self.run_per_phase else session)
            self._latest = max(self._latest, last)
        for file in self._files.values():
            file.accept()

    async def flush(self) -> None:
        await self._settled()
        for file in self._files.values():
            await file.flush()

    async def run_ended(self, status: str, error: str | None) -> None:
        session = await self._settings.end(success=status == "finished", time=self._latest)
        for file in self._files.values() if not self.run_per_phase else ():
            await file.begin()
            await file.add(session)
            file.accept()

    async def aclose(self) -> None:
        await self._settled()
        for file in self._files.values():
            await file.aclose()
        if self._server is not None:
            await self._server.stop()

    async def _file(self, place: str, time: float) -> EventFile:
        file = self._files.get(place)
        if file is None:
            file = EventFile(self._directory / place / f"events.out.tfevents.1.{self._name}")
            layout = [] if self.layout is None or self._files else [layout_record(self.layout, time)]
            await file.start(time, resumed=self._resumed, then=layout)
            self._files[place] = file
        return file

    async def _go_back(self, steps: Mapping[str, int]) -> None:
        """In every file there is: also where nothing will come."""
        now = time.time()
        for place in ("", *PHASES):
            last = steps.get(place) if place else max(steps.values()) if len(steps) == len(PHASES) else None
            path = self._directory / place / f"events.out.tfevents.1.{self._name}"
            if last is not None and await asyncio.to_thread(path.exists):
                await (await self._file(place, now)).go_back(now, last)

    def _begin_anew(self) -> None:
        """Remove what an earlier delivery of this run has left here, and that alone."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for one in (self._directory, *(self._directory / phase for phase in PHASES)):
            for old in one.glob(f"events.out.tfevents.?.{escape(self._name)}"):
                old.unlink()

    async def _finish(self, step: Callable[[], T]) -> T:
        """Do it in a thread. One that works can't be called back: whoever comes next waits for it."""
        self._under_way = task = asyncio.ensure_future(asyncio.to_thread(step))
        return await asyncio.shield(task)

    async def _settled(self) -> None:
        if self._under_way is not None:
            await asyncio.wait([self._under_way])

    @property
    def _settings(self) -> HyperparameterFile:
        assert self._hparams is not None, "open() comes first"
        return self._hparams

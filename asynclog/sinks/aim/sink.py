"""The sink: what a run says, in an Aim run.

A series is (name, context). The context says the phase, as "subset", which Aim's pages group by, and the kind of what isn't a
number, since a series of Aim's holds one kind. Of a series Aim keeps one value a step: what comes again at a step replaces what
was there, so that what is delivered twice is there once, and so is what was logged twice at one step.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from time import time
from typing import Any, ClassVar, Final

from asynclog.errors import InvalidConfiguration, InvalidValue
from asynclog.sink import Batch, Event, Place, RunInfo, Write
from asynclog.sinks.aim.home import Home, run_hash, translated
from asynclog.sinks.aim.objects import SEVERAL, object_of
from asynclog.sinks.naming import flat_name

_NAMELESS: Final = "(no name)"
"""For the empty name: with a series of that one Aim can't open the run again."""


class Aim:
    """A run in the Aim repo in the directory ``repo``, made if there is none. Needs the extra ``aim``.

    experiment: Aim's word for a group of runs. name: of the run; None: this run's. The run's hash is derived from this run's
    id, so that whoever delivers reaches the same. Rank n > 0 has a run of its own, since one of Aim's has one writer.

    index: also bring the repo's index up to date, on ``flush`` and at the end, for queries of Aim's SDK where no ``aim up``
    runs. Where one does, it keeps the index, and stops doing so if it finds it taken.

    Raises InvalidConfiguration for a repo that is no directory, and on opening if aim isn't installed.
    """

    default_place: ClassVar[Place] = "process"

    def __init__(
        self, repo: str | Path = ".", *, experiment: str | None = None, name: str | None = None, index: bool = False
    ) -> None:
        if "://" in str(repo):
            raise InvalidConfiguration(f"Aim's repo is a directory, not {str(repo)!r}")
        # Where this process stands, not where a worker may.
        self.repo, self.experiment, self.name = Path(repo).expanduser().absolute(), experiment, name
        self.index = index
        self._info: RunInfo | None = None
        self._home: Home | None = None
        self._latest: float | None = None
        """Of the last write delivered here, or when the run is known to have ended, in seconds since 1970: when it ended, if it
        has."""
        self._ended = False

    async def open(self, run: RunInfo) -> None:
        try:
            import_module("aim")
            import_module("PIL")
        except ModuleNotFoundError as error:
            raise InvalidConfiguration(f"the sink Aim needs {error.name}: pip install 'asynclog-stream[aim]'") from error
        # A run without a directory has no id, and nobody will look for it again.
        self._info = run if run.id else replace(run, id=token_hex(8))

    async def write(self, batch: Batch, /) -> None:
        with translated():
            for one in batch.writes():
                home = self._begun(one.time_ns / 1e9)
                self._write(home.run, batch, one)
                self._latest = max(self._latest or 0.0, one.time_ns / 1e9)

    async def flush(self) -> None:
        if self._home is not None and self.index:
            with translated():
                self._home.index()

    async def run_ended(self, status: str, error: str | None) -> None:
        with translated():
            home = self._begun(self._latest or time())
            self._latest = self._latest or time()
            home.run["asynclog"] = {**home.run["asynclog"], "status": status, "error": error, "ended_at": self._latest}
            home.mark(status)
            self._ended = True

    async def aclose(self) -> None:
        home, self._home = self._home, None
        if home is not None:
            with translated():
                home.close(self._latest if self._ended else None)
                if self.index:
                    home.index()

    def _begun(self, at: float) -> Home:
        if self._home is None:
            assert self._info is not None, "open() comes first"
            run = self._info
            home = Home(self.repo, run_hash(run.id, run.rank), at)
            home.run.name = (self.name or run.name or run.id) + (f" rank {run.rank}" if run.rank else "")
            if self.experiment is not None:
                home.run.experiment = self.experiment
            # An end that is told once more, with nothing left to deliver, is no later one; Aim forgets it when a run is opened.
            known = home.run.get("asynclog", {}).get("ended_at")
            self._latest = max(self._latest or 0.0, known or 0.0) or None
            said = {"run_id": run.id, "rank": run.rank, "status": "running", "error": None, "ended_at": known}
            home.run["asynclog"] = said
            home.mark("")
            self._home, self._ended = home, False
        return self._home

    def _write(self, run: Any, batch: Batch, write: Write) -> None:
        # ``Run.track`` takes the time of its call for the value's.
        track, at, state = run._tracker._track, write.time_ns / 1e9, write.state
        subset = {"subset": state.phase}
        for axis, position in state.axes.items():
            track(float(position), at, axis or _NAMELESS, state.step, state.epoch, context=subset)
        several: dict[tuple[str, str], list[Any]] = {}
        for event in write.events:
            name = flat_name(event.namespace, event.key) or _NAMELESS
            if event.kind == "scalar":
                track(float(event.value), at, name, event.step, event.epoch, context=subset)
            elif event.kind == "config":
                _keep_settings(run, event.value)
            else:
                self._gather(several, batch, name, event)
        for (kind, name), objects in several.items():
            if kind not in SEVERAL and len(objects) > 1:
                batch.reject(f"Aim keeps one {kind} for a name and a step", len(objects) - 1)
            value = objects if kind in SEVERAL else objects[-1]
            track(value, at, name, state.step, state.epoch, context={**subset, "kind": kind})

    def _gather(self, several: dict[tuple[str, str], list[Any]], batch: Batch, name: str, event: Event) -> None:
        try:
            made = object_of(event.kind, event.value)
        except InvalidValue as error:
            batch.reject(str(error))
        else:
            several.setdefault((event.kind, name), []).append(made)


def _keep_settings(run: Any, config: Mapping[str, Any]) -> None:
    """Later ones over earlier ones."""
    run["hparams"] = {**run.get("hparams", {}), **_fitting(config)}


def _fitting(setting: Any) -> Any:
    """Names that aren't empty and numbers of 64 bits, as Aim has them; others as text."""
    if isinstance(setting, Mapping):
        return {name or _NAMELESS: _fitting(one) for name, one in setting.items()}
    if isinstance(setting, list | tuple):
        return [_fitting(one) for one in setting]
    return str(setting) if isinstance(setting, int) and not -(2**63) <= setting < 2**63 else setting

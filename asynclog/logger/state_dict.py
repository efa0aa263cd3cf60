"""What a logger says of itself for a checkpoint, and what is taken from there when training goes on: a dict of plain values, so
that ``torch.save``, ``torch.load(weights_only=True)``, pickle and JSON all take it.

    {"asynclog": 1, "run": {"id", "name", "path"} or None, "writer", "epoch", "step", "steps": {phase: step}, "time_ns",
     "clock": "wall" or "elapsed", "limits": {route: {"last_ns", "last_step", "began_ns", "spent_ns"}}, "journal": the same or
     None, "tables": [[namespace, key, [column, …]], …], "counts": {name: number}}

A checkpoint may come from anywhere: nothing of it is used before it was looked at.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from asynclog.errors import InvalidConfiguration
from asynclog.flow.limit import LimitState
from asynclog.logger.naming import described
from asynclog.logger.ranks import ranks_here
from asynclog.state import PHASES

if TYPE_CHECKING:
    from asynclog.logger.core import Core
    from asynclog.sink import RunInfo

_FORMAT: Final = 1
_MOST_TABLES: Final = 1 << 16
_BEFORE_ALL: Final = -1
_RANK: Final = re.compile(r"rank\d+|main")


@dataclass(frozen=True)
class Checkpoint:
    """A state dict that was looked at. run_id, path: None for a logger without a directory. steps: by phase, how far it had
    come. time_ns: since 1970, when it was taken; elapsed: whether limits keep to the loop's own clock."""

    run_id: str | None
    path: Path | None
    writer: str
    epoch: int
    steps: Mapping[str, int]
    time_ns: int
    elapsed: bool
    limits: Mapping[str, LimitState]
    journal: LimitState | None
    tables: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    @property
    def rewind_to(self) -> dict[str, int]:
        """Where training goes back to. A phase that had come further than training, or counts for itself, keeps what it had.

        Raises InvalidConfiguration where nothing tells.
        """
        if self.steps:
            step = self.steps.get(PHASES[0], max(self.steps.values()))
            return {phase: max(step, self.steps.get(phase, step)) for phase in PHASES}
        if not self.epoch:
            return dict.fromkeys(PHASES, _BEFORE_ALL)
        raise InvalidConfiguration(
            "state dict: nothing had been written since the run was resumed, so it has no step; pass rewind_to=STEP"
        )

    def own_writer(self, environment: Mapping[str, str]) -> str | None:
        """The writer that goes on. Of several ranks often only the first saves what all of them load: each is itself then."""
        return None if ranks_here(environment).world_size > 1 and _RANK.fullmatch(self.writer) else self.writer


def state_dict(core: "Core", run: "RunInfo | None") -> dict[str, Any]:
    """See MultiLogger.state_dict. run: None for a logger that has not been opened."""
    producer = core.producer
    with producer.lock:
        steps = producer.blocks.steps()
        limits, journal, elapsed = core.board.states()
        counts = producer.counts
        accepted = counts.accepted + producer.blocks.rows_beyond()
        return {
            "asynclog": _FORMAT,
            "run": None if run is None or run.directory is None else _run(run),
            "writer": core.writer,
            "epoch": 0 if run is None else run.epoch,
            "step": steps.get(PHASES[0], max(steps.values())) if steps else None,
            "steps": steps,
            "time_ns": core.now() if run is not None else time.time_ns(),
            "clock": "elapsed" if elapsed else "wall",
            "limits": {name: one.as_dict() for name, one in limits.items()},
            "journal": None if journal is None else journal.as_dict(),
            "tables": [
                [*place, list(columns)] for place, columns in core.table_columns.items() if columns and _are_names(columns)
            ],
            "counts": {
                "accepted": accepted,
                "skipped": counts.skipped,
                "invalid": counts.invalid,
                "cancelled": counts.cancelled,
                "discarded": counts.discarded,
            },
        }


def _run(run: "RunInfo") -> dict[str, str]:
    return {"id": run.id, "name": run.name, "path": str(run.directory)}


def _are_names(columns: object) -> bool:
    return isinstance(columns, tuple | list) and all(isinstance(one, str) for one in columns)


def checked_state(state: Any) -> Checkpoint:
    """What a state dict says. Raises InvalidConfiguration for what ``state_dict`` never made."""
    given = _mapping(state, "")
    made_by = given.get("asynclog")
    if not isinstance(made_by, int) or isinstance(made_by, bool):
        raise InvalidConfiguration(f"state dict: expected what log.state_dict() gave, got {described(state)}")
    if made_by != _FORMAT:
        raise InvalidConfiguration(
            f"state dict: expected format {_FORMAT}, got {made_by}; it is of another version of asynclog"
        )
    run = given.get("run")
    about = None if run is None else _mapping(run, "run")
    steps = _mapping(given.get("steps"), "steps")
    for phase in steps:
        if phase not in PHASES:
            raise _refuse("steps", f"steps by phase ({', '.join(PHASES)})", phase)
    journal = given.get("journal")
    return Checkpoint(
        None if about is None else _text(about.get("id"), "run id"),
        None if about is None else Path(_text(about.get("path"), "run path")),
        _text(given.get("writer"), "writer"),
        _whole(given.get("epoch"), "epoch"),
        {phase: _whole(step, f"steps {phase}") for phase, step in steps.items()},
        _whole(given.get("time_ns"), "time_ns"),
        given.get("clock") == "elapsed",
        {name: _limit(one, f"limits {name}") for name, one in _mapping(given.get("limits"), "limits").items()},
        None if journal is None else _limit(journal, "journal"),
        dict(map(_table, _list(given.get("tables"), "tables"))),
    )


def _limit(given: Any, where: str) -> LimitState:
    found = _mapping(given, where)
    last_ns, last_step = (
        {phase: _whole(one, f"{where} {name}") for phase, one in _mapping(found.get(name), f"{where} {name}").items()}
        for name in ("last_ns", "last_step")
    )
    if last_ns.keys() != last_step.keys() or not last_ns.keys() <= set(PHASES):
        raise _refuse(where, "a time and a step a phase", found)
    began = found.get("began_ns")
    return LimitState(
        last_ns,
        last_step,
        None if began is None else _whole(began, f"{where} began_ns"),
        _whole(found.get("spent_ns"), f"{where} spent_ns"),
    )


def _table(given: Any) -> tuple[tuple[str, str], tuple[str, ...]]:
    match given:
        case [str(namespace), str(key), list(columns)] if columns and _are_names(columns) and len(set(columns)) == len(columns):
            return (namespace, key), tuple(columns)
    raise _refuse("tables", "a namespace, a key and different columns each", given)


def _mapping(given: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise _refuse(where, "a mapping of names", given)
    return given


def _list(given: Any, where: str) -> list[Any]:
    if not isinstance(given, list) or len(given) > _MOST_TABLES:
        raise _refuse(where, "a list", given)
    return given


def _text(given: Any, where: str) -> str:
    if not isinstance(given, str) or not given or "\0" in given:
        raise _refuse(where, "a str", given)
    return given


def _whole(given: Any, where: str) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not -(2**63) <= given < 2**63:
        raise _refuse(where, "a whole number of 64 bits", given)
    return given


def _refuse(where: str, expected: str, got: Any) -> InvalidConfiguration:
    name = f"state dict, {where}" if where else "state dict"
    return InvalidConfiguration(f"{name}: expected {expected}, got {described(got)}")

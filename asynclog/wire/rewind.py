"""Rewinds: training went back to a checkpoint, and what earlier epochs of the same writer recorded beyond it is superseded.

Nothing is taken out of a journal. An epoch's SEGMENT says where its training went back to (``rewound_to``), phase by phase, and
whoever reads an earlier epoch leaves out what lies beyond. Settings are of the run, not of a step, and stay.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeGuard

import numpy as np

from asynclog.sink import Event
from asynclog.state import PHASES
from asynclog.wire.batch import Events, Rows
from asynclog.wire.codec import raw_payload
from asynclog.wire.event import whole
from asynclog.wire.frame import Frame
from asynclog.wire.layout import Flag, Kind
from asynclog.wire.schema import SPARSE_DUE, SPARSE_ELAPSED, Schema, Series, sparse_length, sparse_records
from asynclog.wire.stream import Record

Steps = Mapping[str, int]
"""The last step that holds, by phase; of a phase that isn't named, everything holds."""
LASTING: Final = "config"
_KEPT_FLAGS: Final = int(Flag.MUST_UNDERSTAND)


def steps_told(meta: Mapping[str, Any]) -> Steps:
    """What a SEGMENT's meta says of a rewind, from untrusted bytes: nothing where it makes no sense."""
    told = meta.get("rewound_to")
    by_phase = told if isinstance(told, dict) else dict.fromkeys(PHASES, told)
    return {phase: step for phase in PHASES if _is_step(step := by_phase.get(phase))}


def _is_step(found: Any) -> TypeGuard[int]:
    return isinstance(found, int) and not isinstance(found, bool) and -(2**63) <= found < 2**63


def as_told(steps: Steps) -> "int | dict[str, int]":
    """The same for a SEGMENT's meta: a number where all phases went back to one step."""
    alike = set(steps.values())
    return alike.pop() if len(alike) == 1 and len(steps) == len(PHASES) else dict(steps)


def lowest(rewinds: Iterable[Steps]) -> Steps:
    """What several rewinds leave."""
    found: dict[str, int] = {}
    for steps in rewinds:
        for phase, step in steps.items():
            found[phase] = min(step, found.get(phase, step))
    return found


def left_of(epoch: int, rewinds: Mapping[int, Steps]) -> Steps:
    """What the rewinds of later epochs leave of this one. rewinds: by the epoch that began with them."""
    return lowest(steps for later, steps in rewinds.items() if later > epoch)


def rows_within(frame: Frame, schema: Schema, steps: Steps) -> Frame | None:
    """A ROWS frame with those of its rows that hold: itself if all do, None if none does. Raises DamagedFrame."""
    last = steps.get(schema.phase)
    if last is None:
        return frame
    payload = raw_payload(frame)
    kept = _rows_kept(payload, schema, last)
    return frame if kept is None else _with(frame, kept, len(kept) // schema.stride) if kept else None


def _rows_kept(payload: "bytes | bytearray | memoryview", schema: Schema, last: int) -> bytes | None:
    """None: all of them."""
    fields = schema.fields(payload)
    holds = fields[:, 0].view(np.int64) <= last
    return None if bool(holds.all()) else fields[holds].tobytes()


def sparse_within(frame: Frame, series: Mapping[int, Series], steps: Steps) -> Frame | None:
    """The same of a SPARSE frame. series: those that were named so far."""
    data = memoryview(raw_payload(frame))
    records = sparse_records(data)
    kept, at = [], 0
    for one in records:
        flags = (SPARSE_DUE if one.due is not None else 0) | (SPARSE_ELAPSED if one.elapsed is not None else 0)
        length = sparse_length(len(one.numbers), flags)
        # A record is of one write, so of one phase.
        known = series.get(int(one.numbers[0])) if len(one.numbers) else None
        last = steps.get(PHASES[0] if known is None else known.phase)
        if last is None or one.step <= last:
            kept.append(data[at : at + length])
        at += length
    return frame if len(kept) == len(records) else _with(frame, b"".join(kept), len(kept)) if kept else None


def event_holds(frame: Frame, steps: Steps) -> bool:
    """Whether an EVENT frame holds. Raises what unpacking its meta raises."""
    meta = frame.meta
    last = steps.get(str(meta["phase"]))
    return last is None or meta["kind"] == LASTING or whole(meta["step"]) <= last


def record_within(record: Record, series: Mapping[int, Series], steps: Steps) -> Record | None:
    """A record with what of it holds: itself if all does, None if nothing does."""
    part, frame = record.part, record.frame
    if isinstance(part, Rows):
        last = steps.get(part.schema.phase)
        kept = None if last is None else _rows_kept(part.payload, part.schema, last)
        if kept is None:
            return record
        if not kept:
            return None
        rows = Rows(part.schema, kept, part.epoch, part.level)
        return replace(record, frame=_with(frame, kept, len(rows)), part=rows, events=len(rows) * len(part.schema.series))
    events = list(part.events())
    holding = [at for at, one in enumerate(events) if _holds(one, steps)]
    if len(holding) == len(events):
        return record
    if not holding:
        return None
    due = tuple(record.due[at] for at in holding) if isinstance(record.due, tuple) else record.due
    cut = sparse_within(frame, series, steps) if frame.kind == Kind.SPARSE else frame
    return Record(cut or frame, Events([events[at] for at in holding]), due, len(holding))


def _holds(event: Event, steps: Steps) -> bool:
    last = steps.get(event.phase)
    return last is None or event.kind == LASTING or event.step <= last


def _with(frame: Frame, payload: bytes, count: int) -> Frame:
    return Frame(
        frame.kind,
        seq=frame.seq,
        time=frame.time,
        schema=frame.schema,
        count=count,
        flags=frame.flags & _KEPT_FLAGS,
        meta_bytes=frame.meta_bytes,
        payload=payload,
    )

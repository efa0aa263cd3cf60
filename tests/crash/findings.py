"""What a kill left behind, held against what the training process had noted as accepted."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import asynclog as al
from asynclog.readers.run import Run
from asynclog.readers.verify import verify
from tests.crash.scene import LIFE_STEPS, Life, Scene
from tests.crash.victim import EVENTS_EVERY, VALID_EVERY, image


@dataclass
class Findings:
    """What became of a scene. accepted, read, lost: rows, and lost events as well. oldest_lost_s: before the kill.
    complaints: what is not as promised, empty if all is well."""

    accepted: int = 0
    read: int = 0
    lost: int = 0
    oldest_lost_s: float = 0.0
    leftovers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def findings(scene: Scene, *statuses: str, surely: "dict[int, int] | None" = None, sinks: bool = True) -> Findings:
    """Look at everything a scene left, whose run must have one of some statuses.

    surely: by life, how many rows must be there (default: all that were accepted, and all events). sinks: whether they must
    have had all that the journal has.
    """
    found = Findings(leftovers=scene.leftovers())
    found.complaints += [f"left over: {one}" for one in found.leftovers]
    run = al.read(scene.run)
    report = verify(scene.run)
    if run.status not in statuses:
        found.complaints.append(f"status is {run.status!r}, expected {' or '.join(map(repr, statuses))}")
    if not report.sound or report.missing or run.missing:
        found.complaints.append(f"not sound: {report.missing} missing, {[str(one) for one in report.damage][:3]}")
    read = {life.number: _rows(run, life, found) for life in scene.lives}
    for life in scene.lives:
        expected = life.rows if surely is None else surely[life.number]
        found.accepted += life.rows
        found.read += read[life.number]
        found.lost += max(0, expected - read[life.number])
        if read[life.number] < expected:
            found.complaints.append(f"life {life.number}: {life.rows} rows were accepted, {read[life.number]} are there")
        events = _events(run, life, found)
        if surely is None and events < life.events:
            found.lost += life.events - events
            found.complaints.append(f"life {life.number}: {life.events} events were accepted, {events} are there")
    if not sinks:
        return found
    valid = [step for life in scene.lives for step in range(life.first, life.first + read[life.number], VALID_EVERY)]
    found.complaints += [*_sink_complaints("lines", _line_steps(scene.run / "lines.jsonl"), valid)]
    found.complaints += [*_sink_complaints("table", _table_steps(scene.run / "rows.csv"), valid)]
    return found


def _rows(run: Run, life: Life, found: Findings) -> int:
    """How many rows of a life are there: from its first step on, without a hole, with the values that were logged."""
    here: dict[str, np.ndarray] = {}
    entries = run.keys()
    known = {(one.key, one.phase) for one in entries if one.kind == "scalar"}
    for key, factor in {"loss": 0.5, "accuracy": -0.25, "count": 1}.items():
        steps = [np.empty(0, np.int64)] * 2
        for at, phase in enumerate(("train", "valid")):
            if (key, phase) not in known:
                continue
            series = run.series(key, phase=phase)
            mine = (series.step >= life.first) & (series.step < life.first + LIFE_STEPS)
            steps[at] = series.step[mine]
            if not (series.value[mine] == series.step[mine] * factor).all():
                found.complaints.append(f"life {life.number}: wrong values of {key} in {phase}")
        if (steps[0] % VALID_EVERY == 0).any() or (steps[1] % VALID_EVERY).any():
            found.complaints.append(f"life {life.number}: rows of {key} in the wrong phase")
        here[key] = np.sort(np.concatenate(steps))
        if not np.array_equal(here[key], np.arange(life.first, life.first + len(here[key]))):
            found.complaints.append(f"life {life.number}: {key} has holes or repeats")
    if len({len(one) for one in here.values()}) > 1:
        found.complaints.append(f"life {life.number}: rows were torn apart: { {key: len(one) for key, one in here.items()} }")
    return min(len(one) for one in here.values())


def _events(run: Run, life: Life, found: Findings) -> int:
    """How many images and strings of a life are there, each with its own content."""
    count = 0
    for kind in ("image", "string"):
        mine = [one for one in run.events(kind=kind) if life.first <= one.step < life.first + LIFE_STEPS]
        count += len(mine)
        start = -(-life.first // EVENTS_EVERY) * EVENTS_EVERY
        if [one.step for one in mine] != list(range(start, start + len(mine) * EVENTS_EVERY, EVENTS_EVERY)):
            found.complaints.append(f"life {life.number}: {kind}s have holes, repeats or another order")
        for one in mine:
            data = one.value.data if kind == "image" else None
            good = one.value == f"step {one.step}" if data is None else np.array_equal(data, image(one.step, data.shape[-1]))
            if not good:
                found.complaints.append(f"life {life.number}: the {kind} of step {one.step} holds {one.value!r}")
    return count


def _line_steps(path: Path) -> Iterator[int]:
    with path.open() as file:
        for text in file:
            line = json.loads(text)
            if "metrics" in line:
                yield line["step"]


def _table_steps(path: Path) -> Iterator[int]:
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            assert float(row["loss"]) == int(row["step"]) * 0.5
            yield int(row["step"])


def _sink_complaints(name: str, steps: Iterator[int], expected: list[int]) -> Iterator[str]:
    delivered = list(steps)
    counted = Counter(delivered)
    if delivered != sorted(delivered):
        yield f"sink {name!r} has rows in another order than they were written"
    if missing := set(expected) - counted.keys():
        yield f"sink {name!r} misses {len(missing)} of {len(expected)} rows, steps {min(missing)} to {max(missing)}"
    if more := counted.keys() - set(expected):
        yield f"sink {name!r} has {len(more)} rows that the journal has not, steps {min(more)} to {max(more)}"
    if repeated := [step for step, times in counted.items() if times > 1]:
        yield f"sink {name!r} repeats {len(repeated)} rows, steps {min(repeated)} to {max(repeated)}"

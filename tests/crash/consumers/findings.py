"""What is left of a scene with consumers, held against what was accepted: journal, every sink, everybody who was attached, the
counters, the memory."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

import asynclog as al
from asynclog.readers.run import Run
from asynclog.readers.verify import verify
from tests.crash.consumers.chaos import Chaos
from tests.crash.consumers.content import Inspector, Wrongs
from tests.crash.consumers.guest import Seen
from tests.crash.consumers.scene import ConsumersScene, Guest
from tests.crash.consumers.sinks import KEYS, taken
from tests.crash.consumers.victim import LONGEST_CALL_S, REST_S, SLABS_AT_REST, Word
from tests.crash.scene import LIFE_STEPS

DURABLE: Final = ("one", "two", "alone")
LOSSY: Final = "lossy"
MORE_DESCRIPTORS: Final = 16
"""Beyond one a slab: what a process may have at the end that it had not at the beginning."""
MORE_DESCRIPTORS_OF_A_THREAD: Final = 80


@dataclass
class Outcome:
    """What became of a scene. accepted, read: writes. torn: deliveries that were not what was logged. checked, nbytes: tensors
    that were checked by those they were delivered to. longest_s: of any call of the training process."""

    accepted: int = 0
    read: int = 0
    lost: int = 0
    torn: int = 0
    checked: int = 0
    nbytes: int = 0
    longest_s: float = 0.0
    leftovers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def expect(self, condition: bool, complaint: str) -> None:
        if not condition:
            self.complaints.append(complaint)


def outcome(scene: ConsumersScene, chaos: Chaos) -> Outcome:
    """Look at everything a scene left, whose last training process has closed its logger."""
    found = Outcome(leftovers=scene.leftovers())
    found.complaints += [f"left over: {one}" for one in found.leftovers]
    run = al.read(scene.run)
    report = verify(scene.run)
    found.expect(run.status == "finished", f"status is {run.status!r}")
    found.expect(report.sound and not report.missing, f"not sound: {report.missing} missing, {report.damage[:3]}")
    steps = _journal(scene, run, found)
    for route in DURABLE:
        _compare(route, steps, taken(scene.folder, route), found, all_of_it=True)
    _compare(LOSSY, steps, taken(scene.folder, LOSSY), found, all_of_it=False)
    for one in scene.guests:
        _guest(one, scene, steps["frame"], found)
    _training(scene, found)
    _end(scene, sum(1 for _ in run.events()), found)
    found.complaints += chaos.possessions.complaints()
    wrongs = Wrongs(scene.folder).all()
    found.torn = sum("torn" in one for one in wrongs)
    found.complaints += wrongs
    log = (scene.run / "recorder.log").read_text()
    found.expect(not log, f"recorder.log: {log[-2000:]}")
    return found


def _journal(scene: ConsumersScene, run: Run, found: Outcome) -> "dict[str, np.ndarray[Any, Any]]":
    """By key, the steps that were recorded; each tensor is checked."""
    inspector = Inspector("journal", Wrongs(scene.folder), keeps=0)
    steps: dict[str, list[int]] = {key: [] for key in KEYS}
    for event in run.events():
        inspector.look(event)
        if event.kind == "tensor":
            found.nbytes += event.value.data.nbytes
            found.checked += 1
        if event.key in steps:
            steps[event.key].append(event.step)
    recorded = {key: np.array(one, np.int64) for key, one in steps.items()}
    for life in scene.trainers:
        found.accepted += life.rows
        for key, one in recorded.items():
            mine = one[(one >= life.first) & (one < life.first + LIFE_STEPS)]
            whole = np.array_equal(mine, np.arange(life.first, life.first + len(mine)))
            found.expect(whole, f"journal, life {life.number}: {key} has holes, repeats or another order")
            found.lost += max(0, life.rows - len(mine))
            found.expect(len(mine) >= life.rows, f"journal, life {life.number}: {len(mine)} {key} of {life.rows} accepted")
            found.read += len(mine) if key == "frame" else 0
    return recorded


def _compare(route: str, recorded: dict[str, Any], took: dict[str, Any], found: Outcome, *, all_of_it: bool) -> None:
    for key, expected in recorded.items():
        missing, more = np.setdiff1d(expected, took[key]), np.setdiff1d(took[key], expected)
        found.checked += len(took[key]) if key == "frame" else 0
        found.expect(not len(more), f"route {route}: {len(more)} {key} that the journal has not, from step {more[:1]} on")
        if all_of_it and len(missing):
            found.lost += len(missing)
            found.complaints.append(f"route {route}: {len(missing)} {key} never came, steps {missing[0]} to {missing[-1]}")


def _guest(one: Guest, scene: ConsumersScene, frames: "np.ndarray[Any, Any]", found: Outcome) -> None:
    found.checked += one.words[Seen.FRAMES]
    found.nbytes += one.words[Seen.BYTES]
    if one.killed:
        return
    who = f"attached process {one.process.pid} ({one.start})"
    assert one.process.stderr is not None
    if one.process.wait() or not one.note.with_suffix(".json").exists():
        found.complaints.append(f"{who}: exit status {one.process.returncode}: {one.process.stderr.read()[-2000:]}")
        return
    told = json.loads(one.note.with_suffix(".json").read_text())
    if told["left"]:
        return
    epoch = told["epoch"]
    expected = "finished" if epoch == scene.lives[-1].number else "killed"
    found.expect(told["status"] == expected, f"{who}: was told {told['status']!r} of epoch {epoch}, which has {expected}")
    mine = frames[(frames >= epoch * LIFE_STEPS) & (frames < (epoch + 1) * LIFE_STEPS)]
    if told["next"] or (one.start == "beginning" and len(mine)):
        last, nexts = int(mine[-1]), {key: told["next"].get(key) for key in KEYS}
        found.expect(set(nexts.values()) == {last + 1}, f"{who}: ended before {nexts}, the run after step {last}")


def _training(scene: ConsumersScene, found: Outcome) -> None:
    for life in scene.trainers:
        longest = life.words[Word.LONGEST_CALL_NS] / 1e9
        found.longest_s = max(found.longest_s, longest)
        found.expect(longest <= LONGEST_CALL_S, f"life {life.number}: a call took {longest:.1f} s")
        found.expect("Traceback" not in life.errors(), f"life {life.number} said: {life.errors()[-2000:]}")


def _end(scene: ConsumersScene, events: int, found: Outcome) -> None:
    """Counters and memory of the last training process."""
    told = json.loads((scene.folder / f"end-{scene.lives[-1].number}.json").read_text())
    for name, one in told["closed"]["routes"].items():
        settled = ("delivered", "rejected", "dropped", "not_due", "filtered", "folded", "pending")
        found.expect(one["offered"] == sum(one[key] for key in settled), f"route {name}: its counters don't add up: {one}")
        found.expect(not one["pending"] and not one["rejected"], f"route {name} is not done: {one}")
        if name in DURABLE:
            done = one["delivered"] == events
            found.expect(done, f"route {name}: {one['delivered']} delivered of {events} in the journal")
    found.expect(told["at_rest"] <= SLABS_AT_REST, f"at rest {told['at_rest']} slabs were in use: {told['rest']['slabs']}")
    found.expect(told["rest_s"] < REST_S, f"it took {told['rest_s']:.1f} s until nobody held a slab")
    found.expect(not told["mapped_after"], f"memory stayed mapped after the end: {told['mapped_after']}")
    found.expect(not told["used_after"], f"{told['used_after']} bytes of its /dev/shm stayed in use after the end")
    # A slab takes two: mmap has one of its own.
    before, after = (told[when]["descriptors"] - 2 * told[when]["slabs"]["slabs"] for when in ("open", "rest"))
    # With the recorder in a thread it has the sockets of all consumers, too.
    more = MORE_DESCRIPTORS if told["rest"]["recorder"]["pid"] else MORE_DESCRIPTORS_OF_A_THREAD
    kinds = told["rest"]["of_kinds"]
    found.expect(after <= before + more, f"training process: {before} descriptors beside slabs became {after}: {kinds}")

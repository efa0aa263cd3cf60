"""The exam that every destination takes: one recorded run, looked at through the destination's own reader.

    class TestTensorBoard(DestinationTests):
        shows: ClassVar = {"scalar": "scalars", "image": "images", …}  # in its own terms; other kinds are rejected
        number = np.float32
        tolerance: ClassVar = {"image": 0, "video": 8}
        def make_sink(self, tmp_path): return al.sinks.TensorBoard(tmp_path / "board")
        def read_back(self, tmp_path): return Reading([Shown(kind, phase, name, step, value) for … in …])

The truth is the journal, whose readers have exams of their own: what it holds and what the destination shows must be equal.
``forms`` says in which form a value is compared.
"""

import asyncio
import json
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import pytest

import asynclog as al
from asynclog.sinks.naming import flat_name
from tests.crash.scene import exited
from tests.integration.destinations.forms import alike, form, same_number
from tests.integration.destinations.recording import record

ROOT: Final = Path(__file__).parents[3]
_SECONDS: Final = 50.0


class Shown(NamedTuple):
    """A value as the destination's reader gives it.

    name: "namespace/key", without the phase. phase, step: None where the destination doesn't keep them (of a config, say).
    value: in its form (``forms``). time: seconds since 1970, None where it isn't kept.
    """

    kind: str
    phase: str | None
    name: str
    step: int | None
    value: Any = None
    time: float | None = None


class Reading(NamedTuple):
    """All that the destination shows of a run. status: how the run ended, in the destination's words; None if it can't say."""

    values: list[Shown]
    status: str | None = None


class DestinationTests:
    """Subclass as ``Test…``, and give ``make_sink``, ``read_back``, ``shows``; then say what is special.

    A vendor's library is named in ``needs`` and imported in the methods: the docs are made from these classes by whoever has
    only some of the libraries.
    """

    destination: ClassVar[str] = ""
    """Its name, as in the docs."""
    reader: ClassVar[str] = ""
    """What reads it back, for the docs: "TensorBoard's `EventAccumulator`"."""
    needs: ClassVar[Sequence[str]] = ()
    """Modules without which the exam is skipped."""
    shows: ClassVar[Mapping[str, str]] = {}
    """kind → what it becomes there, in the destination's own terms. Any other kind is rejected, event by event; hooks, which no
    destination asks for, are filtered."""
    number: ClassVar[type[np.number]] = np.float64
    """The precision of its numbers."""
    tolerance: ClassVar[Mapping[str, float]] = {}
    """kind → mean absolute difference that its form may have; exact where it isn't named."""
    time_precision_s: ClassVar[float] = 0.001
    dedupes: ClassVar[bool] = True
    """Whether what is delivered twice is shown once."""
    statuses: ClassVar[Mapping[str, str]] = {}
    """"finished", "failed", "killed" → the word of the destination; empty for one that has no such words."""
    patience_rows: ClassVar[int] = 300
    """Rows that the training process which is killed has written by then."""

    def make_sink(self, tmp_path: Path) -> Any:
        """A sink that can be pickled; called again with the same path, one with the same destination."""
        raise NotImplementedError

    def read_back(self, tmp_path: Path) -> Reading:
        """What the destination's own reader finds."""
        raise NotImplementedError

    def same(self, kind: str, logged: Any, shown: Any) -> bool:
        """Whether a value survived. logged: the event's value as recorded; shown: what ``read_back`` gave."""
        if kind == "scalar":
            return same_number(logged, shown, self.number)
        return alike(form(kind, logged), shown, self.tolerance.get(kind, 0.0))

    # The exam.

    @pytest.fixture(autouse=True)
    def _has_what_it_needs(self) -> None:
        for module in self.needs:
            pytest.importorskip(module)

    def test_shows_a_run_as_it_is_recorded_and_nothing_twice_after_a_sync(self, tmp_path: Path) -> None:
        """Delivered live, from the place it has by default, and once more by a sync that knows nothing of that."""
        run = tmp_path / "run"
        routes = asyncio.run(record(run, [al.Route(self.make_sink(tmp_path), name="exam", deadline=50.0)]))
        self._check(run, tmp_path, routes["exam"], "finished")
        again = asyncio.run(al.sync(run, self.make_sink(tmp_path), name="again"))
        assert again.complete
        self._check(run, tmp_path, again.counters, "finished", times=2)

    def test_shows_a_run_that_was_recorded_without_it(self, tmp_path: Path) -> None:
        """Delivered by sync alone, and the training had failed; another sync finds nothing left to do."""
        run = tmp_path / "run"
        asyncio.run(record(run, [], fails=True))
        synced = asyncio.run(al.sync(run, self.make_sink(tmp_path), name="exam"))
        assert synced.complete
        self._check(run, tmp_path, synced.counters, "failed")
        idle = asyncio.run(al.sync(run, self.make_sink(tmp_path), name="exam"))
        assert (idle.complete, idle.counters["offered"]) == (True, 0)
        self._check(run, tmp_path, synced.counters, "failed")

    @pytest.mark.crash
    def test_what_was_accepted_is_there_after_a_kill(self, tmp_path: Path) -> None:
        """The training process is killed in mid-run: its recorder delivers the rest, and says how the run ended."""
        run = tmp_path / "run"
        accepted = self._killed(run, tmp_path)
        steps = al.read(run).series("count").step
        assert len(steps) >= accepted, f"{accepted} rows were accepted, {len(steps)} are in the journal"
        self._check(run, tmp_path, _saved(run), "killed")

    # What it is made of.

    def _killed(self, run: Path, tmp_path: Path) -> int:
        """Kill a training process, wait for its recorder's end; returns how many rows it had been told were accepted."""
        pickled = tmp_path / "sink.pickle"
        pickled.write_bytes(pickle.dumps(self.make_sink(tmp_path)))
        victim = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("victim.py")), str(run), str(pickled)],
            env=self.environment() | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert victim.stdout is not None
        with victim:
            said = [victim.stdout.readline() for _ in range(self.patience_rows + 1)]
            victim.kill()
            said += victim.stdout.read().splitlines(keepends=True)
        assert exited(int(said[0]), _SECONDS), "the recorder goes on and on"
        return int([one for one in said if one.endswith("\n")][-1])

    def environment(self) -> dict[str, str]:
        """Of the training process that is killed."""
        return dict(os.environ)

    def _check(self, run: Path, tmp_path: Path, counters: Mapping[str, Any], status: str, *, times: int = 1) -> None:
        logged = list(al.read(run).events())
        reading = self.read_back(tmp_path)
        # Why a run failed is recorded beside what was logged, under a name from which no reader here tells its kind.
        why = ("record", "run/error")
        assert any(one.name == why[1] for one in reading.values) == any(_named(one) == why for one in logged)
        values = [one for one in reading.values if one.name != why[1]]
        self._compare((one for one in logged if _named(one) != why), values, repeats=times > 1 and not self.dedupes)
        kinds = Counter(event.kind for event in logged)
        filtered = kinds.pop("hook", 0)
        rejected = sum(count for kind, count in kinds.items() if kind not in self.shows)
        delivered = len(logged) - rejected - filtered
        expected = {
            "offered": len(logged), "rejected": rejected, "filtered": filtered, "delivered": delivered, "pending": 0
        }  # fmt: skip
        assert {name: counters[name] for name in expected} == expected
        assert not any(counters[name] for name in ("dropped", "folded", "not_due"))
        if self.statuses:
            assert reading.status == self.statuses[status]

    def _compare(self, logged: Iterable[Any], found: Iterable[Shown], *, repeats: bool) -> None:
        shown: dict[tuple[str, str], list[Shown]] = {}
        for one in found:
            shown.setdefault((one.kind, one.name), []).append(one)
        matched: dict[tuple[str, str], set[int]] = {}
        for event in logged:
            if event.kind not in self.shows:
                continue
            where = _named(event)
            candidates, taken = shown.get(where, []), matched.setdefault(where, set())
            at = next((at for at, one in enumerate(candidates) if at not in taken and self._is(event, one)), None)
            near = [(one.phase, one.step, str(one.value)[:80]) for one in candidates if one.step in (event.step, None)]
            assert at is not None, (
                f"{where} of {event.phase} at step {event.step}, {str(form(event.kind, event.value))[:80]}, is missing or "
                f"changed; shown: {near}"
            )
            taken.update([at] if not repeats else (other for other, one in enumerate(candidates) if self._is(event, one)))
        left = [
            (where, one.phase, one.step)
            for where, ones in shown.items()
            for at, one in enumerate(ones)
            if at not in matched.get(where, ())
        ]
        assert not left, f"{len(left)} are shown that nobody logged, or twice: {left[:5]}"

    def _is(self, event: Any, one: Shown) -> bool:
        return (
            one.phase in (None, event.phase)
            and one.step in (None, event.step)
            and (one.time is None or abs(one.time - event.time) <= self.time_precision_s)
            and self.same(event.kind, event.value, one.value)
        )


def _named(event: Any) -> tuple[str, str]:
    return event.kind, flat_name(event.namespace, event.key)


def _saved(run: Path) -> dict[str, int]:
    """The counters that a route without a logger has left behind."""
    content: dict[str, int] = json.loads((run / "cursors" / "exam" / "main.json").read_text())["counters"]
    return content

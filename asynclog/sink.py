"""What a sink is, and what it is given.

A sink only writes. Queues, retries, threads, deadlines, counters and isolation belong to the runner, which calls a sink
from one task of one thread, one batch at a time, in order.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from types import coroutine
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from asynclog.state import State
from asynclog.values import HOOKS

Place = Literal["recorder", "process", "thread", "caller"]
PLACES: Final = ("recorder", "process", "thread", "caller")


class Event(NamedTuple):
    """A value at a state. ``time`` is seconds since 1970; a scalar's value is a float (an int where the key holds whole
    numbers), a string's a str, a config's a dict, any other kind's a value object of ``asynclog.values``."""

    kind: str
    phase: str
    namespace: str
    key: str
    step: int
    epoch: int
    time_ns: int
    axes: Mapping[str, float]
    value: Any
    level: str = "batch"
    elapsed_s: float | None = None

    @property
    def time(self) -> float:
        return self.time_ns / 1e9

    @property
    def state(self) -> State:
        elapsed = self.elapsed_s
        if isinstance(elapsed, float) and not isfinite(elapsed):
            elapsed = None  # a row's eight bytes can say so, a state can't
        return State(self.step, self.phase, self.epoch, elapsed, self.level, self.axes)  # type: ignore[arg-type]


class Column(NamedTuple):
    """The points of one series: step (n,) int64, time_ns (n,) int64, value (n,) float64 or int64."""

    step: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    value: NDArray[Any]


class Block(NamedTuple):
    """Rows of numbers whose states share phase, epoch and level, as arrays of one length.

    step, time_ns: int64. elapsed_s: float64, None where the states had none. axes: by name, float64. series: the (namespace,
    key) of each of values, which are float64 or int64.
    """

    phase: str
    epoch: int
    level: str
    step: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    elapsed_s: NDArray[np.float64] | None
    axes: Mapping[str, NDArray[np.float64]]
    series: Sequence[tuple[str, str]]
    values: Sequence[NDArray[Any]]


class Write(NamedTuple):
    """All that one ``write(state)`` recorded and that is delivered: numbers and other events, all at one state and time."""

    state: State
    time_ns: int
    events: list[Event]


class Batch(Protocol):
    """Consecutive records of one writer. Iterates as events, in the order they were written."""

    writer: str
    epoch: int
    seq: int

    def __iter__(self) -> Iterator[Event]: ...
    def __len__(self) -> int: ...
    def writes(self) -> Iterator[Write]:
        """The same, grouped by write."""
        ...

    @property
    def columns(self) -> Mapping[tuple[str, str, str], Column]:
        """The numbers as arrays, by (phase, namespace, key), without an object per point."""
        ...

    def blocks(self) -> Iterator[Block]:
        """The numbers as arrays with all that is said of their states; neighbouring blocks may overlap in time."""
        ...

    def others(self) -> Iterator[Event]:
        """What isn't a number, in the order it was written."""
        ...

    @property
    def frames(self) -> Sequence[bytes]:
        """The encoded frames, for sinks that move bytes."""
        ...

    def reject(self, why: str, events: int = 1) -> None:
        """Called by the sink that writes it: these events the destination can't show. They are counted as rejected, and a
        person is told of each reason once: "a mesh has no place in CSV"."""
        ...


@dataclass(frozen=True)
class RunInfo:
    """What a sink may know of its run. directory: the run's; sink_directory: the sink's own, made on first use.

    directory is None for a run without one.
    """

    id: str
    name: str
    directory: Path | None
    writer: str
    epoch: int
    rank: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    resumed: bool = False
    """True if an earlier epoch of this route has delivered before: append, don't truncate."""
    rewound_to: Mapping[str, int] | None = None
    """Set if training went back to a checkpoint since this route delivered last: by phase the last step that holds. What was
    delivered before at later steps is superseded; none of it is delivered from here on."""

    def sink_directory(self, name: str) -> Path:
        base = self.directory if self.directory is not None else Path.cwd()
        path = base / "sinks" / name
        path.mkdir(parents=True, exist_ok=True)
        return path


@runtime_checkable
class Sink(Protocol):
    """Two methods make a sink. Optional ones: ``async open(run)``, ``async flush()``, ``async run_ended(status, error)``,
    ``should_write(state)``.

    Returning from ``write`` means accepted. Raise SinkUnavailable, OSError or TimeoutError for "again later" and
    SinkRejected for "never"; anything else is tried three times, then counted as rejected.
    What a destination can't show of a batch that it otherwise takes goes to ``batch.reject(why)``.
    ``run_ended`` comes before ``aclose``, once all of a run that has ended is delivered: status is "finished", "failed" (the
    body raised; error says what), "killed" or "exited" (it went without closing). Not where the sink is closed and the run goes
    on. It may come again in a later process.
    ``default_place``: where it runs unless a Route says otherwise. ``ephemeral = True``: it keeps nothing over a restart, so
    no cursor is kept for it and it begins at its own epoch. ``hooks``: True, or the names of those that it wants, as events of
    kind "hook" among the others.
    """

    async def write(self, batch: Batch, /) -> None: ...
    async def aclose(self) -> None: ...


_A_TURN_WRITES: Final = 64  # of ten plain hooks each: a millisecond


@coroutine
def _turn() -> Generator[None, None, None]:
    """Let the loop turn once. Not asyncio.sleep(0): what only handles bytes imports this module, and knows no loop."""
    yield


class BaseSink:
    """For sinks that think in kinds: override any ``log_*`` method, plain or async; the rest is ignored.

    They get (key, value, state, namespace); ``log_config`` gets the mapping alone. ``write(state)`` is overridden as
    ``after_write(state)``: called once a write, after its values. What happens in the training reaches methods of its name,
    ``fit_start(state)``, ``epoch_end(state)``, ``batch_end(state)`` … (``asynclog.values.HOOKS``), or ``hook(name, state)``.
    """

    default_place: ClassVar[Place] = "thread"
    _last: State = State(0)

    async def open(self, run: RunInfo) -> None:
        """Called once, before anything else."""

    async def write(self, batch: Batch, /) -> None:
        for at, one in enumerate(batch.writes(), 1):
            if at % _A_TURN_WRITES == 0:
                await _turn()
            for event in one.events:
                if event.kind == "hook":
                    await settle(self.hook(event.value.name, one.state))
                    continue
                method = getattr(self, f"log_{event.kind}", None)
                if method is None:
                    continue
                arguments = (event.value,) if event.kind == "config" else (event.key, event.value, one.state, event.namespace)
                await settle(method(*arguments))
            await settle(self.after_write(one.state))
            self._last = one.state

    def after_write(self, state: State) -> Any:
        """Called once a write, after its values. Plain or async."""

    def hook(self, name: str, state: State) -> Any:
        """Called for each hook, in its place among the values; calls the method of its name. Overridden, it gets every hook,
        whatever its name; otherwise only those come that have a method. Plain or async."""
        method = getattr(self, name, None) if name in HOOKS else None
        return None if method is None else method(state)

    def close(self, state: State) -> Any:
        """Called at the end, after ``run_ended``, with the last state there was. Plain or async."""

    def post_close(self) -> Any:
        """Called after ``close``. Plain or async."""

    async def flush(self) -> None:
        """Called by ``MultiLogger.flush``, after everything before it was written."""

    async def run_ended(self, status: str, error: str | None) -> None:
        """Called before ``aclose`` if the run has ended and all of it was written."""

    async def aclose(self) -> None:
        """Called once, at the end; calls ``close`` and ``post_close``."""
        await settle(self.close(self._last))
        await settle(self.post_close())


async def settle(outcome: Any) -> Any:
    """The outcome of a hook that may be plain or async."""
    return await outcome if hasattr(outcome, "__await__") else outcome

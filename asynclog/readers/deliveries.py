"""All streams of a run, delivered to one destination: which are begun when, and by which copy of the sink.

A sink serves one writer: each gets a copy of its own, as each rank of a live run has. Writers of different ranks are served
at once. Those of one rank (a logger that was pickled into a pool's processes) share what a sink keeps for a rank, a file
perhaps: they are served one after the other, and the later ones append.
"""

import pickle
import time
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from asynclog.engine.remote import RemoteSink
from asynclog.engine.runner import Trouble
from asynclog.engine.travel import packed
from asynclog.engine.workers import Workers
from asynclog.errors import InvalidConfiguration
from asynclog.flow.route import Route
from asynclog.flow.select import Counters
from asynclog.readers.about import run_info
from asynclog.readers.delivery import Stake, StreamDelivery
from asynclog.readers.directory import StreamName, is_written, streams
from asynclog.shm.lending import Lending
from asynclog.sink import RunInfo

_AT_ONCE: Final = 4
"""Writers that are served at the same time, unless all of them are followed: a worker with a vendor's library takes 200 MB."""
_LENT_BYTES: Final = 64 << 20
_NAP_S: Final = 0.005
_WORKERS_PATIENCE_S: Final = 10.0
"""So long a worker whose sinks were closed may take to exit: a vendor's library may still have something to send."""


@dataclass(frozen=True)
class Telling:
    """on_trouble(route, text, fatal): tell a person; on_said(route, level, logger's name, text) of a worker's records."""

    on_trouble: Trouble
    on_said: Callable[[str, int, str, str], None]


class Deliveries:
    """Of one run to the sink of one route. Everything here blocks: call it from a thread."""

    def __init__(self, run: Path, route: Route, telling: Telling, *, follow: bool, again: bool = False) -> None:
        self._run, self._route, self._telling, self._follow, self._again = run, route, telling, follow, again
        self._workers = Workers()
        self._copies = _Copies(route.sink)
        self._stakes: dict[str, Stake] = {}
        self._moved_ranks: set[int] = set()
        self._known: dict[str, StreamName] = {}
        self._infos: dict[StreamName, RunInfo] = {}
        self._begun: dict[str, int] = {}
        self.active: list[StreamDelivery] = []
        self.over: list[StreamDelivery] = []

    def claim(self) -> None:
        """Look for streams, and lock the cursors of those that are new. Raises RunInUse; nothing is locked then."""
        for name in streams(self._run):
            self._known[name.writer] = name
            if name.writer in self._begun or name.writer in self._stakes:
                continue
            stake = self._stakes[name.writer] = Stake.claimed(self._run, self._route, name.writer, again=self._again)
            info = self._info(name)
            if stake.moved and info is not None:
                self._moved_ranks.add(info.rank)

    def _info(self, stream: StreamName) -> RunInfo | None:
        info = self._infos.get(stream) or run_info(self._run, stream)
        if info is not None:
            self._infos[stream] = info
        return info

    def turn(self) -> bool:
        """Take leave of those that have ended, and begin those that may begin; False if nothing is left to wait for."""
        for one in [one for one in self.active if one.ended]:
            one.conclude()
            self.active.remove(one)
            self.over.append(one)
        if self._follow:
            self.claim()
        for stream in () if self.stopped else self._waiting():
            if not self._follow and len(self.active) >= _AT_ONCE:
                break
            self._begin(stream)
        for one in self.active:
            one.runner.notify()
        return bool(self.active or (not self.stopped and self._waiting()))

    def _waiting(self) -> Sequence[StreamName]:
        """Those that nobody has begun, "main" and the lowest ranks first, and next lives of those that were served."""
        newer = [one for one in self._known.values() if self._begun.get(one.writer, -1) < one.epoch]
        if not self._follow:
            newer = [one for one in newer if one.writer not in self._begun]
        # Of one that nobody writes, and that has nothing in it, nothing will come.
        newer = [one for one in newer if self._info(one) is not None or (self._follow and is_written(self._run, one.writer))]
        return sorted(newer, key=lambda one: (one.writer != "main", len(one.writer), one.writer))

    def _begin(self, stream: StreamName) -> None:
        info = self._info(stream)
        if info is None or any(one.info.rank == info.rank for one in self.active):
            return
        stake = self._stakes.pop(stream.writer, None) or Stake.claimed(self._run, self._route, stream.writer)
        info = replace(info, resumed=info.rank in self._moved_ranks)
        self._moved_ranks.add(info.rank)
        self._begun[stream.writer] = stream.epoch
        route = self._routed(stream.writer)
        delivery = StreamDelivery(stream, route, info, stake, self._follow, self._telling.on_trouble)
        self.active.append(delivery)
        delivery.runner.start_thread()

    def _routed(self, writer: str) -> Route:
        """The route with a sink for this writer, in its worker or in a thread here."""
        route = copy(self._route)
        if route.place == "process":
            worker = self._workers.add(f"{route.name}-{writer}", route.name, self._copies.payload(route.name))
            said = partial(self._telling.on_said, route.name)
            route.sink = RemoteSink(route.name, self._workers, worker, Lending(_LENT_BYTES), said)
        else:
            route.place = "thread"
            route.sink = self._copies.next(route.name)
        return route

    @property
    def failing(self) -> bool:
        """Whether the destination takes nothing at the moment."""
        return any(one.runner.state == "failing" for one in self.active)

    @property
    def stopped(self) -> bool:
        """Whether a sink was given up."""
        return any(one.runner.state == "stopped" for one in (*self.active, *self.over))

    @property
    def complete(self) -> bool:
        """Whether all streams had ended, and all of them was delivered."""
        return not self.active and not self._waiting() and all(one.complete for one in self._last())

    def _last(self) -> Iterable[StreamDelivery]:
        return {one.stream.writer: one for one in self.over}.values()

    def counters(self) -> Counters:
        """What became of events so far, of all writers."""
        total = Counters()
        for one in (*self.over, *self.active):
            total.add(one.counters())
        return total

    @property
    def refused(self) -> int:
        """Events of batches that the destination would not take."""
        return sum(one.runner.progress.refused for one in (*self.over, *self.active))

    def read_bytes(self) -> tuple[int, int]:
        """(how much was read, how much there is), in bytes of the journal."""
        places = [one.feed.read_bytes() for one in (*self.over, *self.active)]
        return sum(read for read, _ in places), sum(total for _, total in places)

    def close(self) -> None:
        """End what is under way: a batch is finished if that takes no longer than the route's deadline; a sink that hangs is
        left behind."""
        for one in self.active:
            one.halt()
        give_up = time.monotonic() + self._route.deadline
        while any(not one.ended and not one.left for one in self.active) and time.monotonic() < give_up:
            time.sleep(_NAP_S)
        self._workers.close(_WORKERS_PATIENCE_S if all(one.ended for one in self.active) else 0.0)
        for one in self.active:
            one.conclude()
        for stake in self._stakes.values():
            stake.give_up()


class _Copies:
    """Sinks for several writers from the one that was given, which goes to the first."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self._given = False
        self._pickled: bytes | None = None
        try:
            # Now: opened, it may not be picklable any more.
            self._pickled = pickle.dumps(sink)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            self._error = error

    def payload(self, route: str) -> bytes:
        return packed(route, self._sink).payload

    def next(self, route: str) -> Any:
        if not self._given:
            self._given = True
            return self._sink
        if self._pickled is None:
            raise InvalidConfiguration(
                f"sink {route!r}: this run has several writers, each of which needs a sink, and this one can't be copied "
                f"({self._error}); put it in a module that can be imported"
            )
        # Our own bytes of some lines above.
        return pickle.loads(self._pickled)  # noqa: S301

"""Rows that nobody takes at the moment, in a run that doesn't journal them: they wait for a write of their phase at which some
route is due, or for the run's end. A journal takes rows at every write, so with one nothing waits here."""

from threading import Lock

from asynclog.logger.pending import Logged
from asynclog.logger.pending_rows import Given, Place
from asynclog.state import State


class HeldRows:
    """waiting: by phase and table. ending: nothing is held any more."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.waiting: dict[tuple[str, Place], Given] = {}
        self._states: dict[str, State] = {}
        self.ending = False

    def keep(self, state: State, logged: Logged) -> None:
        """Rows that were written at this State."""
        with self._lock:
            place = (state.phase, (logged.namespace, logged.key))
            self.waiting[place] = _after(self.waiting.get(place), logged.value)
            self._states[state.phase] = state

    def join(self, phase: str, values: list[Logged]) -> None:
        """Put what waits of a phase in front of what a write took."""
        with self._lock:
            places = [place for its_phase, place in self.waiting if its_phase == phase]
            back = {place: self.waiting.pop((phase, place)) for place in places}
            self._states.pop(phase, None)
        for at, one in enumerate(values):
            if type(one.value) is Given:
                earlier = back.pop((one.namespace, one.key), None)
                values[at] = one._replace(value=_after(earlier, one.value))
        values[:0] = [Logged("table", *place, given, {}) for place, given in back.items()]

    def end(self) -> list[State]:
        """From now on nothing is held. The states to write what is, one a phase."""
        with self._lock:
            self.ending = True
            return list(self._states.values())


def _after(earlier: Given | None, later: Given) -> Given:
    if earlier is None:
        return later
    # What a handle gave needs its columns; what came since without any goes on under those that held before.
    return Given([*earlier.items, *later.items], earlier.fixed or later.fixed, earlier.known)

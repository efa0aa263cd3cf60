"""How fast it goes: how far one phase had come when, thinned as it ages, and the rates between.

Times are those of the writes, so that what is delivered late says the same. There are two rates. What is shown as the speed
looks back for seconds in which this phase alone went on: training isn't slower for the validation in between. What is still to
come is told from the later half of all there was, pauses included.
"""

from typing import Final, NamedTuple

_SPEED_S: Final = 10.0
_POINTS: Final = 256
_CLOSEST_S: Final = 0.2


class _Point(NamedTuple):
    """active_s: without pauses, in which active_done was done."""

    time_s: float
    done: int
    active_s: float
    active_done: int


class Pace:
    """Of one phase. start_s: of its first write."""

    def __init__(self, start_s: float) -> None:
        self._last = _Point(start_s, 0, 0.0, 0)
        self._points = [self._last]

    def add(self, first_s: float, last_s: float, done: int, inner: int, *, paused: bool) -> None:
        """As much more was done by ``last_s``; after a pause, ``inner`` of it since ``first_s``."""
        before = self._last
        active_s, active_done = (last_s - first_s, inner) if paused else (last_s - before.time_s, done)
        self._last = _Point(last_s, before.done + done, before.active_s + max(0.0, active_s), before.active_done + active_done)
        if last_s - self._points[-1].time_s >= max(_CLOSEST_S, (last_s - self._points[0].time_s) / _POINTS):
            self._points.append(self._last)
        if len(self._points) > _POINTS:
            del self._points[1 : _POINTS // 2 : 2]

    @property
    def speed(self) -> float | None:
        """Steps a second, of late; None for not known yet."""
        begin = self._last.active_s - _SPEED_S
        first = next((one for one in reversed(self._points) if one.active_s <= begin), self._points[0])
        return _rate(self._last.active_done - first.active_done, self._last.active_s - first.active_s)

    @property
    def mean_speed(self) -> float | None:
        """Steps a second over the later half of all there was."""
        start = self._points[0].time_s
        begin = start + min((self._last.time_s - start) / 2, self._last.time_s - start - _SPEED_S)
        first = next((one for one in reversed(self._points) if one.time_s <= begin), self._points[0])
        return _rate(self._last.done - first.done, self._last.time_s - first.time_s)


def _rate(done: int, seconds: float) -> float | None:
    return done / seconds if done > 0 and seconds > 0 else None

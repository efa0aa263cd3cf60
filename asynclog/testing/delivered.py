"""What arrived against what was logged: per series, in the order of the writes, nothing missing and nothing more."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from asynclog.sink import Event
from asynclog.sinks.naming import flat_name


class Delivered(NamedTuple):
    """A value as the destination shows it.

    kind: "" if the destination doesn't tell. namespace and key: joined by "/" under either is as good. value: of a
    scalar a number, of a string its text; of other kinds it isn't looked at.
    """

    kind: str
    phase: str
    namespace: str
    key: str
    step: int
    value: Any = None

    @property
    def name(self) -> str:
        return flat_name(self.namespace, self.key)


class Comparison:
    """matches(logged, shown): whether a scalar or string survived. overwrites: the destination keeps the last value of a step.
    repeats: values may have come more than once."""

    def __init__(self, matches: Callable[[Any, Any], bool], *, overwrites: bool = False, repeats: bool = False) -> None:
        self._matches, self._overwrites, self._repeats = matches, overwrites, repeats

    def check(self, logged: Iterable[Delivered], found: Iterable[Delivered]) -> None:
        """Raises AssertionError for what is missing, changed, out of order, or was never logged."""
        shown = _by_series(found)
        for (phase, name), values in _by_series(logged).items():
            self._check_series(f"{phase} {name[:50]!r}", values, shown.pop((phase, name), []))
        assert not shown, f"nobody logged {list(shown)[:3]}"

    def _check_series(self, where: str, logged: list[Delivered], shown: list[Delivered]) -> None:
        if self._overwrites:
            logged = list({one.step: one for one in logged}.values())
            shown = sorted(shown, key=lambda one: [other.step for other in logged].index(one.step))
        rest = iter(shown)
        for wanted in logged:
            candidates = rest if self._repeats else [next(rest, None)]
            assert any(one is not None and self._same(wanted, one) for one in candidates), (
                f"{where} at step {wanted.step}: {str(wanted.value)[:50]!r} is missing, changed or out of order; "
                f"shown: {[(one.step, str(one.value)[:20]) for one in shown[:10]]}"
            )
        left = list(rest)
        assert self._repeats or not left, f"{where}: {len(left)} more than were logged, first at step {left[0].step}"

    def _same(self, logged: Delivered, shown: Delivered) -> bool:
        if logged.step != shown.step or shown.kind not in ("", logged.kind):
            return False
        return logged.kind not in ("scalar", "string") or self._matches(logged.value, shown.value)


def _by_series(values: Iterable[Delivered]) -> dict[tuple[str, str], list[Delivered]]:
    found: dict[tuple[str, str], list[Delivered]] = {}
    for one in values:
        found.setdefault((one.phase, one.name), []).append(one)
    return found


def frozen(event: Event) -> tuple[Any, ...]:
    """The event as what can be compared: NaN equals NaN, and arrays by their bytes."""
    parts = (
        (event.value.params(), {name: one.tobytes() for name, one in event.value.arrays().items()})
        if hasattr(event.value, "arrays")
        else event.value
    )
    return (*event[:7], dict(event.axes), repr(parts), *event[9:])

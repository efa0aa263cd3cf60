"""One line on a chart, as arrays; and how a name finds it, or fails to in a way that helps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asynclog.errors import AmbiguousSeries, SeriesNotFound


class Name(NamedTuple):
    """What tells series apart."""

    phase: str
    namespace: str
    key: str

    @property
    def path(self) -> str:
        """namespace/key, or the key alone."""
        return f"{self.namespace}/{self.key}" if self.namespace else self.key

    def __str__(self) -> str:
        return f"{self.path} ({self.phase})"


@dataclass(frozen=True, eq=False)
class Series:
    """The numbers of one (phase, namespace, key), in order of time, of all writers and epochs.

    step: (n,) int64. time_ns: (n,) int64, since 1970. value: (n,) float64, or int64 for whole numbers. All are
    read-only, and series that were logged together share step and time.
    """

    phase: str
    namespace: str
    key: str
    step: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    value: NDArray[Any]

    @cached_property
    def time(self) -> NDArray[np.float64]:
        """(n,) float64, seconds since 1970."""
        return self.time_ns / 1e9

    @property
    def name(self) -> str:
        """namespace/key, or the key alone."""
        return Name(self.phase, self.namespace, self.key).path

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        last = f", last {self.value[-1]:g} at step {self.step[-1]}" if len(self) else ""
        return f"<Series {self.name} ({self.phase}): {len(self):,} points{last}>"


def matching(names: Iterable[Name], key: str, namespace: str | None, phase: str | None) -> list[Name]:
    """The names with this key, or, where none has it, with this namespace/key."""
    here = [one for one in names if namespace in (None, one.namespace) and phase in (None, one.phase)]
    return [one for one in here if one.key == key] or [one for one in here if one.path == key]


def the_one(names: Mapping[Name, Any], key: str, namespace: str | None, phase: str | None, what: str = "series") -> Name:
    """The only name that matches. what: the word for what has these names. Raises SeriesNotFound with near names, or
    AmbiguousSeries with all that match."""
    found = matching(names, key, namespace, phase)
    if len(found) == 1:
        return found[0]
    given = {"key": key, "namespace": namespace, "phase": phase}
    asked = ", ".join(f"{label}={value!r}" for label, value in given.items() if value is not None)
    if found:
        raise AmbiguousSeries(f"{len(found)} {_several(what)} match {asked}: {'; '.join(map(str, found[:20]))}")
    near = _near(names, key)
    hint = f"; near it: {'; '.join(near)}" if near else f"; the run has {len(names)} {_several(what)}"
    raise SeriesNotFound(f"no {what} matches {asked}{hint}")


def _several(what: str) -> str:
    return what if what.endswith("s") else f"{what}s"


def _near(names: Iterable[Name], key: str) -> list[str]:
    spelled: dict[str, str] = {}
    for name in names:
        spelled.setdefault(name.key, str(name))
        spelled.setdefault(name.path, str(name))
    lower = key.lower()
    inside = [one for one in spelled if lower and lower in one.lower()]
    close = get_close_matches(key, list(spelled)[:5000], n=5, cutoff=0.5)
    return list(dict.fromkeys(spelled[one] for one in [*close, *inside]))[:5]

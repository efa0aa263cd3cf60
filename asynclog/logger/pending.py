"""What was logged and not yet written: one Pending per logger object, or per entry of ``at``.

Numbers of the logger's own namespace lie in one dict, which ``write`` takes by putting an empty one in its place. Logging
from another thread meanwhile stores into the dict it loaded: between that load and the store there is no call, so no switch
of threads can come between them (a version with a call there lost 20–40 % under stress).
"""

from collections.abc import Iterator
from threading import Lock
from typing import Any, NamedTuple

from asynclog.flow.reduce import Fold


class Logged(NamedTuple):
    """One value that is not a number, as it was logged; value may be a callable that makes it."""

    kind: str
    namespace: str
    key: str
    value: Any
    params: dict[str, Any]


class Taken(NamedTuple):
    """What a write took: numbers by namespace, and other values in the order they were logged. folds: what became of numbers
    that were folded, should they have to go on being folded."""

    numbers: list[tuple[str, dict[str, Any]]]
    values: list[Logged]
    folds: dict[tuple[str, str], Fold]

    def __len__(self) -> int:
        return sum(len(one) for _, one in self.numbers) + len(self.values)


class Further:
    """The less usual part: other namespaces, folded numbers, values. Guarded by a lock; empty in most writes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._spaces: dict[str, dict[str, Any]] = {}
        self._folds: dict[tuple[str, str], Fold] = {}
        self._values: list[Logged] = []

    def number(self, namespace: str, key: str, value: Any) -> None:
        with self._lock:
            self._spaces.setdefault(namespace, {})[key] = value

    def folded(self, namespace: str, key: str, value: float, reduction: str) -> None:
        with self._lock:
            fold = self._folds.get((namespace, key))
            if fold is None or fold.reduction != reduction:
                self._folds[namespace, key] = Fold(reduction, value)
            else:
                fold.add(value)

    def value(self, logged: Logged) -> None:
        with self._lock:
            self._values.append(logged)

    def put_back(self, taken: Taken, own: dict[str, Any], namespace: str) -> None:
        """Undo a take: what was logged since keeps its place in front."""
        with self._lock:
            for space, numbers in taken.numbers:
                target = own if space == namespace else self._spaces.setdefault(space, {})
                for key, value in numbers.items():
                    if (space, key) not in taken.folds:
                        target.setdefault(key, value)
            for place, fold in taken.folds.items():
                later = self._folds.get(place)
                if later is None or later.reduction == fold.reduction:
                    if later is not None:
                        fold.join(later)
                    self._folds[place] = fold
            self._values[:0] = taken.values

    def take(self) -> "tuple[Iterator[tuple[str, dict[str, Any]]], list[Logged], dict[tuple[str, str], Fold]]":
        with self._lock:
            spaces, self._spaces = self._spaces, {}
            folds, self._folds = self._folds, {}
            values, self._values = self._values, []
        for (namespace, key), fold in folds.items():
            spaces.setdefault(namespace, {})[key] = fold.value
        return iter(spaces.items()), values, folds

    def __len__(self) -> int:
        return sum(map(len, self._spaces.values())) + len(self._folds) + len(self._values)

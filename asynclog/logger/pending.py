"""What was logged and not yet written: one Pending per logger object, or per entry of ``at``.

Numbers of the logger's own namespace lie in one dict, which ``write`` takes by putting an empty one in its place. Logging
from another thread meanwhile stores into the dict it loaded: between that load and the store there is no call, so no switch
of threads can come between them (a version with a call there lost 20–40 % under stress).
"""

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, Final, NamedTuple

from asynclog.flow.reduce import Fold
from asynclog.logger.loan import Loan
from asynclog.logger.pending_rows import NO_ROWS, PendingRows


class _NoBlock:
    """What a logger has before its first row: nothing fits it."""

    width = -1


NO_BLOCK: Final[Any] = _NoBlock()


class Logged(NamedTuple):
    """One value that is not a number, as it was logged; value may be a callable that makes it."""

    kind: str
    namespace: str
    key: str
    value: Any
    params: dict[str, Any]


class Either(NamedTuple):
    """What ``log(mapping)`` was given and is no plain number: it may also be, or turn out to be, text or a value object."""

    value: Any


class Folding:
    """Numbers of one series that fold before a write, and callables that will give more of them if some route is due.

    there: from the first number on that lies on a device, all that come, in their order: they fold when it has come.
    """

    __slots__ = ("fold", "lazy", "reduction", "there")

    def __init__(self, reduction: str) -> None:
        self.reduction = reduction
        self.fold: Fold | None = None
        self.lazy: list[Callable[[], Any]] = []
        self.there: list[Any] = []

    def add(self, value: float) -> None:
        if self.there:
            self.there.append(value)
        elif self.fold is None:
            self.fold = Fold(self.reduction, value)
        else:
            self.fold.add(value)

    def join(self, later: "Folding") -> None:
        """Add all that a later one of the same reduction holds."""
        if later.fold is not None:
            self.join_fold(later.fold)
        self.there += later.there
        self.lazy += later.lazy

    def join_fold(self, later: Fold) -> None:
        if self.there:
            self.there.append(later)
        elif self.fold is None:
            self.fold = later
        else:
            self.fold.join(later)

    @property
    def settled(self) -> "float | Folding":
        """The number, if all of it is known; else itself."""
        return self if self.lazy or self.there or self.fold is None else self.fold.value


class Taken(NamedTuple):
    """What a write took: numbers by namespace, and other values in the order they were logged. folds: what became of numbers
    that were folded, should they have to go on being folded."""

    numbers: list[tuple[str, dict[str, Any]]]
    values: list[Logged]
    folds: dict[tuple[str, str], Folding]

    def __len__(self) -> int:
        return sum(len(one) for _, one in self.numbers) + len(self.values)

    def give_back(self) -> None:
        """Let go of the loans among the values that no write announced."""
        for one in self.values:
            if type(one.value) is Loan:
                one.value.give_back()


NOTHING_TAKEN: Final = Taken([], [], {})


class Further:
    """The less usual part: other namespaces, folded numbers, values, rows of tables. Guarded by a lock; empty in most
    writes."""

    rows = NO_ROWS

    def __init__(self) -> None:
        self._lock = Lock()
        self._spaces: dict[str, dict[str, Any]] = {}
        self._folds: dict[tuple[str, str], Folding] = {}
        self._values: list[Logged] = []

    def number(self, namespace: str, key: str, value: Any) -> None:
        with self._lock:
            self._spaces.setdefault(namespace, {})[key] = value

    def folded(self, namespace: str, key: str, value: float, reduction: str) -> None:
        with self._lock:
            self._folding(namespace, key, reduction).add(value)

    def far(self, namespace: str, key: str, value: Any, reduction: str) -> None:
        """A number on a device, as it is kept there."""
        with self._lock:
            self._folding(namespace, key, reduction).there.append(value)

    def deferred(self, namespace: str, key: str, make: Callable[[], Any], reduction: str) -> None:
        with self._lock:
            self._folding(namespace, key, reduction).lazy.append(make)

    def _folding(self, namespace: str, key: str, reduction: str) -> Folding:
        found = self._folds.get((namespace, key))
        if found is None or found.reduction != reduction:
            found = self._folds[namespace, key] = Folding(reduction)
        return found

    def value(self, logged: Logged) -> None:
        with self._lock:
            self._values.append(logged)

    def tables(self) -> PendingRows:
        """Where rows of tables wait; made with the first of them."""
        with self._lock:
            if self.rows is NO_ROWS:
                self.rows = PendingRows()
        return self.rows

    def put_back(self, taken: Taken, own: dict[str, Any], namespace: str) -> None:
        """Undo a take: what was logged since keeps its place in front."""
        with self._lock:
            for space, numbers in taken.numbers:
                target = own if space == namespace else self._spaces.setdefault(space, {})
                for key, value in numbers.items():
                    if (space, key) not in taken.folds:
                        target.setdefault(key, value)
            for place, folding in taken.folds.items():
                later = self._folds.get(place)
                if later is None or later.reduction == folding.reduction:
                    if later is not None:
                        folding.join(later)
                    if folding.lazy or folding.there or folding.fold is not None:
                        self._folds[place] = folding
            self._values[:0] = [one for one in taken.values if one.kind != "table" or callable(one.value)]
        for one in reversed(taken.values):
            if one.kind == "table" and not callable(one.value):
                self.tables().put_back((one.namespace, one.key), one.value)

    def settings(self) -> list[Logged]:
        """Take settings alone."""
        with self._lock:
            found = [one for one in self._values if one.kind == "config"]
            self._values = [one for one in self._values if one.kind != "config"]
        return found

    def take(self) -> "tuple[Iterator[tuple[str, dict[str, Any]]], list[Logged], dict[tuple[str, str], Folding]]":
        with self._lock:
            spaces, self._spaces = self._spaces, {}
            folds, self._folds = self._folds, {}
            values, self._values = self._values, []
        for (namespace, key), folding in folds.items():
            spaces.setdefault(namespace, {})[key] = folding.settled
        if self.rows is not NO_ROWS:
            values += [Logged("table", *place, given, {}) for place, given in self.rows.take()]
        return iter(spaces.items()), values, folds

    def __len__(self) -> int:
        rows = len(self.rows) if self.rows is not NO_ROWS else 0
        return sum(map(len, self._spaces.values())) + len(self._folds) + len(self._values) + rows

"""Which sequence numbers were passed over, as intervals: a leap costs one entry, however far it goes."""

from bisect import bisect_right


class Absence:
    """Numbers that have not come yet. ``count``: how many."""

    __slots__ = ("_ends", "_starts", "count")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.count = 0

    def add(self, start: int, end: int) -> None:
        """Numbers from ``start`` to before ``end``, all above those added earlier."""
        if end > start:
            self._starts.append(start)
            self._ends.append(end)
            self.count += end - start

    def take(self, number: int) -> bool:
        """Whether the number was absent; it no longer is."""
        at = bisect_right(self._starts, number) - 1
        if at < 0 or number >= self._ends[at]:
            return False
        start, end = self._starts[at], self._ends[at]
        rest = [(one, other) for one, other in ((start, number), (number + 1, end)) if one < other]
        self._starts[at : at + 1] = [one for one, _ in rest]
        self._ends[at : at + 1] = [other for _, other in rest]
        self.count -= 1
        return True

    def __repr__(self) -> str:
        return f"<Absence of {self.count} in {len(self._starts)} intervals>"

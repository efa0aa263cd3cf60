"""W&B's step: a counter of rows that a program may also set, and what ``commit`` does to it. No time, no values: pure.

``log(row)`` records at the counter, and counts on. ``log(row, step=n)`` sets the counter to n and leaves it there, so that
more can join; ``commit=True`` counts on all the same. ``log(row, commit=False)`` is kept, and goes with the next row. Where W&B
drops a row whose step is less than the counter, here it is recorded at its step, and moves nothing.
"""

from typing import Any, NamedTuple


class Row(NamedTuple):
    """values: by name, at a step."""

    step: int
    values: dict[str, Any]


class Steps:
    """The counter, and what is kept for the next row. first: where the counter begins."""

    def __init__(self, first: int = 0) -> None:
        self.current = first
        self._kept: dict[str, Any] = {}

    def rows(self, values: dict[str, Any], step: int | None = None, commit: bool | None = None) -> list[Row]:
        """The rows that a call of ``log`` completes."""
        if step is not None and step < self.current:
            return [Row(step, values)]
        done = self.left() if step is not None and step > self.current else []
        if step is not None:
            self.current = step
        if commit is False:
            self._kept.update(values)
            return done
        done.append(Row(self.current, self._kept | values))
        self._kept = {}
        if step is None or commit:
            self.current += 1
        return done

    def left(self) -> list[Row]:
        """What was kept for a row that won't come."""
        kept, self._kept = self._kept, {}
        return [Row(self.current, kept)] if kept else []

"""How far a route has come in a stream, over restarts: ``cursors/<route>/<writer>.json``, renamed into place.

Its owner holds a lock beside it, so that a live route and a later ``sync`` never serve one sink at once.
"""

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from asynclog.flow.select import Counters


@dataclass
class Cursor:
    """seq: the last one settled. replay_from: the seq from which folds must be rebuilt, at most ``seq + 1``.
    counters: of what was settled, over all epochs."""

    epoch: int
    seq: int = -1
    replay_from: int = 0
    counters: Counters = field(default_factory=Counters)
    events: int = 0
    """Of its epoch, in what was settled so far."""

    @property
    def moved(self) -> bool:
        """Whether anything was settled yet, in this epoch or an earlier one."""
        return self.seq >= 0 or self.counters.offered > 0


class CursorFile:
    """One route's cursor in one stream. Raises BlockingIOError if somebody else owns it."""

    def __init__(self, directory: Path, route: str, writer: str) -> None:
        folder = directory / "cursors" / route
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{writer}.json"
        self._lock = os.open(folder / f"{writer}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise

    def load(self) -> Cursor | None:
        """The cursor as it was saved, or None for a route that has never delivered."""
        with contextlib.suppress(FileNotFoundError):
            try:
                content = json.loads(self._path.read_text())
                counters = {name: int(value) for name, value in content["counters"].items() if name != "pending"}
                # Those still to come will be offered again.
                counters["offered"] -= int(content.get("ahead", 0))
                return Cursor(
                    int(content["epoch"]),
                    int(content["seq"]),
                    int(content["replay_from"]),
                    Counters(**counters),
                    int(content.get("events", 0)),
                )
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
                # Cut by a power loss: kept for whoever looks into it; the route begins at its own epoch.
                self._path.replace(self._path.with_suffix(".damaged"))
        return None

    def forget(self) -> None:
        """Be as one that never delivered."""
        self._path.unlink(missing_ok=True)

    def begin(self, cursor: Cursor) -> None:
        """Save where a route begins, unless it has begun."""
        if not self._path.exists():
            self.save(cursor)

    def save(self, cursor: Cursor, ahead: int = 0) -> None:
        """ahead: events that the journal holds beyond the cursor. Whoever reads the counters finds them pending."""
        counters = replace(cursor.counters, offered=cursor.counters.offered + ahead)
        content = {
            "epoch": cursor.epoch,
            "seq": cursor.seq,
            "replay_from": cursor.replay_from,
            "events": cursor.events,
            "ahead": ahead,
            "counters": counters.as_dict(),
        }
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(content))
        draft.replace(self._path)

    def close(self) -> None:
        os.close(self._lock)

"""What the deaths of recorders say: whose fault they were, and whether another process is worth the try. No process, no clock.

A recorder that was killed from outside says nothing about a record or a sink. One that ended by itself (an exit, a crash) does:

    inside at the death       twice within a minute
    -------------------       ---------------------
    a sink                    its route is stopped, and the deaths it explains are not held against the recorder
    several sinks             the next recorder calls one of them at a time, so that the next death tells which
    none                      the record that was being taken is left out

After three deaths that nothing explains, recording goes on in a thread of the training process, which must survive that: no
sink goes there that was inside at a crash, and none at all if it isn't known which one crashed.
"""

from dataclasses import dataclass
from typing import Final

TRIES: Final = 3
WINDOW_S: Final = 60.0


@dataclass(frozen=True)
class Death:
    """at: seconds of a monotonic clock. acked: up to where it had taken what was announced. crashed: it ended by itself.
    served: it had come up. inside: routes whose sinks were being called. how: for a person."""

    at: float
    acked: int
    crashed: bool
    served: bool
    inside: frozenset[str]
    how: str = ""


class Deaths:
    """Of one logger's recorders. stopped: routes that are not served any more, and why."""

    def __init__(self) -> None:
        self._recent: list[Death] = []
        self.stopped: dict[str, str] = {}

    def note(self, death: Death) -> bool:
        """Take a death in; True if the record at its head is to be left out."""
        self._recent = [one for one in self._recent if death.at - one.at < WINDOW_S]
        before = [one for one in self._recent if one.crashed]
        self._recent.append(death)
        if not death.crashed:
            return False
        for name in death.inside:
            if any(name in one.inside for one in before):
                self.stopped[name] = f"the recorder ended twice while it was in this sink ({death.how})"
        return _of_a_record(death) and any(_of_a_record(one) and one.acked == death.acked for one in before)

    @property
    def suspects(self) -> frozenset[str]:
        """Routes one of which has ended a recorder."""
        inside = [one.inside for one in self._recent if one.crashed]
        return frozenset().union(*inside) - self.stopped.keys()

    @property
    def too_many(self) -> bool:
        return len(self._unexplained) >= TRIES

    @property
    def _unexplained(self) -> list[Death]:
        return [one for one in self._recent if not (one.crashed and one.inside & self.stopped.keys())]

    def keep_out_of_thread(self, routes: list[str]) -> None:
        """Stop what can't be trusted with the training process."""
        for name in self.suspects:
            self.stopped[name] = "the recorder ended while it was in this sink, which must not end the training process, too"
        if any(one.crashed and one.served and not one.inside for one in self._unexplained):
            for name in routes:
                self.stopped.setdefault(
                    name, "recorders ended, and it isn't known by which sink; none of theirs may end the training process, too"
                )

    def __repr__(self) -> str:
        return f"<Deaths: {len(self._recent)} of late, stopped {sorted(self.stopped)}>"


def _of_a_record(death: Death) -> bool:
    # One that never came up took no record.
    return death.served and not death.inside

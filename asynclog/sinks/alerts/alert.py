"""An alert: what was found wrong, where and when."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

_LONGEST: Final = 500
_MOST_LINES: Final = 20


@dataclass(frozen=True)
class Alert:
    """text says all of it in one line. rule: the rule's name. key: "namespace/key", as phase and value empty or None where the
    alert isn't about a value. time: seconds since 1970, of the value, not of the delivery. id: the same whenever the same alert
    comes again."""

    text: str
    rule: str
    run: str
    writer: str
    time: float
    id: str
    phase: str = ""
    key: str = ""
    step: int | None = None
    epoch: int | None = None
    value: float | None = None

    def __str__(self) -> str:
        moment = datetime.fromtimestamp(self.time, UTC).astimezone()
        return f"{moment:%H:%M:%S} {self.run}: {self.text}" if self.run else f"{moment:%H:%M:%S} {self.text}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def lines(alerts: Sequence[Alert]) -> list[str]:
    """A line an alert; beyond twenty, how many more there are: what makes one series NaN makes all of them."""
    shown = [str(one) for one in alerts[:_MOST_LINES]]
    return shown if len(alerts) <= _MOST_LINES else [*shown, f"… and {len(alerts) - _MOST_LINES} more"]


def one_line(text: str) -> str:
    """Text that can't move a cursor, break a line or flood a channel."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"

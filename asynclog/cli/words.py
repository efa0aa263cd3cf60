"""Numbers, sizes and times as people read them."""

import math
from datetime import datetime

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(count: int) -> str:
    """Bytes in the largest unit that leaves a whole number before the point."""
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.0f} {_UNITS[unit]}" if unit == 0 or amount >= 100 else f"{amount:.1f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Two units at most: 4.2 s, 3 min 20 s, 5 h 7 min, 3 d 4 h."""
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s" if seconds >= 10 else f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours and days < 10 else f"{days} d"


def ago(time_ns: int, now_ns: int) -> str:
    """How long ago, in one unit; nothing for a time that isn't known."""
    if time_ns <= 0:
        return "–"
    seconds = (now_ns - time_ns) / 1e9
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


def clock(time_ns: int) -> str:
    """Local time of day, to the millisecond."""
    try:
        moment = datetime.fromtimestamp(time_ns // 10**9).astimezone()
    except (OverflowError, OSError, ValueError):
        return "–"
    return f"{moment:%H:%M:%S}.{time_ns // 10**6 % 1000:03d}"


def number(value: float) -> str:
    """Four significant digits; whole numbers whole."""
    if isinstance(value, int) or (math.isfinite(value) and value == int(value) and abs(value) < 1e7):
        return f"{int(value):,}"
    return f"{value:.4g}"


def count(amount: int, one: str, many: str = "") -> str:
    """1 writer, 2 writers."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"

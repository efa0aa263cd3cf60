"""Progress in words: durations, speeds, numbers, and a plain line of a phase."""

from collections.abc import Iterable

from asynclog.sinks.progress.tally import Track

_LONGEST_NAME = 40


def duration(seconds: float) -> str:
    """``0:07``, ``12:31``, ``3:02:11``, ``2 d 04:00:00``."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour:02}:{minute:02}:{second:02}"
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def speed(track: Track) -> str:
    """Steps a second; seconds a step where that is more than one; nothing where it isn't known."""
    found = track.pace.speed
    if found is None:
        return ""
    if found >= 1:
        return f"{found:,.0f} steps/s" if found >= 100 else f"{found:.3g} steps/s"
    return f"{1 / found:,.0f} s/step" if found <= 0.01 else f"{1 / found:.3g} s/step"


def position(track: Track) -> str:
    """``1,240/5,000`` of what is known to come, else the step."""
    return f"{track.done:,}/{track.total:,}" if track.total is not None else f"step {track.step:,}"


def epoch(track: Track, epochs: int | None) -> str:
    """``epoch 3``, ``epoch 3/10`` with as many to come; nothing in the first of a run that has no others. Epochs count from 0,
    as states do; of how many, it is the n-th."""
    if epochs is not None:
        return f"epoch {track.epoch + 1}/{epochs}"
    return f"epoch {track.epoch}" if track.epoch > 0 else ""


def numbers(values: Iterable[tuple[str, float]]) -> str:
    """``loss=0.31 lr=0.001``"""
    return " ".join(f"{safe(name)}={number(value)}" for name, value in values)


def number(value: float) -> str:
    """Four significant digits; a whole number whole."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def left(track: Track) -> str:
    """``1:47 left``, where that is known."""
    return "" if track.left_s is None else f"{duration(track.left_s)} left"


def safe(text: str, longest: int = _LONGEST_NAME) -> str:
    """Text that can't move the cursor or flood the screen."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def line(track: Track, values: Iterable[tuple[str, float]], elapsed_s: float, epochs: int | None) -> str:
    """``train 1,240/5,000 25%  35.1 steps/s  0:35 elapsed, 1:47 left  epoch 2  loss=0.31``"""
    share = f" {track.done / track.total:.0%}" if track.total else ""
    times = ", ".join(part for part in (f"{duration(elapsed_s)} elapsed", left(track)) if part)
    parts = (f"{track.phase} {position(track)}{share}", speed(track), times, epoch(track, epochs), numbers(values))
    return "  ".join(part for part in parts if part)

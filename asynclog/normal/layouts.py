"""Which axis of an array is what: the layout that was given, or the one its shape tells, or an error that says what fits.

A layout has a letter an axis: N, B count, C channels, H and W rows and columns, T time; a digit is a width.
"""

from collections.abc import Sequence
from typing import NamedTuple

from asynclog.errors import InvalidValue


class Fault(NamedTuple):
    """What is wrong with a value. hint: what would make it right, where it can be guessed."""

    expected: str
    got: str
    hint: str | None = None


def settled(kind: str, expected: str, given: str | None, told: str | None, shape: Sequence[int]) -> str:
    """The layout to go by. given: by whoever logged the value; told: by its shape. Raises InvalidValue if neither fits."""
    layout = told if given is None else given
    if layout is None or misfit(shape, layout):
        asked = "" if given is None else f" in the layout {given!r}"
        raise InvalidValue(kind=kind, expected=expected, got=f"shape {tuple(shape)}{asked}")
    return layout


def misfit(shape: Sequence[int], layout: str, channels: Sequence[int] = ()) -> bool:
    """Whether a shape can't have this layout. channels: how many there may be; any number, if none is given."""
    if len(shape) != len(layout) or 0 in shape:
        return True
    return bool(channels) and "C" in layout and shape[layout.index("C")] not in channels


def fault(
    shape: Sequence[int],
    given: str | None,
    told: str | None,
    layouts: Sequence[str],
    expected: str,
    hint: str | None,
    channels: Sequence[int] = (),
) -> Fault | None:
    """What is wrong with a shape, or with the layout that was given for it."""
    if given is None:
        return None if told is not None else Fault(expected, f"shape {tuple(shape)}", hint)
    if given not in layouts:
        written = str(given).upper()
        return Fault(f"a layout among {', '.join(layouts)}", repr(given), f"write {written!r}" if written in layouts else None)
    if misfit(shape, given, channels):
        said = f"without layout= it is taken as {told}" if told is not None else hint
        return Fault(expected, f"shape {tuple(shape)} in the layout {given!r}", said)
    return None

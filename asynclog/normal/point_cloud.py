"""Points in space: which axis holds the coordinates, and few enough of them to be drawn."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from asynclog.errors import InvalidValue
from asynclog.normal.layouts import Fault

Layout = Literal["N3", "3N", "N6", "6N", "BN3", "B3N", "BN6", "B6N"]
MOST_POINTS: Final = 1000
LAYOUTS: Final[tuple[str, ...]] = ("N3", "3N", "N6", "6N", "BN3", "B3N", "BN6", "B6N")
EXPECTED: Final = "(N, 3) or (N, 6), transposed, or with a batch in front"
_WIDTHS: Final = (3, 6)
_SEED: Final = 0


def layout_of(shape: Sequence[int]) -> Layout | None:
    """Which axis holds x, y, z (and r, g, b), or None if none can. The last one is preferred."""
    if len(shape) not in (2, 3):
        return None
    batch = "B" if len(shape) == 3 else ""
    if shape[-1] in _WIDTHS:
        return f"{batch}N{shape[-1]}"  # type: ignore[return-value]
    return f"{batch}{shape[-2]}N" if shape[-2] in _WIDTHS else None  # type: ignore[return-value]


def fault(shape: Sequence[int], layout: str | None) -> Fault | None:
    """What is wrong with a shape as a cloud's."""
    told, hint = layout_of(shape), None
    if len(shape) == 2 and shape[1] == 2:
        hint = "these look flat: np.pad(points, ((0, 0), (0, 1))) gives them a z of 0"
    elif tuple(shape) == (3,):
        hint = "points[None] is a cloud of this one point"
    elif len(shape) == 2 and shape[1] > 3:
        hint = "points[:, :3] are points; colors= and labels= take what else there is"
    if layout is None:
        return None if told is not None else Fault(EXPECTED, f"shape {tuple(shape)}", hint)
    if layout not in LAYOUTS:
        written = str(layout).upper()
        return Fault(f"a layout among {', '.join(LAYOUTS)}", repr(layout), f"write {written!r}" if written in LAYOUTS else None)
    width, axis = int(layout.strip("BN")), -1 if layout[-1] != "N" else -2
    if len(shape) != len(layout) or shape[axis] != width:
        said = None if told is None else f"without layout= it is taken as {told}"
        return Fault(EXPECTED, f"shape {tuple(shape)} in the layout {layout!r}", said)
    return None


def rows(data: NDArray[Any], layout: str | None = None) -> NDArray[Any]:
    """A view or copy as (N, 3) or (N, 6); the clouds of a batch one after the other. Raises InvalidValue for other shapes."""
    told = layout_of(data.shape)
    known = layout if layout is not None else told
    if known is None or len(known) != data.ndim:
        raise InvalidValue(kind="point_cloud", expected=EXPECTED, got=f"shape {data.shape}")
    whole = data if known.endswith(("3", "6")) else np.swapaxes(data, -1, -2)
    return whole.reshape(-1, whole.shape[-1])


def count(shape: Sequence[int], layout: str | None = None) -> int:
    """How many points there are."""
    known = layout_of(shape) if layout is None else layout
    number = 1
    for length, axis in zip(shape, known or "", strict=True):
        number *= length if axis in "BN" else 1
    return number


def some_rows(data: NDArray[Any], layout: str | None, which: "NDArray[np.intp] | None") -> NDArray[Any]:
    """``rows``, of some points alone: those that aren't wanted are not touched."""
    known = layout_of(data.shape) if layout is None else layout
    if which is None or known is None or len(known) != data.ndim or known not in ("B3N", "B6N"):
        whole = rows(data, layout)
        return whole if which is None else whole[which]
    cloud, place = np.divmod(which, data.shape[-1])
    return data[cloud, :, place]


def drawn(data: NDArray[Any], layout: str | None, most: int | None) -> "tuple[NDArray[Any], NDArray[np.intp] | None]":
    """(``rows`` of at most ``most`` points, in their order, the same ones every time; which they are, None: all). Points that
    aren't finite are left out. Raises InvalidValue for other shapes."""
    told = layout_of(data.shape) if layout is None else layout
    which = chosen(count(data.shape, layout), most) if told is not None and len(told) == data.ndim else None
    found = some_rows(data, layout, which)
    if data.dtype.kind != "f" or _finite(found).all():
        return found, which
    # Only now are all of them looked at: nearly every cloud is finite.
    whole = rows(data, layout)
    within = np.flatnonzero(_finite(whole))
    again = chosen(len(within), most)
    which = within if again is None else within[again]
    return whole[which], which


def _finite(rows: NDArray[Any]) -> NDArray[np.bool_]:
    x, y, z = (np.isfinite(rows[:, axis]) for axis in range(3))
    return np.asarray(x & y & z)


def chosen(count: int, most: int | None) -> NDArray[np.intp] | None:
    """Which of ``count`` points are drawn, in their order: the same ones every time. None: all of them."""
    if most is None or count <= most:
        return None
    picked = np.random.default_rng(_SEED).choice(count, most, replace=False, shuffle=False)
    return np.sort(picked).astype(np.intp)


def colours(data: NDArray[Any]) -> NDArray[np.uint8]:
    """(N, 3) colours as uint8: floating point is taken as [0, 1], or as 0–255 if any is above 1."""
    if data.dtype == np.uint8:
        return data
    if data.dtype.kind != "f":
        return np.asarray(np.clip(data, 0, 255), np.uint8)
    finite = np.nan_to_num(data, nan=0.0)
    factor = 255 if float(finite.max(initial=0.0)) <= 1 else 1
    return np.asarray(np.clip(finite * factor + 0.5, 0, 255).astype(np.uint8), np.uint8)

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
    elif len(shape) == 2 and shape[1] > 3:
        hint = "points[:, :3] are points; colors= and labels= take what else there is"
    if layout is None:
        return None if told is not None else Fault(EXPECTED, f"shape {tuple(shape)}", hint)
    if layout not in LAYOUTS:
        return Fault(f"a layout among {', '.join(LAYOUTS)}", repr(layout))
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

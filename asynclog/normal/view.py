"""What lies in space, as seen from a corner and a little above: points as dots, edges as lines, faces shaded.

Everything becomes samples, a place and a colour each, and of the samples that fall on one pixel the nearest stays. Faces are
sampled as finely as they appear, all of one fineness at once, so that a mesh of 100,000 takes about a second and no loop over
faces.
"""

from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.normal.draw import colour
from asynclog.normal.image import Picture
from asynclog.normal.plot import heat

Numbers = NDArray[Any]
Inks = NDArray[np.uint8]
SIZE: Final = 300
_TURN: Final = 0.6  # radians about the vertical axis, then from above: no axis is seen end on
_TILT: Final = 0.4
_FILLED: Final = 0.94  # of the picture, by what is in it
_GREY: Final = 205
_SHADE: Final = 0.3  # of the light that comes from nowhere
_LIGHT: Final = (-0.2, 0.75, 0.63)  # across, towards the eye, up; of length one
_COARSER: Final = 1.25
_MOST_SAMPLES: Final = 1 << 18
_CORNERS: Final = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_EDGES: Final = np.array([[one, one | bit] for bit in (1, 2, 4) for one in range(8) if not one & bit])


def cloud(xyz: Numbers, inks: Inks, boxes: Numbers | None = None, *, size: int = SIZE, dot: int = 2) -> Picture:
    """(N, 3) points in their colours as (3, size, size), and boxes (K, 9), centre, size and angles, as edges.

    dot: the radius of a point in pixels of twice the resolution; 0: one pixel a point, as fits a terminal.
    """
    fine = 2 if dot else 1
    edges = np.empty((0, 2, 3)) if boxes is None else box_edges(boxes)
    edges = edges[np.isfinite(edges).all(axis=(1, 2))]
    sight = _Sight(np.concatenate([xyz, edges.reshape(-1, 3)]), size * fine)
    around = np.mgrid[-dot : dot + 1, -dot : dot + 1].reshape(2, -1)
    around = around[:, (around**2).sum(axis=0) <= dot * dot + 1]
    sight.paint(*sight.placed(xyz), inks, around)
    if len(edges):
        steps = np.linspace(0, 1, 2 * size * fine)[:, None]
        for start, end in edges:
            places = sight.placed(start + (end - start) * steps)
            sight.paint(*places, np.full((len(steps), 3), 255, np.uint8), np.zeros((2, 1), int))
    return sight.picture(fine)


def surface(vertices: Numbers, faces: Numbers, normals: Numbers, inks: Inks | None = None, *, size: int = SIZE) -> Picture:
    """A mesh as (3, size, size): shaded smoothly, both sides alike. faces: (F, 3) that name vertices that there are."""
    fine = 2
    faces = faces[np.isfinite(vertices[faces]).all(axis=(1, 2))] if len(faces) else faces
    sight = _Sight(vertices[np.unique(faces)], size * fine)
    across, up, depth = sight.placed(vertices)
    light = np.abs(sight.turned(normals) @ np.array(_LIGHT))
    base = np.full((len(vertices), 3), _GREY) if inks is None else inks
    shaded = np.nan_to_num((_SHADE + (1 - _SHADE) * light)[:, None] * base)
    drawn = np.concatenate([np.stack([across, up, depth], axis=1), shaded], axis=1)[faces]
    longest = np.abs(drawn[:, :, :2] - np.roll(drawn[:, :, :2], 1, axis=1)).max(axis=(1, 2), initial=0)
    # In steps of a quarter more: few rounds, and few samples for nothing.
    fineness = np.ceil(np.log(np.clip(longest, 1, 2 * size * fine)) / np.log(_COARSER)).astype(int)
    for level in np.unique(fineness):
        weights = _barycentric(ceil(_COARSER ** int(level)))
        ours = drawn[fineness == level]
        together = max(1, _MOST_SAMPLES // len(weights))
        for start in range(0, len(ours), together):
            samples = (weights @ ours[start : start + together]).reshape(-1, 6)
            sight.paint(
                samples[:, 0],
                samples[:, 1],
                samples[:, 2],
                np.clip(samples[:, 3:], 0, 255).astype(np.uint8),
                np.zeros((2, 1), int),
            )
    return sight.picture(fine)


def tints(xyz: Numbers, rgb: Inks | None, labels: Numbers | None) -> Inks:
    """(N, 3) colours of points: their own, or one a label, or by height from blue to yellow."""
    if rgb is not None:
        return rgb
    if labels is not None:
        kinds, which = np.unique(labels, return_inverse=True)
        palette = np.array([colour(int(one) if abs(float(one)) < 2**31 else 0) for one in np.nan_to_num(kinds)], np.uint8)
        made: Inks = palette.reshape(-1, 3)[which.reshape(-1)]
        return made
    return np.ascontiguousarray(heat(xyz[:, 2][None])[:, 0].T)


def box_edges(boxes: Numbers) -> NDArray[np.float64]:
    """(12 K, 2, 3) ends of the edges of boxes (K, 9): centre, size, and the angles about x, y, z, applied in this order."""
    centre, extent, angle = np.split(np.asarray(boxes, np.float64), 3, axis=1)
    corners = _CORNERS * extent[:, None]
    for axis in range(3):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        cos, sin = np.cos(angle[:, axis, None]), np.sin(angle[:, axis, None])
        turned = corners.copy()
        turned[..., one] = corners[..., one] * cos - corners[..., two] * sin
        turned[..., two] = corners[..., one] * sin + corners[..., two] * cos
        corners = turned
    return (corners + centre[:, None])[:, _EDGES].reshape(-1, 2, 3)


def _barycentric(parts: int) -> NDArray[np.float64]:
    one, two = np.mgrid[: parts + 1, : parts + 1].reshape(2, -1)
    inside = one + two <= parts
    one, two = one[inside] / parts, two[inside] / parts
    return np.stack([1 - one - two, one, two], axis=1)


class _Sight:
    """Where in the picture a point of space lies, and what is nearest there."""

    def __init__(self, points: Numbers, size: int) -> None:
        self.size = size
        flat = self.turned(points)[:, ::2]
        low, high = (flat.min(axis=0), flat.max(axis=0)) if len(flat) else (np.zeros(2), np.zeros(2))
        self.middle = high / 2 + low / 2
        self.scale = _FILLED * (size - 1) / 2 / (float((high / 2 - low / 2).max(initial=0)) or 1.0)
        self.colours = np.zeros((size * size, 3), np.uint8)
        self.nearest = np.full(size * size, np.inf)

    def turned(self, vectors: Numbers) -> NDArray[np.float64]:
        """(N, 3) across, towards the eye, up."""
        x, y, z = np.asarray(vectors, np.float64).T
        across = x * np.cos(_TURN) - y * np.sin(_TURN)
        away = x * np.sin(_TURN) + y * np.cos(_TURN)
        return np.stack([across, z * np.sin(_TILT) - away * np.cos(_TILT), z * np.cos(_TILT) + away * np.sin(_TILT)], axis=1)

    def placed(self, points: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Columns, rows and depths of points."""
        across, near, up = self.turned(points).T
        middle = (self.size - 1) / 2
        return (across - self.middle[0]) * self.scale + middle, middle - (up - self.middle[1]) * self.scale, -near

    def paint(self, columns: Numbers, rows: Numbers, depth: Numbers, inks: Inks, around: NDArray[np.int_]) -> None:
        """Samples, each on the pixels ``around`` its place (2, k), rows and columns."""
        at = np.round(np.nan_to_num(rows)).astype(np.int64)[:, None] + around[0]
        along = np.round(np.nan_to_num(columns)).astype(np.int64)[:, None] + around[1]
        inside = (at >= 0) & (at < self.size) & (along >= 0) & (along < self.size)
        where = (at * self.size + along)[inside]
        depths = np.broadcast_to(depth[:, None], inside.shape)[inside]
        which = np.broadcast_to(np.arange(len(inks))[:, None], inside.shape)[inside]
        np.minimum.at(self.nearest, where, depths)
        seen = depths == self.nearest[where]
        self.colours[where[seen]] = inks[which[seen]]

    def picture(self, fine: int) -> Picture:
        """(3, H, W), ``fine`` pixels made one each way."""
        side = self.size // fine
        parts = self.colours.reshape(side, fine, side, fine, 3).mean(axis=(1, 3))
        return np.ascontiguousarray(np.moveaxis(np.round(parts).astype(np.uint8), -1, 0))

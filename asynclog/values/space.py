"""What has a place in space: point clouds and meshes."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asynclog.normal import point_cloud
from asynclog.normal.layouts import Fault
from asynclog.values.value import Array, Value, as_long, numeric


class Points(NamedTuple):
    """xyz: (N, 3) float32. rgb: (N, 3) uint8, and labels: (N,), where there are any."""

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8] | None
    labels: Array | None


@dataclass(frozen=True, eq=False)
class PointCloud(Value):
    """points: (N, 3) x, y, z, (N, 6) with r, g, b, transposed, or (B, N, 3), as ``layout`` says; None: told from the shape.

    colors: (N, 3) uint8, or floating point in [0, 1]. labels: (N,) whole numbers. boxes: (K, 9) floats: centre, size, and the
    angles about x, y, z in radians, applied in this order; box_labels: K words. most: how many points are drawn.
    """

    kind: ClassVar[str] = "point_cloud"
    points: Array
    colors: Array | None = None
    layout: str | None = None
    labels: Array | None = None
    boxes: Array | None = None
    box_labels: list[str] | None = None
    most: int | None = point_cloud.MOST_POINTS

    def fault(self) -> Fault | None:
        found = numeric(self.points, "iuf") or point_cloud.fault(self.points.shape, self.layout)
        if found is not None:
            return found
        count = len(point_cloud.rows(self.points, self.layout))
        if self.colors is not None and self.colors.shape[-1:] not in ((3,), (4,)):
            return Fault(f"colors ({count}, 3)", f"shape {self.colors.shape}")
        if self.boxes is not None and (self.boxes.ndim != 2 or self.boxes.shape[1] != 9):
            return Fault("boxes of centre, size and angles, (K, 9)", f"shape {self.boxes.shape}")
        return (
            (
                None
                if self.colors is None
                else as_long("colors", self.colors.reshape(-1, self.colors.shape[-1]), count, "points")
            )
            or (None if self.labels is None else as_long("labels", self.labels.reshape(-1), count, "points"))
            or as_long("box_labels", self.box_labels, 0 if self.boxes is None else len(self.boxes), "boxes")
        )

    def canonical(self) -> Points:
        """At most ``most`` points in their order, the same ones every time; points that aren't finite are left out."""
        rows = point_cloud.rows(self.points, self.layout)
        given = rows[:, 3:] if rows.shape[1] == 6 and self.colors is None else self.colors
        colors = None if given is None else given.reshape(-1, given.shape[-1])[:, :3]
        finite = np.isfinite(rows[:, :3]).all(axis=1) if rows.dtype.kind == "f" else np.ones(len(rows), bool)
        where = np.flatnonzero(finite)
        picked = point_cloud.chosen(len(where), self.most)
        where = where if picked is None else where[picked]
        return Points(
            np.ascontiguousarray(rows[where, :3], np.float32),
            None if colors is None else point_cloud.colours(colors[where]),
            None if self.labels is None else self.labels.reshape(-1)[where],
        )


@dataclass(frozen=True, eq=False)
class Mesh(Value):
    """vertices: (V, 3). faces: (F, 3) whole numbers, into vertices. normals: (V, 3). colors: (V, 3) or (V, 4) uint8."""

    kind: ClassVar[str] = "mesh"
    vertices: Array
    faces: Array
    normals: Array | None = None
    colors: Array | None = None

    def fault(self) -> Fault | None:
        for name, array, kinds, widths in (
            ("vertices", self.vertices, "iuf", (3,)),
            ("faces", self.faces, "iu", (3,)),
            ("normals", self.normals, "f", (3,)),
            ("colors", self.colors, "iuf", (3, 4)),
        ):
            if array is None:
                continue
            if array.ndim != 2 or array.shape[1] not in widths:
                return Fault(f"{name} (n, {' or '.join(map(str, widths))})", f"shape {array.shape}")
            wrong = numeric(array, kinds)
            if wrong is not None:
                return wrong
        count = len(self.vertices)
        return as_long("normals", self.normals, count, "vertices") or as_long("colors", self.colors, count, "vertices")

    def canonical(self) -> "Mesh":
        """vertices float32, faces int32, normals of length one, colors uint8 (V, 3); normals are computed where there are none:
        the mean of the faces', weighted by their area."""
        vertices = np.ascontiguousarray(self.vertices, np.float32)
        faces = np.ascontiguousarray(self.faces, np.int32)
        normals = self.normals
        if normals is None:
            normals = np.zeros_like(vertices)
            corners = vertices[faces]
            across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            for corner in range(3):
                np.add.at(normals, faces[:, corner], across)
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        unit = (normals / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        colors = None if self.colors is None else point_cloud.colours(self.colors)[:, :3]
        return Mesh(vertices, faces, unit, colors)

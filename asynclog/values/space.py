"""What has a place in space: point clouds and meshes."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asynclog.errors import InvalidValue
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
        count = point_cloud.count(self.points.shape, self.layout)
        if self.colors is not None and self.colors.shape[-1:] not in ((3,), (4,)):
            hint = "colors.T has them as rows" if self.colors.shape == (3, count) else None
            return Fault(f"colors ({count}, 3)", f"shape {self.colors.shape}", hint)
        if self.boxes is not None and (self.boxes.ndim != 2 or self.boxes.shape[1] != 9):
            fewer = {6: "0, 0, 0", 7: "0, 0 before the angle about z"}.get(self.boxes.shape[-1] if self.boxes.ndim == 2 else 0)
            hint = None if fewer is None else f"boxes without all three angles take {fewer}"
            return Fault("boxes of centre, size and angles, (K, 9)", f"shape {self.boxes.shape}", hint)
        return (
            (None if self.colors is None else numeric(self.colors, "biuf"))
            or (None if self.boxes is None else numeric(self.boxes, "iuf"))
            or (None if self.labels is None else _labels_fault(self.labels))
            or (
                None
                if self.colors is None
                else as_long("colors", self.colors.reshape(-1, self.colors.shape[-1]), count, "points")
            )
            or (None if self.labels is None else as_long("labels", self.labels.reshape(-1), count, "points"))
            or as_long("box_labels", self.box_labels, 0 if self.boxes is None else len(self.boxes), "boxes")
        )

    def canonical(self) -> Points:
        """At most ``most`` points in their order, the same ones every time; points that aren't finite are left out."""
        rows, which = point_cloud.drawn(self.points, self.layout, self.most)
        colors = None if self.colors is None else _of(self.colors.reshape(-1, self.colors.shape[-1]), which)[:, :3]
        if colors is None and rows.shape[1] == 6:
            colors = rows[:, 3:]
        return Points(
            np.ascontiguousarray(rows[:, :3], np.float32),
            None if colors is None else point_cloud.colours(colors),
            None if self.labels is None else _of(self.labels.reshape(-1), which),
        )


def _labels_fault(labels: Array) -> Fault | None:
    found = numeric(labels, "biu")
    hint = "labels.astype(int) makes them so" if labels.dtype.kind == "f" else None
    return None if found is None else Fault("labels as whole numbers", found.got, hint)


def _of(array: Array, which: "NDArray[np.intp] | None") -> Array:
    return array if which is None else array[which]


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
                expected = f"{name} (n, {' or '.join(map(str, widths))})"
                return Fault(expected, f"shape {array.shape}", _way_to_rows(name, array.shape, widths))
            wrong = numeric(array, kinds)
            if wrong is not None:
                whole = "faces.astype(int) makes them so" if name == "faces" and array.dtype.kind == "f" else None
                return Fault(f"{name} as {wrong.expected}", wrong.got, whole)
        count = len(self.vertices)
        return as_long("normals", self.normals, count, "vertices") or as_long("colors", self.colors, count, "vertices")

    def canonical(self) -> "Mesh":
        """vertices float32, faces int32, normals of length one, colors uint8 (V, 3); normals are computed where there are none:
        the mean of the faces', weighted by their area. Raises InvalidValue for faces that point at no vertex."""
        vertices = np.ascontiguousarray(self.vertices, np.float32)
        faces = np.ascontiguousarray(self.faces, np.int32)
        _check_within(self.faces, len(vertices))
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


def _way_to_rows(name: str, shape: tuple[int, ...], widths: tuple[int, ...]) -> str | None:
    if len(shape) == 2 and shape[0] in widths:
        return f"{name}.T has them as rows"
    if name == "faces" and len(shape) == 2 and shape[1] == 4:
        return "np.concatenate([faces[:, :3], faces[:, [0, 2, 3]]]) makes two triangles of each"
    if name == "vertices" and len(shape) == 2 and shape[1] == 2:
        return "these look flat: np.pad(vertices, ((0, 0), (0, 1))) gives them a z of 0"
    return None


def _check_within(faces: Array, count: int) -> None:
    """Only when somebody looks: on the loop no number is looked at."""
    low, high = (int(faces.min()), int(faces.max())) if faces.size else (0, -1)
    if low < 0 or high >= count:
        hint = "faces - 1, if they were counted from 1" if low == 1 and high == count else None
        raise InvalidValue(kind="mesh", expected=f"faces within 0 to {count - 1}", got=f"{low} to {high}", hint=hint)

"""What lies in space, as Foxglove's 3D panel takes it.

A mesh's vertices are messages of their own in protobuf, 29 bytes each. They are packed by numpy: making them one by one takes
a second for 100,000.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asynclog.normal.turns import quaternion
from asynclog.values import Mesh, PointCloud

_FLOAT32, _UINT8 = 7, 1  # PackedElementField.NumericType


def cloud(value: PointCloud, time: Any, frame_id: str) -> Any:
    """foxglove.PointCloud: x, y, z float32, and red, green, blue, alpha uint8 where there are colours; all points."""
    from foxglove_schemas_protobuf.PackedElementField_pb2 import PackedElementField
    from foxglove_schemas_protobuf.PointCloud_pb2 import PointCloud as Message
    from foxglove_schemas_protobuf.Pose_pb2 import Pose

    points = replace(value, most=None).canonical()
    columns: list[tuple[str, str]] = [(axis, "<f4") for axis in "xyz"]
    if points.rgb is not None:
        columns += [(name, "u1") for name in ("red", "green", "blue", "alpha")]
    rows = np.empty(len(points.xyz), columns)
    for at, axis in enumerate("xyz"):
        rows[axis] = points.xyz[:, at]
    if points.rgb is not None:
        for at, name in enumerate(("red", "green", "blue")):
            rows[name] = points.rgb[:, at]
        rows["alpha"] = 255
    kinds = [_FLOAT32 if dtype == "<f4" else _UINT8 for _, dtype in columns]
    fields: dict[str, Any] = dict(rows.dtype.fields or {})
    pose = Pose()
    pose.orientation.w = 1
    return Message(
        timestamp=time,
        frame_id=frame_id,
        pose=pose,
        point_stride=rows.dtype.itemsize,
        fields=[
            PackedElementField(name=name, offset=fields[name][1], type=kind)  # type: ignore[arg-type]
            for (name, _), kind in zip(columns, kinds, strict=True)
        ],
        data=rows.tobytes(),
    )


def boxes(value: PointCloud, time: Any, frame_id: str) -> Any:
    """foxglove.SceneUpdate of a cloud's boxes, with their labels."""
    from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate

    update = SceneUpdate()
    entity = update.entities.add(timestamp=time, frame_id=frame_id, id="boxes")
    labels = value.box_labels or []
    for at, (x, y, z, wide, deep, high, *angles) in enumerate(np.asarray(value.boxes, np.float64).tolist()):
        cube = entity.cubes.add()
        cube.pose.position.x, cube.pose.position.y, cube.pose.position.z = x, y, z
        turned = cube.pose.orientation
        turned.x, turned.y, turned.z, turned.w = quaternion(*angles)
        cube.size.x, cube.size.y, cube.size.z = wide, deep, high
        cube.color.r, cube.color.g, cube.color.b, cube.color.a = 0.2, 0.6, 1.0, 0.4
        if at < len(labels):
            text = entity.texts.add(text=labels[at], billboard=True, font_size=12.0, scale_invariant=True)
            text.pose.position.x, text.pose.position.y, text.pose.position.z = x, y, z + high / 2
            text.pose.orientation.w = text.color.a = text.color.r = text.color.g = text.color.b = 1.0
    return update


def surface(value: Mesh, time: Any, frame_id: str) -> Any:
    """foxglove.SceneUpdate of one list of triangles. An entity's id is the same in each: a later mesh takes its place."""
    from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate

    mesh = value.canonical()
    update = SceneUpdate()
    entity = update.entities.add(timestamp=time, frame_id=frame_id, id="mesh")
    triangles = entity.triangles.add()
    # Fields 2 and 4 of TriangleListPrimitive: points and colors.
    triangles.MergeFromString(_packed(2, mesh.vertices))
    if mesh.colors is not None:
        opaque = np.concatenate([mesh.colors / 255, np.ones((len(mesh.colors), 1))], axis=1)
        triangles.MergeFromString(_packed(4, opaque))
    triangles.pose.orientation.w = 1
    shade = triangles.color
    shade.r = shade.g = shade.b = 0.8
    shade.a = 1
    triangles.indices.extend(mesh.faces.reshape(-1).tolist())
    return update


def _packed(field: int, rows: NDArray[Any]) -> bytes:
    """Rows (n, k) as n messages, a field each of another, whose own fields 1 to k are doubles."""
    width = rows.shape[1]
    double, submessage = 1, 2  # protobuf's wire types
    dtype: list[Any] = [("tag", "u1"), ("length", "u1")]
    dtype += [part for at in range(width) for part in ((f"tag{at}", "u1"), (f"value{at}", "<f8"))]
    made = np.empty(len(rows), dtype)
    made["tag"], made["length"] = field << 3 | submessage, 9 * width
    for at in range(width):
        made[f"tag{at}"] = (at + 1) << 3 | double
        made[f"value{at}"] = rows[:, at]
    return made.tobytes()

"""What lies in space as PLY, binary, little-endian: the file that every program of meshes and clouds opens."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asynclog.values import Mesh, PointCloud


def cloud_ply(value: PointCloud) -> bytes:
    """All points, not the few that are drawn; (N, 3) float32, colours uint8."""
    points = replace(value, most=None).canonical()
    columns: list[tuple[str, str, NDArray[Any]]] = [("float", name, points.xyz[:, at]) for at, name in enumerate("xyz")]
    if points.rgb is not None:
        columns += [("uchar", name, points.rgb[:, at]) for at, name in enumerate(("red", "green", "blue"))]
    return _ply_head([("vertex", len(points.xyz), [one[:2] for one in columns])]) + _records(columns)


def mesh_ply(value: Mesh) -> bytes:
    """Vertices with normals, and colours where there are any, and triangles. Raises InvalidValue."""
    mesh = value.canonical()
    assert mesh.normals is not None
    columns: list[tuple[str, str, NDArray[Any]]] = [("float", name, mesh.vertices[:, at]) for at, name in enumerate("xyz")]
    columns += [("float", name, mesh.normals[:, at]) for at, name in enumerate(("nx", "ny", "nz"))]
    if mesh.colors is not None:
        columns += [("uchar", name, mesh.colors[:, at]) for at, name in enumerate(("red", "green", "blue"))]
    faces = np.empty(len(mesh.faces), np.dtype([("count", "u1"), ("corners", "<i4", 3)]))
    faces["count"], faces["corners"] = 3, mesh.faces
    head = _ply_head(
        [
            ("vertex", len(mesh.vertices), [one[:2] for one in columns]),
            ("face", len(faces), [("list uchar int", "vertex_indices")]),
        ]
    )
    return head + _records(columns) + faces.tobytes()


def _ply_head(elements: list[tuple[str, int, list[tuple[str, str]]]]) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0"]
    for name, count, properties in elements:
        lines.append(f"element {name} {count}")
        lines += [f"property {kind} {label}" for kind, label in properties]
    return ("\n".join([*lines, "end_header"]) + "\n").encode()


def _records(columns: list[tuple[str, str, NDArray[Any]]]) -> bytes:
    dtype = np.dtype([(name, "<f4" if kind == "float" else "u1") for kind, name, _ in columns])
    rows = np.empty(len(columns[0][2]), dtype)
    for _, name, data in columns:
        rows[name] = data
    return rows.tobytes()

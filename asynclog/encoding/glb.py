"""What lies in space as GLB, the one file of glTF 2.0, by trimesh: for browsers, game engines and slides."""

from dataclasses import replace
from typing import Any

from asynclog.values import Mesh, PointCloud


def cloud_glb(value: PointCloud) -> bytes:
    """All points, not the few that are drawn, with their colours. Raises ImportError without trimesh."""
    from trimesh import PointCloud as Cloud

    points = replace(value, most=None).canonical()
    made: Any = Cloud(points.xyz, colors=points.rgb)  # type: ignore[no-untyped-call]
    return bytes(made.export(file_type="glb"))


def mesh_glb(value: Mesh) -> bytes:
    """Vertices with normals, and colours where there are any, and triangles, none of them merged. Raises InvalidValue;
    ImportError without trimesh."""
    from trimesh import Trimesh

    mesh = value.canonical()
    made: Any = Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.normals, vertex_colors=mesh.colors, process=False)
    return bytes(made.export(file_type="glb", include_normals=True))

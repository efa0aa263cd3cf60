"""The parts of other libraries' meshes and point clouds: trimesh's, open3d's, and whatever names its parts as they do."""

import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Parts:
    """Each as its library holds it; None for what isn't there."""

    vertices: Any
    faces: Any = None
    normals: Any = None
    colors: Any = None


def is_trimesh(value: Any) -> bool:
    """Whether this is an object of trimesh: some of its parts are computed when they are asked for."""
    parent = sys.modules.get("trimesh.parent")
    return parent is not None and isinstance(value, parent.Geometry)


def parts_of(value: Any) -> Parts | None:
    """The parts of a mesh or a cloud; None of anything else. A scene of trimesh is one mesh, everything at its place."""
    if isinstance(value, Parts):
        return value
    if is_trimesh(value):
        value = value.to_geometry() if hasattr(value, "geometry") else value
        return Parts(value.vertices, getattr(value, "faces", None), _given_normals(value), _colours(value))
    faces = getattr(value, "faces", getattr(value, "triangles", None))
    vertices = getattr(value, "vertices", None) if faces is not None else getattr(value, "points", None)
    if vertices is None:
        return None
    # open3d has empty arrays for what isn't there; of a mesh they are the vertices'.
    normals = getattr(value, "vertex_normals", None)
    colors = getattr(value, "vertex_colors", None) if faces is not None else getattr(value, "colors", None)
    return Parts(vertices, faces, _filled(normals), _filled(colors))


def _given_normals(solid: Any) -> Any:
    """Those that came with the mesh, told as trimesh's exporters tell them: those that it would compute, so can readers."""
    return solid.vertex_normals if "vertex_normals" in getattr(solid, "_cache", ()) else None


def _colours(solid: Any) -> Any:
    visual = getattr(solid, "visual", None)
    if visual is None:
        return _filled(getattr(solid, "colors", None))
    if visual.kind == "texture":
        # Each vertex has the colour of its place in the texture.
        return visual.to_color().vertex_colors if getattr(visual, "uv", None) is not None else None
    # Faces' colours are given as their vertices' mean: a mesh is recorded with a colour a vertex.
    return None if visual.kind is None else visual.vertex_colors


def _filled(part: Any) -> Any:
    return part if part is not None and len(part) else None

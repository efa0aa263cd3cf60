"""What lies in space as text: meshes as Wavefront OBJ, clouds as a point a line."""

import io
from dataclasses import replace

import numpy as np

from asynclog.values import Mesh, PointCloud

_PLACE = "%.9g"
_COLOUR = "%d"


def mesh_obj(value: Mesh) -> bytes:
    """Vertices with normals, and with colours from 0 to 1 behind their places, where there are any; triangles. Raises
    InvalidValue."""
    mesh = value.canonical()
    assert mesh.normals is not None
    places = mesh.vertices.astype(np.float64)
    if mesh.colors is not None:
        places = np.concatenate([places, mesh.colors[:, :3] / 255.0], axis=1)
    corners = mesh.faces.astype(np.int64) + 1
    file = io.BytesIO()
    np.savetxt(file, places, "v" + f" {_PLACE}" * places.shape[1])
    np.savetxt(file, mesh.normals, "vn" + f" {_PLACE}" * 3)
    np.savetxt(file, np.repeat(corners, 2, axis=1), "f" + " %d//%d" * 3)
    return file.getvalue()


def cloud_text(value: PointCloud) -> bytes:
    """x y z a line, and r g b from 0 to 255 behind them where there are colours; all points, not the few that are drawn."""
    points = replace(value, most=None).canonical()
    places = points.xyz.astype(np.float64)
    form = [_PLACE] * 3
    if points.rgb is not None:
        places, form = np.concatenate([places, points.rgb], axis=1), [*form, *[_COLOUR] * 3]
    file = io.BytesIO()
    np.savetxt(file, places, form)
    return file.getvalue()

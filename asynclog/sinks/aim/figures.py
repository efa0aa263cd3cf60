"""What lies in space as a Plotly figure's JSON, which Aim shows with a camera to turn.

Numbers stand in lists: the Plotly that Aim's pages bring doesn't know the packed arrays of later versions. Written here, so
that no Plotly is needed to record one.

Source: Plotly's figure schema, the traces scatter3d and mesh3d.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asynclog.normal import view
from asynclog.sinks.strict_json import json_text
from asynclog.values import Mesh, PointCloud

_POINT_PIXELS: Final = 2
_LAYOUT: Final = {"scene": {"aspectmode": "data"}, "margin": dict.fromkeys("lrbt", 0), "showlegend": False}


def cloud_figure(value: PointCloud) -> str:
    """At most ``value.most`` points in their colours, or those of their labels or heights; and the boxes."""
    points = value.canonical()
    trace = {
        "type": "scatter3d",
        "mode": "markers",
        **_places(points.xyz),
        "marker": {"size": _POINT_PIXELS, "color": _colours(view.tints(*points))},
        "hoverinfo": "x+y+z" if points.labels is None else "x+y+z+text",
    }
    if points.labels is not None:
        trace["text"] = [str(one) for one in points.labels.tolist()]
    return _figure([trace, *_boxes(value)])


def mesh_figure(value: Mesh) -> str:
    """Triangles in the colours of their corners. Raises InvalidValue."""
    mesh = value.canonical()
    trace = {
        "type": "mesh3d",
        **_places(mesh.vertices),
        **{name: mesh.faces[:, at].tolist() for at, name in enumerate("ijk")},
    }
    if mesh.colors is not None:
        trace["vertexcolor"] = _colours(mesh.colors)
    return _figure([trace])


def _boxes(value: PointCloud) -> Iterator[dict[str, Any]]:
    if value.boxes is None:
        return
    labels = value.box_labels or []
    for at, edges in enumerate(view.box_edges(value.boxes).reshape(-1, 12, 2, 3)):
        yield {
            "type": "scatter3d",
            "mode": "lines",
            # One line through all edges, with gaps.
            **{
                axis: [number for start, end in edges[:, :, place].tolist() for number in (start, end, None)]
                for place, axis in enumerate("xyz")
            },
            "name": labels[at] if at < len(labels) else f"box {at}",
        }


def _places(xyz: NDArray[np.float32]) -> dict[str, Any]:
    return {axis: xyz[:, at].tolist() for at, axis in enumerate("xyz")}


def _colours(rgb: NDArray[np.uint8]) -> list[str]:
    return [f"rgb({red},{green},{blue})" for red, green, blue in rgb.tolist()]


def _figure(traces: list[dict[str, Any]]) -> str:
    return json_text({"data": traces, "layout": _LAYOUT})

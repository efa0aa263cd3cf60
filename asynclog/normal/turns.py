"""How a box is turned, in the form that other programs take it."""

from math import cos, sin


def quaternion(about_x: float, about_y: float, about_z: float) -> tuple[float, float, float, float]:
    """(x, y, z, w) of turns about x, then y, then z, in radians: the product z y x of the three."""
    sx, sy, sz = (sin(angle / 2) for angle in (about_x, about_y, about_z))
    cx, cy, cz = (cos(angle / 2) for angle in (about_x, about_y, about_z))
    return (
        sx * cy * cz - cx * sy * sz,
        cx * sy * cz + sx * cy * sz,
        cx * cy * sz - sx * sy * cz,
        cx * cy * cz + sx * sy * sz,
    )

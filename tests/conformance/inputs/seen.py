"""Images of PIL, figures of matplotlib, meshes of trimesh, and what each is recorded as."""

from collections.abc import Callable
from typing import Any

import numpy as np

from asynclog.values import Mesh, PointCloud
from tests.conformance.inputs.other import Other, itself

# -- pictures --------------------------------------------------------------------------------------------------------


def colours() -> np.ndarray:
    """(4, 5, 3): more rows than a picture has channels, no two alike."""
    return np.random.default_rng(5).integers(0, 256, (4, 5, 3)).astype(np.uint8)


def pillow(mode: str) -> Any:
    from PIL import Image

    return Image.fromarray(colours()).convert(mode)


def seen(mode: str, shown: str) -> Other:
    """An image that Pillow itself turns into what is expected."""
    said = {"RGB": "(H, W, 3) uint8", "RGBA": "(H, W, 4) uint8", "L": "(H, W) uint8", "1": "(H, W) bool"}
    said |= {"I": "(H, W) int32", "F": "(H, W) float32"}
    return Other(
        "Images of PIL, `log_image`",
        f"`{mode}`",
        "log_image",
        lambda: pillow(mode),
        lambda: np.asarray(pillow(mode).convert(shown) if mode != shown else pillow(mode)),
        said[shown],
        lambda value: value.data,
        ("PIL",),
    )


def wide_grey() -> Any:
    from PIL import Image

    return Image.fromarray(np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000)


def palette_with_transparency() -> Any:
    picture = pillow("P")
    picture.info["transparency"] = 0
    return picture


PICTURES = (
    *(seen(mode, mode) for mode in ("1", "L", "I", "F", "RGB", "RGBA")),
    *(seen(mode, "RGB") for mode in ("P", "CMYK", "YCbCr", "HSV")),
    seen("LA", "RGBA"),
    Other(
        "Images of PIL, `log_image`",
        "`P` with transparency",
        "log_image",
        palette_with_transparency,
        lambda: np.asarray(palette_with_transparency().convert("RGBA")),
        "(H, W, 4) uint8",
        lambda value: value.data,
        ("PIL",),
    ),
    Other(
        "Images of PIL, `log_image`",
        "`I;16`",
        "log_image",
        wide_grey,
        lambda: np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000,
        "(H, W) uint16",
        lambda value: value.data,
        ("PIL",),
    ),
)


def figure() -> Any:
    from matplotlib.figure import Figure

    made = Figure(figsize=(0.3, 0.2), dpi=100, facecolor="#ff8000")
    made.subplots().set_axis_off()
    return made


FIGURES = (
    Other(
        "Figures of matplotlib, `log_image`",
        "`Figure`",
        "log_image",
        figure,
        lambda: np.broadcast_to(np.array([255, 128, 0, 255], np.uint8), (20, 30, 4)),
        "(H, W, 4) uint8, as it is drawn",
        lambda value: value.data,
        ("matplotlib",),
    ),
)


# -- meshes ----------------------------------------------------------------------------------------------------------

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float64)
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int64)
INKS = np.array([[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [9, 9, 9, 255]], np.uint8)
UP = np.broadcast_to(np.array([0.0, 0.0, 1.0]), (4, 3))


def solid(**parts: Any) -> Any:
    import trimesh

    return trimesh.Trimesh(CORNERS, FACES, process=False, **parts)


def moved_scene() -> Any:
    import trimesh

    scene = trimesh.Scene(solid())
    scene.apply_transform(trimesh.transformations.translation_matrix([5, 0, 0]))
    return scene


def textured() -> Any:
    import trimesh
    from PIL import Image

    image = Image.new("RGB", (4, 4), (9, 8, 7))
    return solid(visual=trimesh.visual.TextureVisuals(uv=np.zeros((4, 2)), image=image))


def cloud() -> Any:
    import trimesh

    return trimesh.PointCloud(CORNERS, colors=INKS)


def mesh(what: str, make: Callable[[], Any], expected: Callable[[], Any], said: str, *needs: str) -> Other:
    return Other("Objects of trimesh", what, "log_mesh", make, expected, said, itself, ("trimesh", *needs))


MESHES = (
    mesh("`Trimesh`", solid, lambda: Mesh(CORNERS, FACES), "vertices, faces"),
    mesh(
        "`Trimesh` with normals and vertex colors",
        lambda: solid(vertex_normals=UP, vertex_colors=INKS),
        lambda: Mesh(CORNERS, FACES, UP, INKS),
        "vertices, faces, normals, colors",
    ),
    mesh(
        "`Trimesh` with face colors",
        lambda: solid(face_colors=[[200, 100, 0, 255]] * 2),
        lambda: Mesh(CORNERS, FACES, colors=np.array([[200, 100, 0, 255]] * 4, np.uint8)),
        "vertices, faces, colors: the mean of the faces at a vertex",
    ),
    mesh(
        "`Trimesh` with a texture",
        textured,
        lambda: Mesh(CORNERS, FACES, colors=np.array([[9, 8, 7, 255]] * 4, np.uint8)),
        "vertices, faces, colors: the texture's at a vertex",
        "PIL",
    ),
    mesh("`Scene`", moved_scene, lambda: Mesh(CORNERS + np.array([5, 0, 0]), FACES), "one mesh, everything at its place"),
    Other(
        "Objects of trimesh",
        "`PointCloud`, by `log_point_cloud`",
        "log_point_cloud",
        cloud,
        lambda: PointCloud(CORNERS, INKS),
        "points, colors",
        itself,
        ("trimesh",),
    ),
)

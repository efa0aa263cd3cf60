"""The rows: a kind in a layout, how such a value is logged, and where its array is found when it is read back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import asynclog as al

Log = Callable[[al.MultiLogger, str, Any], None]
Read = Callable[[Any], Any]
Shape = tuple[int, ...]

REAL, SOUND, WHOLE, FLOATS = "biuf", "iuf", "iu", "f"
FRAME = np.zeros((3, 4, 5), np.uint8)
POINTS = np.zeros((7, 3), np.float32)
TRIANGLE = np.array([[0, 1, 2]])
CORNERS = np.eye(3, dtype=np.float32)


@dataclass(frozen=True)
class Row:
    """shapes: of the array, or of those in a list. accepts: the dtype kinds; others are refused. layout: what is recorded.
    keeps_bits: whether bfloat16 comes back as its bits, and not as float32. lists: whether nested lists are taken as one array,
    and not as a list of several."""

    kind: str
    what: str
    shapes: tuple[Shape, ...]
    log: Log
    read: Read
    accepts: str = REAL
    layout: str | None = None
    keeps_bits: bool = False
    lists: bool = True

    @property
    def several(self) -> bool:
        return len(self.shapes) > 1


def logged(method: str, **params: Any) -> Log:
    return lambda log, key, value: getattr(log, method)(key, value, **params)


def part(method: str, whole: Any, name: str, **params: Any) -> Log:
    """Logged as a parameter, beside another array."""
    return lambda log, key, value: getattr(log, method)(key, whole, **params, **{name: value})


def mask(log: al.MultiLogger, key: str, value: Any) -> None:
    log.log_image(key, FRAME, masks={"m": value})


def per_token(name: str) -> Log:
    return lambda log, key, value: log.log_rollout(key, {"messages": [], name: value})


def field(name: str) -> Read:
    return lambda value: getattr(value, name)


def itself(value: Any) -> Any:
    return value


DATA, PLACES = field("data"), field("points")


def arrays(kind: str, method: str, layouts: dict[str, Shape], **how: Any) -> list[Row]:
    """Rows whose layout is told from the shape."""
    return [Row(kind, what, (shape,), logged(method), DATA, **how) for what, shape in layouts.items()]


ROWS: tuple[Row, ...] = (
    Row("scalar", "()", ((),), logged("log_scalar"), itself),
    *arrays(
        "image",
        "log_image",
        {
            "(H, W)": (4, 5),
            "(1, H, W)": (1, 4, 5),
            "(3, H, W)": (3, 4, 5),
            "(4, H, W)": (4, 5, 6),
            "(H, W, 1)": (5, 6, 1),
            "(H, W, 3)": (5, 6, 3),
            "(H, W, 4)": (5, 6, 4),
        },
    ),
    Row("image", '(H, W, C), layout="HWC"', ((3, 3, 3),), logged("log_image", layout="HWC"), DATA, layout="HWC"),
    Row("image", "images (N, H, W)", ((2, 4, 5),), logged("log_images"), DATA, layout="NHW", lists=False),
    Row("image", "images (N, C, H, W)", ((2, 3, 4, 5),), logged("log_images"), DATA, layout="NCHW", lists=False),
    Row("image", "images (N, H, W, C)", ((2, 5, 6, 3),), logged("log_images"), DATA, layout="NHWC", lists=False),
    Row("image", "images, a list of any sizes", ((4, 5), (3, 4, 5)), logged("log_images"), DATA),
    Row("image", "a mask (H, W)", ((4, 5),), mask, lambda value: value.masks["m"], "biu"),
    Row("image", "boxes (K, 4)", ((2, 4),), part("log_image", FRAME, "boxes"), field("boxes")),
    *arrays("audio", "log_audio", {"(T,)": (40,), "(C, T)": (2, 40), "(T, C)": (40, 2)}, accepts=SOUND),
    Row("audio", '(T, C), layout="TC"', ((2, 3),), logged("log_audio", layout="TC"), DATA, SOUND, "TC"),
    Row("audio", "audios (N, T)", ((2, 40),), logged("log_audios"), lambda value: np.stack(value.data), SOUND),
    Row("audio", "audios, a list of any lengths", ((40,), (2, 30)), logged("log_audios"), DATA, SOUND),
    *arrays("spectrogram", "log_spectrogram", {"(T,)": (40,), "(C, T)": (2, 40), "(T, C)": (40, 2)}, accepts=SOUND),
    *arrays(
        "video",
        "log_video",
        {
            "(T, H, W)": (2, 4, 5),
            "(T, 1, H, W)": (2, 1, 4, 5),
            "(T, 3, H, W)": (2, 3, 4, 5),
            "(T, H, W, 1)": (2, 4, 5, 1),
            "(T, H, W, 3)": (2, 4, 5, 3),
        },
    ),
    Row("video", '(T, H, W, C), layout="THWC"', ((2, 3, 3, 3),), logged("log_video", layout="THWC"), DATA, layout="THWC"),
    Row("video", "videos (N, T, C, H, W)", ((2, 2, 3, 4, 5),), logged("log_videos"), lambda value: np.stack(value.data)),
    Row("video", "videos, a list of any lengths", ((2, 4, 5), (3, 3, 4, 5)), logged("log_videos"), DATA),
    *(
        Row("histogram", what, (shape,), logged("log_histogram"), itself)
        for what, shape in {"()": (), "(N,)": (50,), "(A, B, C)": (2, 3, 4), "none": (0,)}.items()
    ),
    *(
        Row("point_cloud", what, (shape,), logged("log_point_cloud"), PLACES, SOUND)
        for what, shape in {
            "(N, 3)": (7, 3),
            "(3, N)": (3, 7),
            "(N, 6)": (7, 6),
            "(6, N)": (6, 7),
            "(B, N, 3)": (2, 7, 3),
            "(B, 3, N)": (2, 3, 7),
            "(B, N, 6)": (2, 7, 6),
            "(B, 6, N)": (2, 6, 7),
        }.items()
    ),
    Row("point_cloud", '(3, N), layout="3N"', ((3, 3),), logged("log_point_cloud", layout="3N"), PLACES, SOUND, "3N"),
    Row("point_cloud", "colors (N, 3)", ((7, 3),), part("log_point_cloud", POINTS, "colors"), field("colors")),
    Row("point_cloud", "labels (N,)", ((7,),), part("log_point_cloud", POINTS, "labels"), field("labels"), "biu"),
    Row("point_cloud", "boxes (K, 9)", ((2, 9),), part("log_point_cloud", POINTS, "boxes"), field("boxes"), SOUND),
    Row("mesh", "vertices (V, 3)", ((3, 3),), logged("log_mesh", faces=TRIANGLE), field("vertices"), SOUND),
    Row("mesh", "faces (F, 3)", ((2, 3),), part("log_mesh", CORNERS, "faces"), field("faces"), WHOLE),
    Row("mesh", "normals (V, 3)", ((3, 3),), part("log_mesh", CORNERS, "normals", faces=TRIANGLE), field("normals"), FLOATS),
    Row("mesh", "colors (V, 3)", ((3, 3),), part("log_mesh", CORNERS, "colors", faces=TRIANGLE), field("colors"), SOUND),
    Row("mesh", "colors (V, 4)", ((3, 4),), part("log_mesh", CORNERS, "colors", faces=TRIANGLE), field("colors"), SOUND),
    *arrays("tensor", "log_tensor", {"()": (), "(N,)": (7,), "(A, B, C, D)": (2, 3, 2, 3), "(0, N)": (0, 3)}, keeps_bits=True),
    Row("rollout", "tokens (T,)", ((6,),), per_token("tokens"), field("tokens"), WHOLE),
    Row("rollout", "loss_mask (T,)", ((6,),), per_token("loss_mask"), field("loss_mask")),
    Row("rollout", "logprobs (T,)", ((6,),), per_token("logprobs"), field("logprobs"), FLOATS),
    Row("rollout", "advantage (T,)", ((6,),), per_token("advantage"), field("advantage"), SOUND),
    Row("rollout", "versions (T,)", ((6,),), per_token("versions"), field("versions"), WHOLE),
)

"""Which arrays each kind takes, and the words for those it doesn't."""

import numpy as np
import pytest

from asynclog.normal.shapes import RULES, fault

FITS = [
    ("image", "data", (3, 8, 9), "u1"), ("image", "data", (1, 8, 9), "f4"), ("image", "data", (4, 1, 1), "f2"),
    ("image", "data", (8, 9), "?"), ("audio", "data", (5,), "f4"), ("audio", "data", (2, 5), "i2"),
    ("audio", "data", (32, 5), "f8"), ("video", "data", (2, 3, 8, 8), "u1"), ("video", "data", (2, 1, 8, 8), "f4"),
    ("point_cloud", "points", (0, 3), "f4"), ("point_cloud", "colors", (5, 3), "u1"), ("histogram", "data", (), "f8"),
    ("histogram", "data", (0, 2), "?"), ("tensor", "data", (1, 2, 3, 4, 5), "c16"), ("tensor", "data", (), "i8"),
    ("of a later version", "data", (1,), "c8"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "field", "shape", "dtype"), FITS)
def test_what_fits(kind: str, field: str, shape: tuple[int, ...], dtype: str) -> None:
    assert fault(kind, field, shape, np.dtype(dtype)) is None


SHAPES = [
    ("image", "data", (8, 9, 3), "transpose(2, 0, 1)"), ("image", "data", (2, 3, 8, 9), "log its images one by one"),
    ("image", "data", (2, 8, 9), None), ("image", "data", (3, 0, 9), None), ("image", "data", (5,), None),
    ("audio", "data", (500, 2), "transpose it"), ("audio", "data", (500, 500), None), ("audio", "data", (), None),
    ("audio", "data", (0,), None), ("audio", "data", (1, 2, 3), None), ("audio", "data", (2, 0), "transpose it"),
    ("video", "data", (5, 8, 9, 3), "transpose(0, 3, 1, 2)"), ("video", "data", (5, 8, 9), "[:, None]"),
    ("video", "data", (5, 2, 8, 9), None), ("video", "data", (0, 3, 8, 9), None), ("video", "data", (5,), None),
    ("point_cloud", "points", (3, 50), "transpose it"), ("point_cloud", "points", (50, 4), None),
    ("point_cloud", "colors", (50,), None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "field", "shape", "hint"), SHAPES)
def test_a_wrong_shape_is_named_with_what_would_make_it_right(
    kind: str, field: str, shape: tuple[int, ...], hint: str | None
) -> None:
    found = fault(kind, field, shape, np.dtype("f4"))
    assert found is not None
    expected, got, advice = found
    assert expected == RULES[kind, field].expected
    assert got == f"shape {shape}"
    assert advice is None if hint is None else hint in (advice or "")


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("image", "c8"),
        ("image", "U3"),
        ("audio", "?"),
        ("video", "O"),
        ("point_cloud", "?"),
        ("histogram", "c16"),
        ("tensor", "M8"),
    ],
)
def test_a_wrong_dtype_is_named(kind: str, dtype: str) -> None:
    shapes = {"image": (2, 2), "audio": (2,), "video": (1, 1, 2, 2), "point_cloud": (2, 3)}
    field = "points" if kind == "point_cloud" else "data"
    assert fault(kind, field, shapes.get(kind, (2,)), np.dtype(dtype)) == ("numbers", f"dtype {np.dtype(dtype)}", None)

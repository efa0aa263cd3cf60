import re
from typing import Any

import numpy as np
import pytest
import torch

from asynclog.errors import InvalidValue
from asynclog.integrations.threedb.channels import channel, checked_declaration

DECLARED = checked_declaration(
    {"rgb": ([3, 4, 5], "float32"), "is_correct": ([], "bool"), "depth": ((1, 4, 5), torch.float16), "ids": ((2,), np.int64)}
)


def test_a_declaration_speaks_numpy_torch_or_text() -> None:
    assert DECLARED == {
        "rgb": ((3, 4, 5), "float32"),
        "is_correct": ((), "bool"),
        "depth": ((1, 4, 5), "float16"),
        "ids": ((2,), "int64"),
    }
    assert checked_declaration({"x": ([], "float"), "y": ([1], torch.bfloat16)}) == {
        "x": ((), "float32"),
        "y": ((1,), "bfloat16"),
    }
    assert checked_declaration({"x": ([], "f4"), "y": ([], ">i2")}) == {"x": ((), "float32"), "y": ((), "int16")}


@pytest.mark.parametrize(
    "given",
    [
        3,
        {"rgb": 3},
        {"rgb": ("ab", "float32")},
        {"rgb": ([3],)},
        # Every result would be refused, each in words that don't say why.
        {"rgb": ([3], "flaot32")},
        {"rgb": ([-1], "float32")},
        {"rgb": ([2.5], "float32")},
    ],
)
def test_another_declaration_is_refused(given: Any) -> None:
    with pytest.raises(InvalidValue, match="expected"):
        checked_declaration(given)


@pytest.mark.parametrize(
    ("name", "given", "shape"),
    [
        ("rgb", np.zeros((3, 4, 5), np.float32), (3, 4, 5)),
        ("rgb", torch.zeros(3, 4, 5, requires_grad=True), (3, 4, 5)),
        ("depth", torch.zeros(1, 4, 5, dtype=torch.float16), (1, 4, 5)),
        ("is_correct", True, ()),
        ("is_correct", torch.tensor(False), ()),
    ],
)
def test_what_is_as_declared_passes(name: str, given: Any, shape: tuple[int, ...]) -> None:
    made, nbytes = channel(name, given, DECLARED)
    assert made.data.shape == shape
    assert nbytes == made.data.nbytes


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        (
            "rgb",
            np.zeros((3, 5, 4), np.float32),
            "channel 'rgb': expected shape (3, 4, 5), float32, as declared, got shape (3, 5, 4)",
        ),
        (
            "rgb",
            np.zeros((3, 4, 5)),
            "channel 'rgb': expected shape (3, 4, 5), float32, as declared, got shape (3, 4, 5), float64",
        ),
        ("dept", np.zeros(1), "channel 'dept': expected one of rgb, is_correct, depth, ids, got channel 'dept'"),
        (3, np.zeros(1), "channel '3': expected a str as its name"),
    ],
)
def test_what_is_not_as_declared_is_told_with_channel_expected_and_got(name: Any, given: Any, said: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(said)):
        channel(name, given, DECLARED)


def test_undeclared_channels_may_be_anything_that_is_an_array() -> None:
    for given in (np.zeros((0, 3)), 0.5, [1, 2], torch.ones(2, dtype=torch.bfloat16), np.array(3 + 4j)):
        channel("any", given, None)
    with pytest.raises(InvalidValue, match="tensor 'any': expected an array of numbers"):
        channel("any", "text", None)


@pytest.mark.parametrize(
    ("dtype", "given"), [("uint8", 300), ("uint8", -1), ("int32", 1.5), ("bool", 2), ("int8", float("nan"))]
)
def test_a_number_is_no_other_number_for_its_declaration(dtype: str, given: float) -> None:
    with pytest.raises(InvalidValue, match=f"expected shape \\(\\), {dtype}, as declared, got"):
        channel("x", given, checked_declaration({"x": ((), dtype)}))


@pytest.mark.parametrize(
    ("dtype", "given"), [("uint8", 255), ("int32", 2.0), ("float32", 0.1), ("float16", 3), ("float32", float("nan"))]
)
def test_a_number_takes_the_declared_dtype(dtype: str, given: float) -> None:
    made, _ = channel("x", given, checked_declaration({"x": ((), dtype)}))
    assert made.data.dtype.name == dtype

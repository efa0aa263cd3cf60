"""Values in words, whatever their shape."""

import numpy as np
import pytest

from asynclog.sinks.summary import described, in_brief
from asynclog.values import Audio, PointCloud, Tensor, Value, Video


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (Audio(np.zeros((2, 4000)), 8000), "audio 0.5 s at 8000 Hz"),
        (Audio(np.zeros((2, 4000)), 0), "audio 2×4000 float64"),
        (Audio(np.zeros(40), "8k"), "audio 40 float64"),  # type: ignore[arg-type]
        (Audio(np.array(1.0)), "audio 0-d float64"),
        (Video(np.array(1, np.uint8)), "video 0-d uint8"),
        (PointCloud(np.array(1.0)), "point_cloud 0-d float64"),
    ],
    ids=["audio", "without a rate", "a rate of words", "audio 0-d", "video 0-d", "points 0-d"],
)
def test_a_value_of_no_sensible_shape_is_told_as_the_array_it_is(value: Value, told: str) -> None:
    """Such values come from files that somebody else wrote; a sink that describes them must not stop."""
    assert in_brief(value.kind, value) == told


@pytest.mark.parametrize(
    ("dtype", "bits", "ends"),
    [
        ("bfloat16", np.array([0x3FC0, 0xC000], np.uint16), (-2.0, 1.5)),
        ("bfloat16", np.array([0x7FC0, 0x3F80, 0x7F81], np.uint16), (1.0, 1.0)),
        ("float8_e4m3fn", np.array([0x38, 0xC4, 0x7F], np.uint8), (-3.0, 1.0)),
        ("float8_e5m2", np.array([0x3C, 0xFC], np.uint8), (-np.inf, 1.0)),
        ("float8_e8m0fnu", np.array([127, 128], np.uint8), (1.0, 2.0)),
    ],
)
def test_a_dtype_that_numpy_lacks_is_told_by_its_name_and_its_numbers(
    dtype: str, bits: np.ndarray, ends: tuple[float, float]
) -> None:
    value = Tensor(bits, dtype)
    about = described("tensor", value)
    assert about == {"kind": "tensor", "shape": [len(bits)], "dtype": dtype, "min": ends[0], "max": ends[1]}
    assert in_brief("tensor", value) == f"tensor {len(bits)} {dtype}"


def test_bits_of_a_dtype_that_is_unknown_have_no_range() -> None:
    about = described("tensor", Tensor(np.array([7], np.uint8), "float6_e3m2"))
    assert about == {"kind": "tensor", "shape": [1], "dtype": "float6_e3m2"}


def test_no_nan_hides_an_end_and_nothing_but_nan_has_none() -> None:
    """A signalling NaN, between two numbers, makes fmax forget the first."""
    strange = np.array([0x3FC00000, 0x7F800001, 0x3F800000], np.uint32).view(np.float32)
    about = described("tensor", Tensor(strange))
    assert (about["min"], about["max"]) == (1.0, 1.5)
    assert "min" not in described("tensor", Tensor(np.array([np.nan])))

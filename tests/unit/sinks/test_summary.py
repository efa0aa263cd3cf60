"""Values in words, whatever their shape."""

import numpy as np
import pytest

from asynclog.sinks.summary import in_brief
from asynclog.values import Audio, PointCloud, Value, Video


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (Audio(np.zeros((2, 4000)), 8000), "audio 0.5 s at 8000 Hz"),
        (Audio(np.zeros((2, 4000)), 0), "audio 2×4000 float64"),
        (Audio(np.array(1.0)), "audio 0-d float64"),
        (Video(np.array(1, np.uint8)), "video 0-d uint8"),
        (PointCloud(np.array(1.0)), "point_cloud 0-d float64"),
    ],
    ids=["audio", "without a rate", "audio 0-d", "video 0-d", "points 0-d"],
)
def test_a_value_of_no_sensible_shape_is_told_as_the_array_it_is(value: Value, told: str) -> None:
    """Such values come from files that somebody else wrote; a sink that describes them must not stop."""
    assert in_brief(value.kind, value) == told

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asynclog.sink import Column
from asynclog.sinks.tensorboard.scalars import constant_of_scalar, scalar_records
from asynclog.sinks.tensorboard.tfrecord import is_sound, records
from tests.unit.sinks.tensorboard.reading import raw

I64 = st.integers(-(2**63), 2**63 - 1)
STEPS = st.one_of(st.integers(0, 1000), st.integers(2**35 - 2, 2**35 + 2), I64)
TAGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def column(points: list[tuple[int, int, float]]) -> Column:
    steps, times, values = zip(*points, strict=True)
    return Column(np.array(steps, np.int64), np.array(times, np.int64), np.array(values, np.float64))


@given(
    st.dictionaries(TAGS, st.lists(st.tuples(STEPS, st.integers(0, 2**62), st.floats()), min_size=1, max_size=40), max_size=5)
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tensorboard_reads_every_number(tmp_path: Path, series: dict[str, list[tuple[int, int, float]]]) -> None:
    """Any tag, step, time and value; its reader looks at both checksums of each record."""
    path = tmp_path / "a.tfevents.b"
    path.write_bytes(b"".join(scalar_records({tag: column(points) for tag, points in series.items()})))
    found = [
        (event.summary.value[0].tag, event.step, event.wall_time, repr(np.float32(event.summary.value[0].simple_value)))
        for event in raw(path)
    ]
    with np.errstate(over="ignore"):
        logged = [
            (tag, step, time / 1e9, repr(np.float32(value))) for tag, points in series.items() for step, time, value in points
        ]
    assert found == logged


def test_checksums_are_good_at_every_length() -> None:
    """Of tags from none to many bytes, of few numbers and of many, of steps of either width."""
    for count in (1, 15, 16, 100):
        for step in (0, -1):
            points = [(step, 10**18 + at, at / 7) for at in range(count)]
            data = memoryview(b"".join(scalar_records({"t" * length: column(points) for length in range(0, 400, 7)})))
            places = list(records(data))
            assert len(places) == count * len(range(0, 400, 7))
            assert all(is_sound(data, *place) for place in places)


def test_whole_numbers_are_float32(tmp_path: Path) -> None:
    path = tmp_path / "a.tfevents.b"
    counted = Column(np.arange(3), np.arange(3), np.array([0, 7, 2**60], np.int64))
    path.write_bytes(b"".join(scalar_records({"n": counted})))
    assert [event.summary.value[0].simple_value for event in raw(path)] == [0.0, 7.0, 2.0**60]


def test_no_numbers_are_no_records() -> None:
    assert scalar_records({}) == []


def test_what_a_tags_records_share_tells_them_apart() -> None:
    """Equal for one tag's numbers, different for another's, whatever the steps."""
    points = [(1, 1, 0.5), (2**40, 2, 0.25)]
    both = [memoryview(one) for one in scalar_records({"a": column(points), "b": column(points)})]
    ends = list(records(memoryview(b"".join(both))))
    data = memoryview(b"".join(both))
    shared = [constant_of_scalar(data[start:end]) for start, end in ends]
    assert len(set(shared)) == 4  # two tags, of either width
    assert None not in shared

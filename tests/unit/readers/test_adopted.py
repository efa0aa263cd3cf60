"""The first row of a set of keys is recorded before the set has a layout: it is read as a row of it all the same."""

from pathlib import Path

import numpy as np
import pytest

from asynclog.readers.run import read
from asynclog.wire.schema import Series
from tests.runfiles import MILLISECOND, START_NS, StreamWriter

LOSS, ACCURACY, NORM = (Series("train", "", key) for key in ("loss", "accuracy", "norm"))
VALID = Series("valid", "", "loss")
BOTH = ("loss", "accuracy")


def test_a_record_with_a_layouts_series_is_its_first_row(run: Path, writer: StreamWriter) -> None:
    """One array of steps and one of times for all series, as if it had been written as a row."""
    writer.name_series([4, 9], [LOSS, ACCURACY])
    writer.sparse(-7, [4, 9], [0.1, -0.0])
    writer.rows(writer.schema(LOSS, ACCURACY), [(1.0, 10.0), (2.0, 20.0)], first_step=1)
    found = read(run)
    loss, accuracy = map(found.series, BOTH)
    assert loss.step.tolist() == accuracy.step.tolist() == [-7, 1, 2]
    assert loss.value.tolist() == [0.1, 1.0, 2.0]
    np.testing.assert_array_equal(accuracy.value.view(np.int64), np.array([-0.0, 10.0, 20.0]).view(np.int64))
    assert ((loss.time_ns - START_NS) // MILLISECOND).tolist() == [1, 2, 3]
    assert np.shares_memory(loss.step, accuracy.step)
    assert np.shares_memory(loss.time_ns, accuracy.time_ns)
    assert len(found) == 6
    assert [(event.key, event.step) for event in found.events()] == [(key, step) for step in (-7, 1, 2) for key in BOTH]


def test_a_record_that_came_between_rows_takes_its_place_by_time(run: Path, writer: StreamWriter) -> None:
    """A set that was given up for a while is recorded as a record again."""
    writer.name_series([0, 1], [LOSS, ACCURACY])
    schema = writer.schema(LOSS, ACCURACY)
    writer.rows(schema, [(0.0, 0.0)])
    writer.sparse(1, [0, 1], [1.0, 10.0])
    writer.rows(schema, [(2.0, 20.0)], first_step=2)
    writer.sparse(3, [0, 1], [3.0, 30.0])
    found = read(run)
    for key, factor in zip(BOTH, (1.0, 10.0), strict=True):
        series = found.series(key)
        assert series.step.tolist() == [0, 1, 2, 3]
        assert (series.value == factor * series.step).all()
        assert (np.diff(series.time_ns) > 0).all()
    assert np.shares_memory(found.series("loss").step, found.series("accuracy").step)


@pytest.mark.parametrize(
    ("numbers", "values", "keys"),
    [
        ([0], [0.5], ["loss"]),
        ([1, 0], [5.0, 0.5], ["accuracy", "loss"]),
        ([0, 1, 2], [0.5, 5.0, 50.0], ["loss", "accuracy", "norm"]),
        ([0, 2], [0.5, 50.0], ["loss", "norm"]),
    ],
    ids=["fewer", "other order", "more", "another"],
)
def test_a_record_of_other_series_stays_what_it_is(
    run: Path, writer: StreamWriter, numbers: list[int], values: list[float], keys: list[str]
) -> None:
    """No number lands under another's name, and none is lost or counted twice."""
    writer.name_series([0, 1, 2], [LOSS, ACCURACY, NORM])
    writer.sparse(0, numbers, values)
    writer.rows(writer.schema(LOSS, ACCURACY), [(1.0, 10.0)], first_step=1)
    found = read(run)
    assert len(found) == len(numbers) + 2
    rows = {"loss": 1.0, "accuracy": 10.0}
    for key in ("loss", "accuracy", "norm"):
        given = [(0, values[keys.index(key)])] if key in keys else []
        wanted = given + ([(1, rows[key])] if key in rows else [])
        if wanted:
            series = found.series(key)
            assert list(zip(series.step.tolist(), series.value.tolist(), strict=True)) == wanted


def test_a_layout_of_another_phase_adopts_nothing(run: Path, writer: StreamWriter) -> None:
    """The validation's loss is no row of the training's."""
    writer.name_series([0], [VALID])
    writer.sparse(0, [0], [9.0])
    writer.rows(writer.schema(LOSS), [(1.0,)], first_step=1)
    found = read(run)
    assert found.series("loss", phase="train").value.tolist() == [1.0]
    assert found.series("loss", phase="valid").value.tolist() == [9.0]


def test_a_layout_of_whole_numbers_adopts_nothing(run: Path, writer: StreamWriter) -> None:
    """A record's number is a float, a row's is 64 bits of a whole one."""
    writer.name_series([0], [Series("train", "", "seen")])
    writer.sparse(0, [0], [3.0])
    writer.rows(writer.schema(Series("train", "", "seen", "q")), [(2**60 + 1,)], first_step=1)
    series = read(run).series("seen")
    assert series.step.tolist() == [0, 1]
    assert series.value.tolist()[0] == 3

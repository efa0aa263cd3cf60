import math
from pathlib import Path

import numpy as np
import pytest

from asynclog.errors import SeriesNotFound
from asynclog.sinks import Memory
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.examples import every_kind
from tests.unit.sinks.sinkrun import deliver


def memory_of(tmp_path: Path, entries: list[object]) -> Memory:
    sink = Memory()
    deliver(sink, tmp_path, [batch_of(entries)])  # type: ignore[arg-type]
    return sink


def test_data_holds_states_and_values_by_name(tmp_path: Path) -> None:
    sink = memory_of(tmp_path, [(State(0), {("train", "loss"): 1.0}), (State(5), {("train", "loss"): 0.5})])
    assert sink.data == {"train/loss": [(State(0), 1.0), (State(5), 0.5)]}
    assert sink.most_recent_values == {"train/loss": 0.5}
    assert [event.step for event in sink.events] == [0, 5]
    assert repr(sink) == "<Memory: 2 events of 1 series>"


def test_a_timeseries_is_arrays_of_one_length(tmp_path: Path) -> None:
    entries = [
        (State(0, elapsed_s=1.5), {"loss": 1.0}),
        (State(1, "valid", 2), {"loss": math.nan}),
        (State(2, axes={"samples": 64.0}), {"loss": 0.5}),
    ]
    series = memory_of(tmp_path, entries).get_timeseries("loss")
    np.testing.assert_array_equal(series["loss"], [1.0, math.nan, 0.5])
    np.testing.assert_array_equal(series["step"], [0, 1, 2])
    np.testing.assert_array_equal(series["epoch"], [0, 2, 0])
    np.testing.assert_array_equal(series["phase"], ["train", "valid", "train"])
    np.testing.assert_array_equal(series["elapsed_s"], [1.5, math.nan, math.nan])
    np.testing.assert_array_equal(series["samples"], [math.nan, math.nan, 64.0])


def test_a_phase_can_be_chosen(tmp_path: Path) -> None:
    sink = memory_of(tmp_path, [(State(0), {"loss": 1.0}), (State(0, "valid"), {"loss": 2.0})])
    assert sink.get_timeseries("loss", "valid")["loss"].tolist() == [2.0]
    with pytest.raises(SeriesNotFound, match="phase 'test'"):
        sink.get_timeseries("loss", "test")


def test_whole_numbers_stay_whole_and_objects_objects(tmp_path: Path) -> None:
    entries = [(State(0), {"count": 2**60 + 1, "mixed": 1, "note": "a"}), (State(1), {"count": 3, "mixed": 0.5})]
    sink = memory_of(tmp_path, entries)
    assert sink.get_timeseries("count")["count"].tolist() == [2**60 + 1, 3]
    assert sink.get_timeseries("mixed")["mixed"].dtype == np.float64
    assert sink.get_timeseries("note")["note"].tolist() == ["a"]


def test_an_unknown_metric_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SeriesNotFound, match="'lss'; recorded: accuracy, loss"):
        memory_of(tmp_path, [(State(0), {"loss": 1.0, "accuracy": 1.0})]).get_timeseries("lss")


def test_settings_are_gathered(tmp_path: Path) -> None:
    sink = memory_of(tmp_path, [(State(0), {"config": {"lr": 1, "seed": 3}}), (State(1), {"config": {"lr": 2}})])
    assert sink.hyperparameters == {"lr": 2, "seed": 3}


def test_media_are_kept_whole(tmp_path: Path) -> None:
    logged = every_kind()
    sink = memory_of(tmp_path, [(State(0), logged)])
    assert sink.most_recent_values["image"] == logged["image"]
    assert sink.most_recent_values["image"].data.flags.writeable

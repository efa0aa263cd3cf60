"""Numbers come back as arrays, events one by one, and the run says how it ended."""

from pathlib import Path

import numpy as np
import pytest

from asynclog.errors import AmbiguousSeries, RunNotFound, SeriesNotFound
from asynclog.readers import read
from asynclog.readers.run import Entry
from asynclog.values import Histogram, Image, Text
from asynclog.wire.schema import Series
from tests.runfiles import MILLISECOND, START_NS, StreamWriter, make_run

LOSS = Series("train", "", "loss")
SEEN = Series("train", "", "seen", "q")
VALID = Series("valid", "", "loss")


def test_numbers_come_back_exactly_over_frames_and_segments(run: Path, writer: StreamWriter) -> None:
    """Steps, times and values are those that were written, floats by their bits and whole numbers whole."""
    schema = writer.schema(LOSS, SEEN)
    writer.rows(schema, [(0.1, 2**60 + 1), (float("nan"), -3)])
    writer.rotate()
    writer.rows(schema, [(-0.0, 7)], first_step=2)
    writer.footer()
    found = read(run)
    loss, seen = found.series("loss"), found.series("seen")
    assert loss.step.tolist() == [0, 1, 2]
    assert (loss.time_ns - START_NS).tolist() == [MILLISECOND, 2 * MILLISECOND, 3 * MILLISECOND]
    np.testing.assert_array_equal(loss.value.view(np.int64), np.array([0.1, np.nan, -0.0]).view(np.int64))
    assert seen.value.dtype == np.int64
    assert seen.value.tolist() == [2**60 + 1, -3, 7]
    assert loss.time[0] == pytest.approx(START_NS / 1e9 + 0.001)


def test_arrays_are_read_only_and_shared_by_series_of_one_row(run: Path, writer: StreamWriter) -> None:
    """Ten series of one write hold one array of steps, so nobody may write to it."""
    schema = writer.schema(LOSS, SEEN)
    writer.rows(schema, [(1.0, 2)])
    found = read(run)
    assert np.shares_memory(found.series("loss").step, found.series("seen").step)
    with pytest.raises(ValueError, match="read-only"):
        found.series("loss").value[0] = 3.0


def test_due_masks_elapsed_times_and_axes_stand_beside_the_numbers(run: Path, writer: StreamWriter) -> None:
    """What precedes the numbers in a row is told apart from them, and reaches the events."""
    schema = writer.schema(LOSS, due=True, elapsed=True, axes=("samples",))
    writer.rows(schema, [(0.5,)], first_step=9, prefix=(3, 1.25, 640.0), epoch=2)
    found = read(run)
    assert found.series("loss").value.tolist() == [0.5]
    (event,) = found.events()
    assert (event.value, event.step, event.epoch, event.elapsed_s, dict(event.axes)) == (
        0.5,
        9,
        2,
        1.25,
        {"samples": 640.0},
    )


def test_writers_and_epochs_are_merged_by_time(run: Path) -> None:
    """A restart and a second process add to the same series, in the order in which things happened."""
    first, second = StreamWriter(run, "a"), StreamWriter(run, "b")
    first.rows(first.schema(LOSS), [(1.0,), (3.0,)], times=[START_NS + 10, START_NS + 30])
    second.rows(second.schema(LOSS), [(2.0,), (4.0,)], first_step=5, times=[START_NS + 20, START_NS + 40])
    again = StreamWriter(run, "a", epoch=1)
    again.rows(again.schema(LOSS), [(5.0,)], times=[START_NS + 50])
    found = read(run)
    assert found.series("loss").value.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [event.value for event in found.events()] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [(one.writer, one.epoch) for one in found.writers] == [("a", 0), ("a", 1), ("b", 0)]


def test_rows_of_one_schema_that_overlap_in_time_are_sorted(run: Path, writer: StreamWriter) -> None:
    """Threads fill blocks of their own, which are announced one after the other."""
    schema = writer.schema(LOSS)
    writer.rows(schema, [(1.0,), (4.0,)], times=[START_NS + 1, START_NS + 4])
    writer.rows(schema, [(2.0,), (3.0,)], times=[START_NS + 2, START_NS + 3])
    assert read(run).series("loss").value.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_series_of_several_layouts_are_merged_once_and_share_steps_and_times(run: Path, writer: StreamWriter) -> None:
    """A limited route makes a second layout, with due masks, of every other; whole numbers stay whole."""
    plain, due = writer.schema(LOSS, SEEN), writer.schema(LOSS, SEEN, number=2, due=True)
    writer.rows(plain, [(1.0, 1), (3.0, 3)], times=[START_NS + 1, START_NS + 3])
    writer.rows(due, [(2.0, 2), (4.0, 4)], prefix=(1,), times=[START_NS + 2, START_NS + 4])
    found = read(run)
    loss, seen = found.series("loss"), found.series("seen")
    assert loss.value.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert seen.value.tolist() == [1, 2, 3, 4]
    assert seen.value.dtype == np.int64
    assert np.shares_memory(loss.step, seen.step)
    assert np.shares_memory(loss.time_ns, seen.time_ns)
    with pytest.raises(ValueError, match="read-only"):
        seen.value[0] = 3


def test_a_wide_layout_gives_each_column_on_its_own(run: Path, writer: StreamWriter) -> None:
    """A thousand metrics a step: the right one comes back, sorted as the others are."""
    schema = writer.schema(*(Series("train", "", f"m{at}") for at in range(1000)))
    writer.rows(schema, [[float(at) for at in range(1000)]], times=[START_NS + 2])
    writer.rows(schema, [[float(-at) for at in range(1000)]], times=[START_NS + 1])
    assert read(run).series("m7").value.tolist() == [-7.0, 7.0]


def test_sparse_numbers_are_series_like_any_other(run: Path, writer: StreamWriter) -> None:
    """Keys in sets that don't recur come back under their names."""
    writer.name_series([0, 1], [LOSS, Series("train", "expert", "load")])
    writer.sparse(0, [0, 1], [0.5, 3.0])
    writer.sparse(1, [1], [4.0])
    found = read(run)
    assert found.series("load").value.tolist() == [3.0, 4.0]
    assert found.series("load").step.tolist() == [0, 1]
    assert [event.value for event in found.events(key="load")] == [3.0, 4.0]
    assert len(found) == 3


def test_a_number_recorded_as_an_event_belongs_to_its_series(run: Path, writer: StreamWriter) -> None:
    """Rows, and single numbers of the same name, are one line on the chart."""
    schema = writer.schema(LOSS)
    writer.rows(schema, [(1.0,)])
    writer.event("loss", 0.25, step=1)
    assert read(run).series("loss").value.tolist() == [1.0, 0.25]


def test_media_text_and_settings_come_back_as_they_were(run: Path, writer: StreamWriter) -> None:
    """Every kind, also one whose array travelled in parts."""
    pixels = np.arange(3 * 40 * 50, dtype=np.uint8).reshape(3, 40, 50)
    counts = Histogram(np.array([1, 2, 3]), 0.0, 1.0, 6, 0.5, 0.1)
    writer.event("recon", Image(pixels, "a cat"), step=3, namespace="vae")
    writer.event("big", Image(pixels), parts=3)
    writer.event("weights", counts)
    writer.event("note", "hello")
    writer.event("long", Text("x" * 100_000))
    writer.event("config", {"lr": 0.1, "net": {"width": 8}})
    writer.event("config", {"lr": 0.2})
    found = read(run)
    values = [event.value for event in found.events()]
    assert values[:4] == [Image(pixels, "a cat"), Image(pixels), counts, "hello"]
    assert dict(found.config) == {"lr": 0.2, "net": {"width": 8}}
    (event,) = found.events(kind="image", key="recon")
    assert (event.step, event.namespace, event.phase) == (3, "vae", "train")
    assert [event.value for event in found.events(key="vae/recon")] == [Image(pixels, "a cat")]


def test_keys_list_everything_with_counts(run: Path, writer: StreamWriter) -> None:
    """Numbers first, then by kind and name."""
    writer.rows(writer.schema(LOSS), [(1.0,), (2.0,)])
    writer.rows(writer.schema(VALID, number=2), [(1.5,)])
    writer.event("note", "hello")
    assert read(run).keys() == [
        Entry("scalar", "train", "", "loss", 2),
        Entry("scalar", "valid", "", "loss", 1),
        Entry("string", "train", "", "note", 1),
    ]


def test_an_ambiguous_name_lists_what_matches_and_a_phase_decides(run: Path, writer: StreamWriter) -> None:
    """Nobody gets the validation's loss for the training's by chance."""
    writer.rows(writer.schema(LOSS), [(1.0,)])
    writer.rows(writer.schema(VALID, number=2), [(1.5,)])
    found = read(run)
    with pytest.raises(AmbiguousSeries, match=r"loss \(train\); loss \(valid\)"):
        found.series("loss")
    assert found.series("loss", phase="valid").value.tolist() == [1.5]


def test_an_unknown_name_is_answered_with_near_ones(run: Path, writer: StreamWriter) -> None:
    """A typing error costs one look."""
    writer.rows(writer.schema(LOSS, Series("train", "critic", "value_loss")), [(1.0, 2.0)])
    with pytest.raises(SeriesNotFound, match=r"near it: .*critic/value_loss"):
        read(run).series("valueloss")
    assert read(run).series("critic/value_loss").value.tolist() == [2.0]


def test_a_frame_that_came_twice_counts_once(run: Path, writer: StreamWriter) -> None:
    """A new recorder writes again what it can't know to be on disk."""
    frame = writer.rows(writer.schema(LOSS), [(1.0,)])
    writer.rotate()
    writer.write(frame)
    writer.rows(writer.schemas[1], [(2.0,)])
    found = read(run)
    assert found.series("loss").value.tolist() == [1.0, 2.0]
    assert found.writers[0].repeats == 1
    assert found.missing == 0


def test_compressed_rows_and_events_read_the_same(run: Path) -> None:
    """Compression shows in the size, not in what comes back."""
    writer = StreamWriter(run, zstd=True)
    writer.rows(writer.schema(LOSS), [(float(at % 3),) for at in range(500)])
    writer.event("recon", Image(np.zeros((3, 64, 64), np.uint8)))
    writer.footer()
    found = read(run)
    assert found.size_bytes < 5000
    assert found.series("loss").value.tolist() == [float(at % 3) for at in range(500)]
    assert next(found.events(kind="image")).value == Image(np.zeros((3, 64, 64), np.uint8))


def test_a_run_knows_its_name_host_and_size(run: Path, writer: StreamWriter) -> None:
    """What run.json says, and what the files weigh."""
    writer.footer()
    found = read(run)
    assert (found.name, found.info.id, found.info.host, found.info.created_ns) == ("digits", "abc123", "here", START_NS)
    assert found.size_bytes == writer.path.stat().st_size
    assert repr(found) == "<Run 'digits': finished, 0 events, 0 series, 1 writers>"


def test_a_run_without_streams_is_empty_and_without_facts_has_its_directorys_name(tmp_path: Path) -> None:
    """Nothing recorded yet is no error, and broken run.json costs only what it says."""
    bare = make_run(tmp_path / "early")
    assert read(bare).status == "empty"
    (bare / "run.json").write_text("{ not json")
    assert read(bare).name == "early"


@pytest.mark.parametrize("place", ["nowhere", "file"])
def test_a_path_without_a_run_says_so(tmp_path: Path, place: str) -> None:
    """A missing directory and a file in its place are told apart from a run."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RunNotFound, match=place):
        read(tmp_path / place)


def test_a_directory_of_runs_names_them(tmp_path: Path) -> None:
    """The usual mistake is one level too high."""
    make_run(tmp_path / "monday")
    with pytest.raises(RunNotFound, match="monday"):
        read(tmp_path)

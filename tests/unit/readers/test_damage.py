"""What damage costs, and what it doesn't: the frame that was hit, and nothing else."""

import asyncio
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.errors import RunUnwritable
from asynclog.readers import read, repair, verify
from asynclog.readers.directory import streams
from asynclog.readers.index import Span
from asynclog.readers.tail import Tail
from asynclog.sink import BaseSink
from asynclog.state import State
from asynclog.values import Audio, Histogram, Image, Value
from asynclog.wire.batch import Batch
from asynclog.wire.frame import Frame, pack_meta
from asynclog.wire.layout import Kind
from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, flip

LOSS = Series("train", "", "loss")


@pytest.fixture
def three(writer: StreamWriter) -> StreamWriter:
    """Three frames of one row each, and a footer."""
    schema = writer.schema(LOSS)
    for step in range(3):
        writer.rows(schema, [(float(step),)], first_step=step)
    writer.footer()
    return writer


def test_a_whole_run_verifies_as_sound(run: Path, three: StreamWriter) -> None:
    """Frames and events are counted, nothing is missing."""
    report = verify(run)
    assert report.sound
    assert (report.frames, report.events, report.missing, report.damage) == (6, 3, 0, ())


def test_a_flipped_bit_in_a_body_costs_its_frame_and_is_told(run: Path, three: StreamWriter) -> None:
    """Where, how long, why, and which seq."""
    path, at, length, frame = three.frames[3]
    flip(path, at + 100)
    found = read(run)
    assert found.series("loss").value.tolist() == [0.0, 2.0]
    (damage,) = found.damage
    assert (damage.at, damage.length, damage.reason, damage.seq) == (at, length, "body", frame.seq)
    assert found.missing == 1
    assert not verify(run).sound


def test_a_flipped_bit_in_a_schema_costs_names_not_numbers(run: Path, writer: StreamWriter) -> None:
    """Another segment's definition serves; without one the columns have made-up names."""
    schema = writer.schema(LOSS)
    writer.rows(schema, [(1.0,)])
    path, at, _, _ = writer.frames[1]
    flip(path, at + 80)
    assert read(run).series("unnamed 1:0").value.tolist() == [1.0]
    writer.rotate()
    writer.rows(schema, [(2.0,)])
    assert read(run).series("loss").value.tolist() == [1.0, 2.0]


def test_the_cut_tail_of_the_newest_segment_is_no_damage(run: Path, writer: StreamWriter) -> None:
    """What was being written when both processes died had not been finished."""
    writer.rows(writer.schema(LOSS), [(1.0,)])
    with writer.path.open("ab") as file:
        file.write(b"\xc9\0\0")
    found = read(run)
    assert found.damage == []
    assert found.status == "lost"
    report = verify(run)
    assert report.sound
    assert report.streams[0].torn_bytes == 3


def test_a_cut_tail_of_an_older_segment_is_told_and_sound_if_it_came_again(run: Path, writer: StreamWriter) -> None:
    """A recorder died while it wrote; the next one wrote the same record again."""
    schema = writer.schema(LOSS)
    frame = writer.rows(schema, [(1.0,)])
    path, at, length, _ = writer.frames[-1]
    os.truncate(path, at + length - 64)
    writer.open_segment()
    writer.write(frame)
    writer.footer()
    found = read(run)
    assert [one.reason for one in found.damage] == ["truncated"]
    assert found.series("loss").value.tolist() == [1.0]
    assert verify(run).sound


def test_what_is_missing_at_the_end_shows_by_the_footer(run: Path, writer: StreamWriter) -> None:
    """The footer carries the seq that would come next."""
    writer.rows(writer.schema(LOSS), [(1.0,)])
    writer.seq += 2
    writer.footer()
    report = verify(run)
    assert report.streams[0].missing == (Span(1, 2),)
    assert not report.sound


def test_a_gap_explains_what_is_missing(run: Path, writer: StreamWriter) -> None:
    """The journal lost something and said so: missing, and sound."""
    schema = writer.schema(LOSS)
    writer.rows(schema, [(1.0,)])
    writer.gap(1, 3)
    writer.rows(schema, [(2.0,)])
    writer.footer()
    report = verify(run)
    assert (report.missing, report.unexplained, report.sound) == (3, 0, True)
    assert read(run).gaps[0]["reason"] == "disk full"


def test_a_first_segment_that_is_gone_is_missing(run: Path, writer: StreamWriter) -> None:
    """Whoever deleted it: what is left is read, and called what it is. A copy made by repair says it once and for all."""
    schema = writer.schema(LOSS)
    writer.rows(schema, [(1.0,)])
    first = writer.path
    writer.rotate()
    writer.rows(schema, [(2.0,)])
    writer.footer()
    first.unlink()
    assert not verify(run).sound
    assert read(run).missing == 1
    assert read(run).series("loss").value.tolist() == [2.0]


def test_segments_whose_contents_were_exchanged_are_damage(run: Path, writer: StreamWriter) -> None:
    """Each says which one it is."""
    schema = writer.schema(LOSS)
    writer.rows(schema, [(1.0,)])
    first = writer.path
    writer.rotate()
    writer.rows(schema, [(2.0,)])
    writer.footer()
    one, other = first.read_bytes(), writer.path.read_bytes()
    first.write_bytes(other)
    writer.path.write_bytes(one)
    assert not verify(run).sound
    assert any("segment 1" in str(damaged) for damaged in read(run).damage)


def test_an_event_whose_part_was_lost_is_told_and_left_out(run: Path, writer: StreamWriter) -> None:
    """An array without one of its parts is no array."""
    writer.event("big", Image(np.ones((3, 32, 32), np.uint8)), parts=2)
    writer.event("note", "hello")
    writer.footer()
    path, at, _, _ = writer.frames[1]
    flip(path, at + 70)
    assert [event.key for event in read(run).events()] == ["note"]
    assert any("part is missing" in str(one) for one in verify(run).damage)


@pytest.mark.parametrize(
    "meta",
    [
        {"kind": "image"},
        {"kind": "image", "phase": "train", "namespace": "", "key": "x", "step": "one"},
        {"kind": "image", "phase": "train", "namespace": "", "key": "x", "step": 1, "arrays": [["data", "O", [2]]]},
        {
            "kind": "image",
            "phase": "train",
            "namespace": "",
            "key": "x",
            "step": 1,
            "arrays": [["data", "<f8", [2**62]]],
        },
        {"kind": "image", "phase": "train", "namespace": "", "key": "x", "step": 1, "arrays": [["data", "<f8", [-1]]]},
        {"kind": "image", "phase": "train", "namespace": "", "key": "x", "step": 1, "arrays": 7},
        {"kind": "image", "phase": "train", "namespace": "", "key": "x", "step": 1, "parts": [2**70 - 2**70, "x"]},
        {"kind": "scalar", "phase": "train", "namespace": "", "key": "x", "step": 1, "params": {"value": "three"}},
        {"kind": "scalar", "phase": "train", "namespace": "", "key": "x", "step": 1, "params": []},
    ],
)
def test_a_well_formed_frame_with_senseless_content_harms_nobody(run: Path, writer: StreamWriter, meta: dict) -> None:
    """A checksum doesn't make a friend: no object is built, no memory taken, the next frame is read."""
    writer.write(Frame(Kind.EVENT, seq=writer.seq, time=writer.time, meta_bytes=pack_meta(meta), payload=bytes(64)))
    writer.event("note", "hello")
    writer.footer()
    found = read(run)
    assert [event.value for event in found.events(key="note")] == ["hello"]
    list(found.events())
    for series in found.all_series():
        assert len(series) == 0
    verify(run)


@pytest.mark.parametrize(
    "forged",
    [{"phase": "nonsense"}, {"level": "nonsense"}, {"epoch": 2**64 - 1}, {"axes": {"samples": "many"}}, {"elapsed": "long"}],
    ids=lambda forged: next(iter(forged)),
)
def test_a_state_that_can_not_be_costs_its_own_event_alone(run: Path, writer: StreamWriter, forged: dict[str, Any]) -> None:
    """Neither a reader nor a follower's sink is stopped by it, and what stands beside it is delivered."""
    writer.event("note", "before")
    meta = {"kind": "string", "phase": "train", "namespace": "", "key": "note", "step": 0, "params": {"text": "forged"}}
    writer.write(Frame(Kind.EVENT, seq=writer.seq, time=writer.time, count=1, meta_bytes=pack_meta(meta | forged)))
    writer.event("note", "behind")
    writer.footer()
    assert [event.value for event in read(run).events()] == ["before", "behind"]
    assert len(verify(run).damage) == 1
    assert written_by_a_base_sink(run) == ["before", "behind"]


@pytest.mark.parametrize(
    "forged",
    [
        Histogram(np.arange(3), "low", 1.0, 6, 0.5, 0.1),  # type: ignore[arg-type]
        Audio(np.zeros((1, 5)), "fast"),  # type: ignore[arg-type]
        Audio("silence", 44100),  # type: ignore[arg-type]
        Image(np.zeros((2, 2)), 7),  # type: ignore[arg-type]
    ],
    ids=["histogram", "rate", "data", "caption"],
)
def test_a_value_with_fields_of_other_types_is_damage(run: Path, writer: StreamWriter, forged: Value) -> None:
    """Whoever shows it need not look at each before."""
    writer.event("note", "before")
    writer.event("forged", forged)
    writer.footer()
    assert [event.key for event in read(run).events()] == ["note"]
    assert len(verify(run).damage) == 1


@pytest.mark.parametrize("level", ["batch", "nonsense"])
def test_rows_of_a_state_that_can_not_be_keep_their_numbers(run: Path, writer: StreamWriter, level: str) -> None:
    """Series of a phase that isn't one have made-up names; an endless elapsed time and an unknown level are left out."""
    forged = Series("nonsense", "", "loss")
    writer.rows(writer.schema(LOSS, elapsed=True), [(1.0,)], prefix=(float("inf"),))
    writer.rows(writer.schema(forged, number=2), [(2.0,)])
    schema = writer.schema(LOSS, number=3)
    payload = schema.struct.pack(0, 3.0, writer.time + 1)
    meta = pack_meta({"level": level})
    writer.write(Frame(Kind.ROWS, seq=writer.seq, time=writer.time + 1, schema=3, count=1, meta_bytes=meta, payload=payload))
    writer.footer()
    found = read(run)
    assert found.series("loss").value.tolist() == [1.0, 3.0]
    assert found.series("unnamed 2:0").value.tolist() == [2.0]
    assert [event.state.elapsed_s for event in found.events()] == [None] * 3
    assert written_by_a_base_sink(run) == ([1.0, 3.0] if level == "batch" else [1.0])


def written_by_a_base_sink(run: Path) -> list[Any]:
    """What a sink that thinks in kinds is given of the whole stream."""
    seen: list[Any] = []

    class Seeing(BaseSink):
        def log_scalar(self, key: str, value: float, state: State, namespace: str) -> None:
            seen.append(value)

        def log_string(self, key: str, value: str, state: State, namespace: str) -> None:
            seen.append(value)

    name, files = next(iter(streams(run).items()))
    records = Tail(name).look(files, grows=False)
    asyncio.run(Seeing().write(Batch([one.part for one in records], writer="main", epoch=0, seq=0)))
    return seen


def test_links_and_pipes_in_place_of_segments_are_not_opened(run: Path, three: StreamWriter) -> None:
    """A pipe would hang the reader, a link could show it another's file."""
    os.mkfifo(three.directory / "0001-000000.alog")
    (three.directory / "0002-000000.alog").symlink_to("/dev/zero")
    assert len(read(run).writers) == 1


def test_repair_copies_every_readable_frame_byte_for_byte(run: Path, three: StreamWriter, tmp_path: Path) -> None:
    """The copy is sound, says what it lost, and the original is as it was."""
    path, at, length, _ = three.frames[3]
    flip(path, at + 100)
    before = path.read_bytes()
    done = repair(run, tmp_path / "copy")
    assert path.read_bytes() == before
    copied = (tmp_path / "copy" / "streams" / "main" / path.name).read_bytes()
    assert copied.startswith(before[:at] + before[at + length : three.frames[5][1]])
    assert done.lost == 1
    report = verify(tmp_path / "copy")
    assert (report.sound, report.missing, report.damage) == (True, 1, ())
    assert read(tmp_path / "copy").status == "finished"
    assert read(tmp_path / "copy").series("loss").value.tolist() == [0.0, 2.0]


def test_repair_ends_a_run_that_had_no_end_as_killed(run: Path, writer: StreamWriter, tmp_path: Path) -> None:
    """With the torn tail gone."""
    writer.rows(writer.schema(LOSS), [(1.0,)])
    with writer.path.open("ab") as file:
        file.write(bytes(100))
    repair(run, tmp_path / "copy")
    assert read(tmp_path / "copy").status == "killed"
    assert verify(tmp_path / "copy").streams[0].torn_bytes == 0


def test_repair_makes_a_lost_segment_head_anew_and_drops_halves_of_arrays(
    run: Path, writer: StreamWriter, tmp_path: Path
) -> None:
    """Whatever was hit, the copy is one that verifies."""
    writer.rows(writer.schema(LOSS), [(1.0,)])
    writer.event("big", Image(np.ones((3, 32, 32), np.uint8)), parts=2)
    writer.footer()
    flip(writer.path, 70)
    flip(writer.path, writer.frames[3][1] + 70)
    done = repair(run, tmp_path / "copy")
    assert done.lost == 2
    report = verify(tmp_path / "copy")
    assert (report.sound, report.damage) == (True, ())
    assert read(tmp_path / "copy").writers[0].writer == "main"


def test_repair_refuses_a_place_that_holds_something(run: Path, three: StreamWriter, tmp_path: Path) -> None:
    """Nothing is overwritten, least of all the run itself."""
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "precious").write_text("")
    for place in (tmp_path / "copy", run, run / "inside"):
        with pytest.raises(RunUnwritable):
            repair(run, place)

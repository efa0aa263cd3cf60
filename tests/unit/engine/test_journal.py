"""The journal on good days and on bad ones: everything that was added is there once, in order, or said to be lost."""

import errno
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asynclog.engine.files import Files
from asynclog.engine.journal import INDEX_EVERY_BYTES, MOST_OVERDUE, SYNC_BYTES, JournalStalled, JournalWriter
from asynclog.engine.rundir import segment_name, segments
from asynclog.engine.settings import EngineSettings, Journal
from asynclog.testing.files import FaultyFiles
from asynclog.wire.frame import Frame
from asynclog.wire.layout import Flag, Kind
from asynclog.wire.segment import Scanner
from tests.unit.engine.parts import (
    DEADLINE_S,
    LOSS,
    MANY,
    START_NS,
    Stream,
    journal_writer,
    numbered,
    rows,
    settings,
    sparse,
    text,
)


@pytest.fixture
def made(tmp_path: Path) -> EngineSettings:
    return settings(tmp_path)


def put(writer: JournalWriter, *frames: Frame) -> None:
    for frame in frames:
        assert writer.add(frame)


def again(writer: JournalWriter, tries: int = 20) -> int:
    """Commit until it goes well; how often it didn't."""
    for at in range(tries):
        try:
            writer.commit()
        except JournalStalled:
            continue
        return at
    raise AssertionError("never went well")


def end(writer: JournalWriter) -> None:
    writer.close("finished", None, START_NS)


# -- good days ------------------------------------------------------------------------------------------------------------


def test_a_segment_can_be_read_alone(made: EngineSettings) -> None:
    """It says what it is, defines before it uses, and ends with an index and a footer."""
    writer = journal_writer(made)
    writer.learn(numbered(7, 8))
    put(writer, rows(0, 0.5), rows(1, 1.5), sparse(2, 7, 2.5), sparse(3, 8, 3.5), text(4))
    writer.commit()
    end(writer)
    found = Stream(made.stream)
    assert found.kinds(0) == [
        "SEGMENT", "SCHEMA", "ROWS", "ROWS", "SCHEMA", "SPARSE", "SCHEMA", "SPARSE", "EVENT", "INDEX", "FOOTER",
    ]  # fmt: skip
    assert found.values == [0.5, 1.5, 2.5, 3.5, "words"]
    assert found.frames[0, 0][0].meta["writer"] == "main"
    assert found.statuses() == ["finished"]
    assert not found.damage
    assert found.missing == 0


def test_nothing_is_written_before_commit(made: EngineSettings) -> None:
    writer = journal_writer(made)
    put(writer, rows(0, 0.5))
    assert segments(made.stream or Path()) == []
    writer.commit()
    size = writer.bytes
    writer.commit()
    assert Stream(made.stream).values == [0.5]
    assert writer.bytes == size
    assert repr(writer) == f"<JournalWriter segment 0, {size} bytes, next seq 1>"


def test_a_full_segment_is_closed_and_the_next_defines_again(tmp_path: Path) -> None:
    made = settings(tmp_path, journal=Journal(segment_bytes=4096))
    writer = journal_writer(made)
    writer.learn(numbered(7))
    for seq in range(100):
        put(writer, sparse(seq, 7, float(seq)) if seq % 2 else rows(seq, float(seq)))
        writer.commit()
    end(writer)
    found = Stream(made.stream)
    assert found.values == [float(one) for one in range(100)]
    assert len(found.frames) > 2
    assert found.statuses() == ["open"] * (len(found.frames) - 1) + ["finished"]
    assert [one[0].meta["segment"] for one in found.frames.values()] == list(range(len(found.frames)))
    assert not found.damage


def test_segments_are_synced_when_they_are_closed(tmp_path: Path) -> None:
    """Whenever else they are not."""
    files = FaultyFiles()
    made = settings(tmp_path, journal=Journal(segment_bytes=4096, fsync="close"))
    writer = journal_writer(made, files)
    for seq in range(100):
        put(writer, rows(seq, float(seq)))
        writer.commit()
    assert files.calls["sync"] == writer.number > 1
    end(writer)
    assert files.calls["sync"] == writer.number + 1
    assert files.open_descriptors == set()


def test_the_index_finds_frames(tmp_path: Path) -> None:
    """(offset, seq, time) of a frame every 256 KiB; the first is always there."""
    made = settings(tmp_path)
    writer = journal_writer(made)
    big = np.zeros(100_000 // 8).tolist()
    for seq in range(12):
        put(writer, rows(seq, *big))
        writer.commit()
    end(writer)
    found = Stream(made.stream)
    index = found.frames[0, 0][-2]
    entries = np.frombuffer(index.payload, [("offset", "<u8"), ("seq", "<u8"), ("time", "<i8")])
    assert len(entries) == index.count > 3
    data = (made.stream or Path()).joinpath(segment_name(0, 0)).read_bytes()
    by_seq = {one.seq: one for one in found.frames[0, 0] if one.kind == Kind.ROWS}
    for offset, seq, time in entries.tolist():
        assert data[offset : offset + 64] == by_seq[seq].head
        assert time == by_seq[seq].time
    assert (np.diff(entries["offset"].astype(int)) >= INDEX_EVERY_BYTES).all()


def test_gaps_and_heartbeats_are_written_as_they_come(made: EngineSettings) -> None:
    writer = journal_writer(made)
    put(writer, rows(0, 0.5))
    writer.gap("two recorders died", 1, 3, 4)
    writer.heartbeat()
    put(writer, rows(4, 4.5))
    writer.commit()
    found = Stream(made.stream)
    assert found.kinds(0)[-3:] == ["GAP", "HEARTBEAT", "ROWS"]
    assert found.gaps == [{"reason": "two recorders died", "from_seq": 1, "to_seq": 3, "events": 4}]


def test_a_frame_is_taken_once(made: EngineSettings) -> None:
    writer = journal_writer(made)
    put(writer, rows(0, 0.5), rows(1, 1.5))
    assert not writer.add(rows(1, 1.5))
    assert not writer.add(rows(0, 0.5))
    writer.commit()
    assert Stream(made.stream).values == [0.5, 1.5]


def test_a_failed_run_says_why(made: EngineSettings) -> None:
    writer = journal_writer(made)
    writer.close("failed", "Traceback: no more food", START_NS + 5)
    footer = Stream(made.stream).frames[0, 0][-1]
    assert footer.meta == {"status": "failed", "error": "Traceback: no more food", "events": 0}
    assert footer.time == START_NS + 5


def test_a_footer_counts_the_epoch_s_events(made: EngineSettings) -> None:
    """Those of an earlier recorder, too: whoever glances at the end needn't read the rest."""
    first = journal_writer(made)
    put(first, rows(0, 0.5, 1.5))
    first.commit()
    second = journal_writer(made)
    assert second.events == 2
    second.events += 3
    put(second, rows(1, 0.5, 1.5, 2.5))
    end(second)
    assert Stream(made.stream).frames[0, 1][-1].meta == {"status": "finished", "events": 5}


def test_nothing_is_written_behind_the_end(made: EngineSettings) -> None:
    """The engine lives on while sinks finish, and its heart beats."""
    writer = journal_writer(made)
    put(writer, rows(0, 0.5))
    end(writer)
    before = Stream(made.stream).kinds(0)
    writer.heartbeat()
    writer.commit()
    writer.sync()
    assert Stream(made.stream).kinds(0) == before


def test_compressed_frames_are_read_back(tmp_path: Path) -> None:
    made = settings(tmp_path, journal=Journal(compress="zstd"))
    writer = journal_writer(made)
    writer.learn(numbered(7))
    put(writer, rows(0, *[0.5] * 1000), sparse(1, 7, 1.5), text(2, "x" * 1000))
    writer.commit()
    end(writer)
    found = Stream(made.stream)
    assert found.values == [0.5] * 1000 + [1.5, "x" * 1000]
    assert found.frames[0, 0][2].flags & Flag.ZSTD


# -- resuming -------------------------------------------------------------------------------------------------------------


def test_the_empty_segment_of_a_claim_is_filled(made: EngineSettings) -> None:
    (made.stream or Path()).joinpath(segment_name(0, 0)).touch()
    writer = journal_writer(made)
    assert (writer.next_seq, writer.number, writer.events) == (0, 0, 0)


def test_a_successor_goes_on_in_the_next_segment(made: EngineSettings) -> None:
    """Nothing is appended to a predecessor's segment, which may be torn; what is valid there is skipped."""
    first = journal_writer(made)
    put(first, rows(0, 0.5), rows(1, 1.5, 2.5))
    first.commit()
    path = (made.stream or Path()) / segment_name(0, 0)
    put(first, rows(2, 3.5))
    first.commit()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    second = journal_writer(made)
    assert (second.next_seq, second.number, second.events) == (2, 1, 3)
    assert not second.add(rows(1, 1.5, 2.5))
    put(second, rows(2, 3.5), rows(3, 4.5))
    second.commit()
    end(second)
    assert path.read_bytes() == whole[:-1]
    found = Stream(made.stream)
    assert found.values == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert found.statuses() == [None, "finished"]
    assert found.repeats == found.missing == 0


def test_a_successor_of_a_successor_looks_at_all_segments(made: EngineSettings) -> None:
    for seq in range(3):
        writer = journal_writer(made)
        assert (writer.next_seq, writer.number) == (seq, seq)
        put(writer, rows(seq, float(seq)))
        writer.commit()
    assert Stream(made.stream).values == [0, 1, 2]


def test_other_epochs_are_none_of_a_successor_s_business(tmp_path: Path) -> None:
    old = settings(tmp_path)
    writer = journal_writer(old)
    put(writer, rows(0, 0.5), rows(1, 1.5))
    writer.commit()
    end(writer)
    new = journal_writer(settings(tmp_path, epoch=1))
    assert (new.next_seq, new.number) == (0, 0)
    put(new, rows(0, 7.5))
    new.commit()
    assert Stream(old.stream).values == [0.5, 1.5, 7.5]


def test_what_can_not_be_decoded_counts_as_written(made: EngineSettings) -> None:
    first = journal_writer(made)
    put(first, rows(0, 0.5), text(1, parts=[99]))
    first.commit()
    assert journal_writer(made).next_seq == 2


# -- a full disk ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [1, 63, 100])
def test_short_writes_lose_nothing(made: EngineSettings, longest: int) -> None:
    """They are gone on with where they stopped."""
    files = FaultyFiles(longest_write=longest)
    writer = journal_writer(made, files)
    put(writer, rows(0, *range(100)), text(1), rows(2, 0.5))
    writer.commit()
    end(writer)
    found = Stream(made.stream)
    assert found.values == [*range(100), "words", 0.5]
    assert not found.damage
    assert files.calls["writev"] > 10


def test_many_buffers_are_written_in_several_calls(made: EngineSettings) -> None:
    """The system takes 1,024 at a time."""
    writer = journal_writer(made)
    put(writer, *(rows(seq, float(seq)) for seq in range(1500)))
    writer.commit()
    assert Stream(made.stream).values == list(range(1500))


@pytest.mark.parametrize("room", range(0, 2100, 60))
def test_a_full_disk_stalls_and_loses_nothing(made: EngineSettings, room: int) -> None:
    """Wherever it becomes full, what was committed stands and the rest is written once there is room."""
    files = FaultyFiles(room=room)
    writer = journal_writer(made, files)
    writer.learn(numbered(7, 8))
    path = (made.stream or Path()) / segment_name(0, 0)
    stalls: list[str] = []
    frames = [rows(0, 0.5), sparse(1, 7, 1.5), rows(2, 2.5, schema=MANY), sparse(3, 8, 3.5), text(4)]
    for frame in frames:
        put(writer, frame)
        before = path.read_bytes() if path.exists() else b""
        try:
            writer.commit()
        except JournalStalled as error:
            stalls.append(str(error))
            assert path.read_bytes() == before, "truncated back"
            files.free(800)
    assert all("No space left on device" in one for one in stalls)
    files.free(100_000)
    again(writer)
    end(writer)
    found = Stream(made.stream)
    assert found.values == [0.5, 1.5, *[2.5] * 10, 3.5, "words"]
    assert not found.damage
    assert found.repeats == found.missing == 0


def test_a_second_try_writes_the_same_bytes(made: EngineSettings) -> None:
    """Somebody may have read the beginning of the first before it was truncated."""
    files = FaultyFiles()
    writer = journal_writer(made, files)
    writer.learn(numbered(7, 8))
    put(writer, sparse(0, 7, 0.5))
    writer.commit()
    path = (made.stream or Path()) / segment_name(0, 0)
    start = path.stat().st_size
    put(writer, sparse(1, 7, 1.5), sparse(2, 8, 2.5), rows(3, 3.5))
    files.room = 500
    seen: list[bytes] = []
    files.truncate = lambda fd, length: (seen.append(path.read_bytes()), Files.truncate(files, fd, length))[1]  # type: ignore[method-assign]
    with pytest.raises(JournalStalled):
        writer.commit()
    files.room = None
    writer.commit()
    (torn,) = seen
    assert len(torn) == start + 500
    assert path.read_bytes()[: len(torn)] == torn


def test_a_file_that_can_not_be_made_is_a_stall(tmp_path: Path) -> None:
    """No inode left for the next segment: not an end of the engine."""
    files = FaultyFiles()
    made = settings(tmp_path, journal=Journal(segment_bytes=4096))
    writer = journal_writer(made, files)
    files.fail("create", at=1, error=errno.ENOSPC)
    files.fail("create", at=3, times=2, error=errno.EMFILE)
    stalls = 0
    for seq in range(40):
        put(writer, rows(seq, float(seq)))
        stalls += again(writer)
    end(writer)
    assert stalls == 3
    found = Stream(made.stream)
    assert found.values == list(range(40))
    assert not found.damage


def test_an_end_that_can_not_be_written_is_tried_again(made: EngineSettings) -> None:
    files = FaultyFiles()
    writer = journal_writer(made, files)
    put(writer, rows(0, 0.5))
    writer.commit()
    files.room = 100
    with pytest.raises(JournalStalled):
        end(writer)
    assert not writer.closed
    files.room = None
    end(writer)
    assert writer.closed
    assert Stream(made.stream).statuses() == ["finished"]


def test_a_rotation_that_can_not_be_written_is_tried_again(tmp_path: Path) -> None:
    """The frames of that commit are in; only the end of their segment is not."""
    files = FaultyFiles()
    made = settings(tmp_path, journal=Journal(segment_bytes=4096))
    writer = journal_writer(made, files)
    put(writer, rows(0, *range(600)))
    files.fail("writev", at=2, error=errno.ENOSPC)
    with pytest.raises(JournalStalled):
        writer.commit()
    put(writer, rows(1, 1.5))
    writer.commit()
    end(writer)
    found = Stream(made.stream)
    assert found.values == [*range(600), 1.5]
    assert found.statuses() == ["open", "finished"]
    assert found.repeats == 0


def test_a_torn_end_that_can_not_be_truncated_is_left_behind(made: EngineSettings) -> None:
    """Nothing is appended to it: the next segment goes on, and what held is there once more."""
    files = FaultyFiles()
    writer = journal_writer(made, files)
    put(writer, rows(0, 0.5))
    writer.commit()
    put(writer, rows(1, 1.5), rows(2, *range(100)))
    files.room = 300
    files.fail("truncate")
    with pytest.raises(JournalStalled):
        writer.commit()
    files.room = None
    writer.commit()
    end(writer)
    found = Stream(made.stream)
    assert found.values == [0.5, 1.5, *range(100)]
    assert [one.reason for one in found.damage] == ["truncated"]
    assert found.missing == 0
    assert len(found.frames) == 2


# -- a failing disk -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [None, "zstd"])
def test_a_failed_fsync_condemns_the_segment_and_what_holds_is_rescued(tmp_path: Path, compress: Any) -> None:
    """The dirty pages that the kernel gave up are found by their checksums, and named in a GAP."""
    files = FaultyFiles()
    made = settings(tmp_path, journal=Journal(fsync="close", compress=compress))
    writer = journal_writer(made, files)
    writer.learn(numbered(7))
    put(writer, rows(0, 0.5))
    writer.commit()
    writer.sync()
    lost = [rows(1, *[1.5] * 100), rows(2, *[2.5] * 100)]
    kept = [rows(3, *[3.5] * 100), rows(4, *[4.5] * 77, schema=MANY), sparse(5, 7, 5.5), text(6, "x" * 500)]
    put(writer, *lost)
    writer.commit()
    path = (made.stream or Path()) / segment_name(0, 0)
    put(writer, *kept)
    writer.commit()
    files.fail("sync", losing=_bytes_of(path, 1, 2))
    with pytest.raises(JournalStalled, match="the disk refused to sync: Input/output error"):
        writer.sync()
    put(writer, rows(7, 7.5))
    writer.commit()
    end(writer)
    found = Stream(made.stream)
    assert sorted(map(str, found.values)) == sorted(map(str, [0.5, *[3.5] * 100, *[4.5] * 770, 5.5, "x" * 500, 7.5]))
    (gap,) = found.gaps
    assert (gap["from_seq"], gap["to_seq"]) == (1, 2)
    assert "Input/output error" in gap["reason"]
    assert found.missing == 2
    assert found.statuses() == [None, "finished"]
    seqs = [one.seq for one in found.frames[0, 1] if one.kind in (Kind.ROWS, Kind.SPARSE, Kind.EVENT)]
    assert seqs == [3, 4, 5, 6, 7], "what was synced before is not written twice"


def _bytes_of(path: Path, first: int, last: int) -> int:
    """Bytes from the end of what was synced (behind seq 0) to the end of seq ``last``."""
    ends: dict[int, int] = {}
    at = 0
    for one in Scanner().scan(path.read_bytes(), final=True):
        assert isinstance(one, Frame)
        at += one.length
        if one.kind in (Kind.ROWS, Kind.SPARSE, Kind.EVENT):
            ends[one.seq] = at
    return ends[last] - ends[first - 1]


def test_a_failed_fsync_that_lost_nothing_leaves_no_gap(made: EngineSettings) -> None:
    files = FaultyFiles()
    writer = journal_writer(made, files)
    put(writer, rows(0, 0.5), rows(1, 1.5))
    writer.commit()
    files.fail("sync")
    with pytest.raises(JournalStalled):
        writer.sync()
    writer.commit()
    end(writer)
    found = Stream(made.stream)
    assert found.values == [0.5, 1.5]
    assert found.repeats == 2, "both segments hold them"
    assert found.gaps == []
    assert files.open_descriptors == set()


def test_a_disk_that_can_not_be_read_either_loses_what_was_not_synced(made: EngineSettings) -> None:
    """Every seq of it is named: no reader has to guess."""
    files = FaultyFiles()
    writer = journal_writer(made, files)
    put(writer, rows(0, 0.5))
    writer.commit()
    writer.sync()
    put(writer, rows(1, 1.5), rows(2, 2.5), rows(3, 3.5))
    writer.commit()
    files.fail("sync", losing=1 << 20)
    files.fail("pread")
    with pytest.raises(JournalStalled):
        writer.sync()
    again(writer)
    end(writer)
    found = Stream(made.stream)
    assert found.values == [0.5]
    assert [(one["from_seq"], one["to_seq"], one["events"]) for one in found.gaps] == [(1, 3, 3)]


def test_a_failed_fsync_at_the_end_is_made_good(made: EngineSettings) -> None:
    files = FaultyFiles()
    writer = journal_writer(made, files)
    put(writer, rows(0, 0.5))
    writer.commit()
    files.fail("sync", times=2)
    for _ in range(2):
        with pytest.raises(JournalStalled):
            end(writer)
    end(writer)
    found = Stream(made.stream)
    assert found.values == [0.5]
    assert found.statuses() == ["finished", "finished", "finished"]


def test_every_commit_is_synced_if_asked_for(tmp_path: Path) -> None:
    files = FaultyFiles()
    made = settings(tmp_path, journal=Journal(fsync="always"))
    writer = journal_writer(made, files)
    for seq in range(3):
        put(writer, rows(seq, 0.5))
        writer.commit()
    assert files.calls["sync"] == 3
    files.fail("sync")
    put(writer, rows(3, 3.5))
    with pytest.raises(JournalStalled):
        writer.commit()
    writer.commit()
    found = Stream(made.stream)
    assert found.values == [0.5, 0.5, 0.5, 3.5]
    assert found.missing == 0


class SlowSync(FaultyFiles):
    """An fsync that takes until it may end."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.may_end = threading.Event(), threading.Event()
        self.ended = threading.Condition()
        self.finished = 0

    def sync(self, fd: int) -> None:
        self.began.set()
        assert self.may_end.wait(DEADLINE_S)
        try:
            super().sync(fd)
        finally:
            with self.ended:
                self.finished += 1
                self.ended.notify_all()

    def wait(self, count: int) -> None:
        with self.ended:
            assert self.ended.wait_for(lambda: self.finished == count, DEADLINE_S)


def test_appending_goes_on_during_an_interval_s_fsync(tmp_path: Path) -> None:
    """It takes place in the background; what came meanwhile is left to the next."""
    files = SlowSync()
    made = settings(tmp_path, journal=Journal(fsync="interval"))
    writer = journal_writer(made, files, sync_every=0)
    put(writer, rows(0, 0.5))
    writer.commit()
    assert files.began.wait(DEADLINE_S)
    put(writer, rows(1, 1.5))
    writer.commit()
    assert Stream(made.stream).values == [0.5, 1.5]
    files.may_end.set()
    files.wait(2)
    end(writer)
    assert files.calls["sync"] == 3


def test_a_failed_fsync_in_the_background_condemns_at_the_next_commit(tmp_path: Path) -> None:
    files = SlowSync()
    files.may_end.set()
    made = settings(tmp_path, journal=Journal(fsync="interval"))
    writer = journal_writer(made, files, sync_every=0)
    files.fail("sync")
    put(writer, rows(0, 0.5))
    writer.commit()
    files.wait(1)
    with writer._sync_lock:
        pass  # the thread has noted its error before it let go
    put(writer, rows(1, 1.5))
    writer.commit()
    files.wait(2)
    end(writer)
    found = Stream(made.stream)
    assert found.values == [0.5, 1.5]
    assert found.statuses() == [None, "finished"]


def test_an_interval_that_is_not_over_syncs_nothing(tmp_path: Path) -> None:
    files = FaultyFiles()
    writer = journal_writer(settings(tmp_path, journal=Journal(fsync="interval")), files)
    put(writer, rows(0, 0.5))
    writer.commit()
    assert files.calls["sync"] == 0


def test_of_much_at_once_the_disk_is_told_before_the_interval_is_over(tmp_path: Path) -> None:
    files = SlowSync()
    files.may_end.set()
    writer = journal_writer(settings(tmp_path, journal=Journal(fsync="interval")), files)
    for seq in range(3):
        put(writer, Frame(Kind.BLOB, seq=seq, time=START_NS + seq, payload=bytes(SYNC_BYTES // 2)))
        writer.commit()
    files.wait(1)
    end(writer)


def test_a_segment_goes_on_while_the_disk_is_busy_with_it_and_not_for_ever(tmp_path: Path) -> None:
    """Its end is an fsync, which would have to be waited for."""
    files = SlowSync()
    journal = Journal(fsync="interval", segment_bytes=1 << 16)
    made = settings(tmp_path, journal=journal)
    writer = journal_writer(made, files, sync_every=0)
    for seq in range(MOST_OVERDUE + 1):
        if seq == MOST_OVERDUE:
            assert len(segments(made.stream)) == 1
            files.may_end.set()
        put(writer, Frame(Kind.BLOB, seq=seq, time=START_NS + seq, payload=bytes(journal.segment_bytes - (1 << 10))))
        writer.commit()
    put(writer, rows(MOST_OVERDUE + 1, 0.5))
    writer.commit()
    assert len(segments(made.stream)) == 2
    end(writer)


def test_a_background_fsync_of_a_segment_that_was_closed_meanwhile_does_nothing(tmp_path: Path) -> None:
    """Its descriptor may be another file's by then."""
    files = SlowSync()
    made = settings(tmp_path, journal=Journal(fsync="interval"))
    writer = journal_writer(made, files, sync_every=0)
    with writer._sync_lock:
        put(writer, rows(0, 0.5))
        writer.commit()
        files.may_end.set()
        fd, writer._fd = writer._fd, -1
    threads = [one for one in threading.enumerate() if one.name == "asynclog-fsync"]
    for one in threads:
        one.join(DEADLINE_S)
    assert files.calls["sync"] == 0
    writer._fd = fd
    end(writer)


@pytest.mark.parametrize("call", ["create", "writev", "pread", "truncate", "sync"])
@pytest.mark.parametrize("at", range(1, 8))
def test_whichever_call_fails_nothing_that_was_accepted_is_missing(tmp_path: Path, call: Any, at: int) -> None:
    """A single error, anywhere: it stalls at most, and all is there in the end."""
    files = FaultyFiles()
    made = settings(tmp_path, journal=Journal(segment_bytes=4096, fsync="always"))
    writer = journal_writer(made, files)
    files.fail(call, at=at)
    for seq in range(12):
        put(writer, rows(seq, *[float(seq)] * 50))
        again(writer)
    for _ in range(3):
        if not writer.closed:
            try:
                end(writer)
            except JournalStalled:
                pass
    found = Stream(made.stream)
    assert list(found.values[::50]) == list(range(12))
    assert found.missing == 0
    assert files.open_descriptors == set()
    assert LOSS.number in {one.schema for one in found.frames[0, 0] if one.kind == Kind.SCHEMA}

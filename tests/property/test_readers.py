"""Whatever happens to a run's files, a reader loses at most what was hit, and never falls over."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynclog.readers import Run, read, repair, verify
from asynclog.readers.follow import Follower
from asynclog.readers.glance import glance
from asynclog.sink import Event
from asynclog.values import Image
from asynclog.wire.layout import NUMBERED
from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, flip, make_run

LOSS, SEEN, LOAD = Series("train", "", "loss"), Series("train", "", "seen", "q"), Series("valid", "expert", "load")


def record(directory: Path) -> StreamWriter:
    """Two segments with every kind of frame."""
    writer = StreamWriter(make_run(directory))
    schema = writer.schema(LOSS, SEEN)
    writer.name_series([7], [LOAD])
    for part in range(6):
        writer.rows(schema, [(part + 0.5, part), (part + 0.25, -part)], first_step=2 * part)
        writer.sparse(part, [7], [float(part)])
        writer.event("note", f"text {part}", step=part)
        if part == 2:
            writer.event("big", Image(np.full((3, 20, 20), 7, np.uint8)), parts=2)
            writer.rotate()
    writer.heartbeat(writer.time)
    writer.footer()
    return writer


@pytest.fixture(scope="module")
def original() -> Iterator[StreamWriter]:
    with TemporaryDirectory() as directory:
        yield record(Path(directory) / "run")


def copied(original: StreamWriter, directory: str) -> Path:
    return Path(shutil.copytree(original.run, Path(directory) / "run"))


def told(run: Run) -> list[tuple[object, ...]]:
    """All events, arrays by their bytes."""
    return [identity(event) for event in run.events()]


def identity(event: Event) -> tuple[object, ...]:
    value = event.value.data.tobytes() if isinstance(event.value, Image) else event.value
    return event.time_ns, event.namespace, event.key, event.step, value


def everything(run: Path) -> None:
    """Whatever a user may ask of a run."""
    found = read(run)
    list(found.events())
    for series in found.all_series():
        assert len(series.step) == len(series.time_ns) == len(series.value)
    found.keys()
    assert found.status
    assert dict(found.config) is not None
    report = verify(run)
    assert report.events >= 0
    glance(run)
    follower = Follower(run)
    while not follower.ended:
        follower.look()


@given(data=st.data())
def test_a_flipped_bit_costs_at_most_the_frame_it_hits(original: StreamWriter, data: st.DataObject) -> None:
    """Every event of every other frame is there, and the damage is told."""
    path, at, length, frame = data.draw(st.sampled_from(original.frames))
    whole = told(read(original.run))
    with TemporaryDirectory() as directory:
        run = copied(original, directory)
        offset = data.draw(st.integers(at, at + length - 1))
        flip(run / path.relative_to(original.run), offset, data.draw(st.integers(0, 7)))
        found = read(run)
        assert len(found.damage) == 1
        assert (found.damage[0].at, found.damage[0].length) == (at, length)
        left = told(found)
        if frame.kind in NUMBERED:
            hit = {event for event in whole if event not in left}
            assert {event[0] for event in hit} <= {event[0] for event in whole if event[0] <= frame.time}
            assert len(whole) - len(left) <= 4
        assert len(found) == len(whole) - (_events(frame) if frame.kind in NUMBERED else 0)
        everything(run)


def _events(frame: object) -> int:
    kind = int(frame.kind)  # type: ignore[attr-defined]
    return {3: 4, 4: 1, 5: 1, 6: 0}[kind]


@given(data=st.data())
def test_every_truncation_of_the_last_segment_leaves_an_intact_prefix(original: StreamWriter, data: st.DataObject) -> None:
    """What lies before the cut is there, in order, and nothing else."""
    path = original.path
    cut = data.draw(st.integers(0, path.stat().st_size))
    whole = told(read(original.run))
    with TemporaryDirectory() as directory:
        run = copied(original, directory)
        target = run / path.relative_to(original.run)
        target.write_bytes(target.read_bytes()[:cut])
        found = read(run)
        left = told(found)
        assert left == whole[: len(left)]
        kept = sum(
            _events(one[3]) for one in original.frames if one[3].kind in NUMBERED and (one[0] != path or one[1] + one[2] <= cut)
        )
        assert len(left) == kept
        assert found.damage == []
        everything(run)


@given(data=st.data())
def test_every_truncation_of_an_older_segment_is_told(original: StreamWriter, data: st.DataObject) -> None:
    """Unless it falls between two frames, where only what is missing tells; the newer segment is there in any case."""
    path = original.frames[0][0]
    cut = data.draw(st.integers(0, path.stat().st_size - 1))
    with TemporaryDirectory() as directory:
        run = copied(original, directory)
        target = run / path.relative_to(original.run)
        target.write_bytes(target.read_bytes()[:cut])
        found = read(run)
        between = cut in {at for where, at, _, _ in original.frames if where == path}
        assert [one.reason for one in found.damage] == ([] if between else ["truncated"])
        assert found.series("loss").step.tolist()[-6:] == [6, 7, 8, 9, 10, 11]
        everything(run)


@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 7)), max_size=30), st.integers(0, 2000))
def test_repair_of_any_damage_is_sound_and_loses_nothing_readable(
    original: StreamWriter, flips: list[tuple[int, int]], cut: int
) -> None:
    """The copy holds exactly the events that could be read of the original."""
    with TemporaryDirectory() as directory:
        run = copied(original, directory)
        target = run / original.path.relative_to(original.run)
        data = bytearray(target.read_bytes())
        for at, bit in flips:
            data[at % len(data)] ^= 1 << bit
        target.write_bytes(data[: len(data) - cut])
        repair(run, Path(directory) / "copy")
        report = verify(Path(directory) / "copy")
        assert report.sound
        assert report.damage == ()
        assert told(read(Path(directory) / "copy")) == told(read(run))


@given(st.binary(max_size=3000), st.booleans())
def test_random_bytes_never_crash_a_reader(noise: bytes, behind: bool) -> None:
    """As a segment of their own, or behind a good beginning."""
    with TemporaryDirectory() as directory:
        writer = StreamWriter(make_run(Path(directory) / "run"))
        writer.rows(writer.schema(LOSS), [(1.0,)])
        good = writer.path.read_bytes() if behind else b""
        writer.path.write_bytes(good + noise)
        assert len(read(writer.run)) == (1 if behind else 0)
        everything(writer.run)


@given(data=st.data())
def test_frames_with_a_good_checksum_and_any_content_never_crash_a_reader(data: st.DataObject) -> None:
    """Someone who can compute a checksum is no friend for it."""
    plain = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats()
        | st.text(max_size=5)
        | st.binary(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    )
    names = st.sampled_from(
        ["kind", "phase", "namespace", "key", "step", "arrays", "params", "parts", "axes", "epoch", "status", "events",
         "from_seq", "to_seq", "always", "routes", "due", "elapsed", "level", "segment", "rank", "pid"]
    )  # fmt: skip
    kinds = plain | st.sampled_from(["scalar", "image", "string", "config", "histogram"])
    event = st.fixed_dictionaries(
        {"kind": kinds, "phase": plain, "namespace": plain, "key": plain, "step": st.integers(0, 9)},
        optional={
            "arrays": st.lists(
                st.tuples(
                    st.just("data"),
                    st.sampled_from(["<f8", "O", "|u1", "V3"]),
                    st.lists(st.integers(-1, 9), max_size=3),
                ),
                max_size=2,
            ),
            "params": plain,
            "parts": plain,
            "axes": plain,
            "epoch": plain,
        },
    )
    from asynclog.wire.frame import Frame, pack_meta

    with TemporaryDirectory() as directory:
        writer = StreamWriter(make_run(Path(directory) / "run"))
        writer.schema(LOSS)
        for _ in range(data.draw(st.integers(1, 6))):
            frame = Frame(
                data.draw(st.integers(1, 11)),
                seq=data.draw(st.integers(0, 5) | st.integers(0, 2**64 - 1)),
                time=data.draw(st.integers(0, 9) | st.integers(-(2**63), 2**63 - 1)),
                schema=data.draw(st.integers(0, 2)),
                count=data.draw(st.integers(0, 5) | st.integers(0, 2**32 - 1)),
                flags=data.draw(st.sampled_from([0, 0, 0, 1, 5, 128])),
                meta_bytes=pack_meta(data.draw(event | st.dictionaries(names, plain, max_size=5))),
                payload=data.draw(st.binary(max_size=100) | st.sampled_from([bytes(24), bytes(48)])),
                raw_length=data.draw(st.none() | st.integers(0, 200)),
            )
            writer.write(frame)
        everything(writer.run)
        repair(writer.run, Path(directory) / "copy")
        everything(Path(directory) / "copy")

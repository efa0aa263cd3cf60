"""The golden vectors: today's writer makes them byte by byte, and today's reader, like any msgpack library, reads them."""

import json
import re
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

import asynclog
from asynclog.engine.files import Files
from asynclog.engine.journal import JournalWriter, Nonces
from asynclog.engine.settings import EngineSettings, Journal
from asynclog.sink import RunInfo
from asynclog.wire.frame import Frame
from asynclog.wire.layout import NONCE_AT, Kind
from asynclog.wire.schema import Schema
from asynclog.wire.segment import Scanner
from asynclog.wire.stream import StreamDecoder
from tests.conformance.make_frames import DAMAGED, DECODED_ONLY, DIRECTORY, description, plain, streams
from tests.frames import LOSS, START_NS, event, rows

STREAMS = streams()
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.alog"))


def stored(name: str) -> tuple[bytes, dict[str, Any]]:
    path = DIRECTORY / f"{name}.alog"
    return path.read_bytes(), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def walked(data: bytes) -> list[msgpack.ExtType]:
    """The objects that a msgpack library with no code of ours finds."""
    unpacker = msgpack.Unpacker(max_ext_len=len(data), max_buffer_size=2 * len(data) + 1)
    unpacker.feed(data)
    return list(unpacker)


def test_every_vector_is_made_by_the_script() -> None:
    assert set(STREAMS) == set(NAMES)


@pytest.mark.parametrize("name", sorted(set(NAMES) - DECODED_ONLY))
def test_todays_writer_makes_the_same_bytes(name: str) -> None:
    assert STREAMS[name][1] == stored(name)[0]


@pytest.mark.parametrize("name", NAMES)
def test_todays_reader_finds_what_the_vector_says(name: str) -> None:
    data, said = stored(name)
    assert json.loads(json.dumps(description(said["about"], data))) == said


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(DAMAGED)))
def test_a_stock_msgpack_reader_walks_every_vector(name: str) -> None:
    data, said = stored(name)
    found = walked(data)
    assert all(isinstance(one, msgpack.ExtType) for one in found)
    assert sum(len(one.data) + 6 for one in found) == len(data)
    known = [Kind(one.code).name for one in found if one.code in Kind._value2member_map_]
    assert known == [one["kind"] for one in said["frames"]]


def test_meta_is_msgpack_for_a_stock_reader_too() -> None:
    """Meta begins 58 bytes into the ext's data; its length stands at 42."""
    data, said = stored("segment")
    for one, frame in zip(walked(data), said["frames"], strict=True):
        length = int.from_bytes(one.data[42:46], "little")
        assert plain(msgpack.unpackb(one.data[58 : 58 + length]) if length else {}) == frame["meta"]


def facts(name: str) -> dict[str, Any]:
    return stored(name)[1]


def test_what_the_vectors_hold_is_what_was_put_in() -> None:
    """Against the inputs, said once more by hand, in case writer and reader err together."""
    assert [(one["step"], one["value"]) for one in facts("rows")["events"]] == [(-1, 0.5), (0, "nan")]
    first, second, *_ = facts("rows-full")["events"]
    assert (first["value"], second["value"]) == ("-0.0", str(2**60 + 1))
    assert (first["axes"], first["elapsed_s"], first["epoch"]) == ({"samples": 64.0, "policy_version": 1.0}, 0.5, 3)
    assert [(one["phase"], one["key"], one["value"]) for one in facts("sparse")["events"]] == [
        ("train", "loss", 0.5), ("valid", "f1", 0.25), ("valid", "f1", 0.75), ("train", "unnamed series 1", 1.0),
    ]  # fmt: skip
    (large,) = facts("parts")["events"]
    assert bytes.fromhex(large["value"]["arrays"]["data"]["hex"]) == np.arange(300, dtype="<u2").tobytes()
    assert [one["value"] for one in facts("zstd")["events"]] == [at / 8 for at in range(32)]
    assert facts("segment")["missing"] == 3


@pytest.mark.parametrize(
    ("name", "reason", "kinds"),
    [
        ("damaged-body", "body", "SEGMENT SCHEMA GAP HEARTBEAT EVENT INDEX FOOTER"),
        ("damaged-header", "header", "SEGMENT SCHEMA GAP HEARTBEAT EVENT INDEX FOOTER"),
        ("truncated", "truncated", "SEGMENT SCHEMA ROWS GAP HEARTBEAT EVENT INDEX"),
        ("later", "unknown", "HEARTBEAT HEARTBEAT"),
    ],
)
def test_damage_costs_one_frame(name: str, reason: str, kinds: str) -> None:
    said = facts(name)
    assert [one["reason"] for one in said["damage"]] == [reason]
    assert [one["kind"] for one in said["frames"]] == kinds.split()


@pytest.mark.parametrize("compress", [None, "zstd"])
def test_a_stock_msgpack_reader_walks_the_journals_segments(tmp_path: Path, compress: Any) -> None:
    run = RunInfo("r", "r", tmp_path, "main", 0)
    options = EngineSettings(run, tmp_path, None, [], [], -1, START_NS, 1, "here")
    journal = JournalWriter(tmp_path, options, Journal(compress=compress, segment_bytes=4096), Files(), Nonces)
    schema = Schema(1, (LOSS,))
    journal.learn(schema.frame(0, START_NS))
    for seq in range(6):
        journal.add(event("k", "text", seq=seq) if seq % 2 else rows(schema, [(float(at),) for at in range(200)], seq=seq))
        journal.commit()
    journal.close("finished", None, START_NS)
    paths = sorted(tmp_path.glob("*.alog"))
    assert len(paths) > 1 or compress
    decoder, events = StreamDecoder(), 0
    for path in paths:
        data = path.read_bytes()
        objects = walked(data)
        frames = [one for one in Scanner().scan(data, final=True) if isinstance(one, Frame)]
        assert [one.code for one in objects] == [one.kind for one in frames]
        assert (objects[0].code, objects[-1].code) == (Kind.SEGMENT, Kind.FOOTER)
        for one in frames:
            record = decoder.feed(one)
            events += record.events if record is not None else 0
    assert (events, decoder.missing, decoder.repeats) == (603, 0, 0)


def test_a_stock_msgpack_reader_walks_a_whole_run(tmp_path: Path) -> None:
    with asynclog.MultiLogger(tmp_path / "run", recorder="thread") as log:
        for step in range(50):
            log.log_scalar("loss", 1 / (step + 1))
            if step == 7:
                log.log_image("picture", np.zeros((3, 4, 4), np.uint8))
                log.log_string("note", "text")
            log.write_nowait(asynclog.State(step))
    (path,) = (tmp_path / "run" / "streams").glob("*/*.alog")
    kinds = [Kind(one.code) for one in walked(path.read_bytes())]
    assert {Kind.SEGMENT, Kind.SCHEMA, Kind.ROWS, Kind.EVENT, Kind.FOOTER} <= set(kinds)
    assert (kinds[0], kinds[-1]) == (Kind.SEGMENT, Kind.FOOTER)


SPECIFICATION = Path(__file__).parents[2] / "docs" / "reference" / "format.md"


def test_the_specifications_worked_example_is_a_real_frame() -> None:
    lines = re.findall(r"^00[0-7]0  ((?:[0-9a-f]{2} ?){16})$", SPECIFICATION.read_text(encoding="utf-8"), re.MULTILINE)
    assert bytes.fromhex("".join(lines)) == stored("rows")[0][-128:]


def test_the_specifications_header_table_leaves_no_byte_out() -> None:
    table = re.findall(r"^\| (\d+) \| (\d) \| ([a-z ]+) \|", SPECIFICATION.read_text(encoding="utf-8"), re.MULTILINE)
    offsets = [int(at) for at, _, _ in table]
    assert offsets == [0, *np.cumsum([int(size) for _, size, _ in table]).tolist()[:-1]]
    assert offsets[-1] + 4 == 64
    assert (offsets[[name for _, _, name in table].index("nonce")]) == NONCE_AT


def test_the_specification_names_every_kind_by_its_number() -> None:
    table = re.findall(r"^\| (\d+) \| ([A-Z]+) \|", SPECIFICATION.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: int(number) for number, name in table} == {one.name: one.value for one in Kind}

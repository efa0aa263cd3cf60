"""A run as batches: what a sink is given that writes it without a recorder."""

from pathlib import Path

import numpy as np
import pytest

from asynclog.readers import read
from asynclog.values import Image, Tensor
from asynclog.wire.schema import Series
from tests.runfiles import StreamWriter, make_run


@pytest.mark.parametrize("zstd", [False, True])
def test_batches_hold_all_that_a_run_does_in_order(tmp_path: Path, zstd: bool) -> None:
    """However few events a batch may have; numbers, media, text, over segments."""
    if zstd:
        pytest.importorskip("zstandard")
    writer = StreamWriter(make_run(tmp_path / "run"), zstd=zstd)
    schema = writer.schema(Series("train", "net", "loss"), Series("train", "", "seen", "q"), axes=("samples",))
    for part in range(3):
        writer.rows(schema, [(0.5 * part, 2**60 + part)] * 4, first_step=4 * part, prefix=(64.0,), epoch=1)
        writer.event("recon", Image(np.full((3, 4, 4), part, np.uint8)), step=4 * part)
        writer.event("note", f"part {part}", step=4 * part)
        writer.open_segment()
    writer.event("weights", Tensor(np.arange(1000.0)), step=12)
    writer.footer()
    run = read(tmp_path / "run")
    expected = [one[:7] for one in run.events()]
    for events in (1, 5, 1 << 20):
        found = list(run.batches(events=events))
        assert [event[:7] for batch in found for event in batch] == expected
        assert sum(map(len, found)) == len(expected) == len(run)
        assert len({(one.writer, one.epoch, one.seq) for one in found}) == len(found)
    block = next(next(run.batches()).blocks())
    assert (block.epoch, block.axes["samples"].tolist()) == (1, [64.0] * 4)


def test_batches_of_one_writer_and_epoch_can_be_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    for name, epoch in (("main", 0), ("main", 1), ("other", 0)):
        writer = StreamWriter(run, name, epoch)
        writer.event("note", f"{name} {epoch}")
        writer.footer()
    found = {(one.writer, one.epoch): [event.value for event in one] for one in read(run).batches()}
    assert found == {("main", 0): ["main 0"], ("main", 1): ["main 1"], ("other", 0): ["other 0"]}
    assert [one.epoch for one in read(run).batches("main", 1)] == [1]


def test_what_is_damaged_is_left_out(tmp_path: Path) -> None:
    """A frame whose checksum doesn't hold was never in the index; one whose content makes no sense is passed over."""
    writer = StreamWriter(make_run(tmp_path / "run"))
    writer.event("note", "before")
    path, at, length, _ = (writer.event("note", "damaged"), writer.frames[-1])[1]
    writer.event("note", "after")
    writer.footer()
    content = bytearray(path.read_bytes())
    content[at + length - 3] ^= 0xFF
    path.write_bytes(content)
    run = read(tmp_path / "run")
    assert [event.value for batch in run.batches() for event in batch] == ["before", "after"]

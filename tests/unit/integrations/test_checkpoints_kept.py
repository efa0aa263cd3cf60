"""Checkpoints that a trainer saved, as artifacts of its run."""

import os
from pathlib import Path

import asynclog as al
from asynclog.integrations.checkpoints import Checkpoints


def test_a_directory_whose_files_were_written_again_is_kept_again(tmp_path: Path) -> None:
    """Its own time is that of its last new file."""
    saved, checkpoints = tmp_path / "checkpoint-10", Checkpoints()
    (saved / "shards").mkdir(parents=True)
    weights = saved / "shards" / "0.bin"
    with al.MultiLogger(tmp_path / "run") as log:
        for written_ns, kept in ((2_000_000_000, True), (2_000_000_000, False), (2_000_000_001, True)):
            weights.write_bytes(str(written_ns).encode())
            os.utime(weights, ns=(0, written_ns))
            for directory in (weights.parent, saved):
                os.utime(directory, ns=(0, 1_000_000_000))
            assert checkpoints.keep(log, saved, al.State(10), {}) is kept
    newest = al.read(tmp_path / "run").artifact("checkpoints/checkpoint-10")
    assert (newest.version, newest.files["shards/0.bin"].read_bytes()) == (1, b"2000000001")

"""What was printed and waits for a terminal that takes nothing."""

import os
import sys
import time

import pytest

from asynclog.engine.taps import Taps
from asynclog.link.messages import Message, Tap

DEADLINE_S = 40.0
MIB = 1 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="files in memory are Linux's")
def test_what_waits_for_a_terminal_that_takes_nothing_is_left_out_beyond_a_bound() -> None:
    file = os.memfd_create("printed")
    reader, terminal = os.pipe()
    said: list[Message] = []
    taps = Taps(said.append)
    taps.obey(Tap("stdout", 0, os.dup(file), terminal, "strip"))
    try:
        os.write(file, b"x" * MIB)
        give_up = time.monotonic() + DEADLINE_S
        # Its buffer is full: whoever passes on is held in a write.
        while len(os.read(reader, 1)) < 1 and time.monotonic() < give_up:
            pass
        os.ftruncate(file, 600 * MIB)
        taps.turn()
        assert 600 * MIB - os.lseek(file, 0, os.SEEK_CUR) <= 256 * MIB
    finally:
        os.close(reader)
        os.close(file)
        taps.close()

"""From a function that isn't async to the run: in order, and to the last row, whoever calls and however the program ends."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import asynclog as al
from asynclog.integrations.outbox import Outbox, Said

ROWS = 20
FULL = """
import asyncio, sys
import numpy as np
import asynclog as al
from asynclog.integrations.outbox import Outbox, Said

log = al.MultiLogger(sys.argv[1], slabs=16 << 20)
log.__enter__()
outbox = Outbox(log)


async def main():
    for step in range(20):
        outbox.put(al.State(step), [Said("log_tensor", "frame", np.full(3 << 20, step, np.uint8))])
    assert "0 rows" not in repr(outbox)


asyncio.run(main())
"""


def frame(step: int) -> list[Said]:
    return [Said("log_tensor", "frame", np.full(3 << 20, step, np.uint8))]


def test_what_waits_when_the_program_ends_without_a_word_is_recorded(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "run")], check=True, timeout=50, env=environment)
    assert [event.step for event in al.read(tmp_path / "run").events(kind="tensor")] == list(range(ROWS))


def test_what_comes_after_the_loop_is_recorded_after_what_waited_on_it(tmp_path: Path) -> None:
    with al.MultiLogger(tmp_path / "run", slabs=16 << 20) as log:
        outbox = Outbox(log)

        async def main() -> None:
            for step in range(ROWS):
                outbox.put(al.State(step), frame(step))

        asyncio.run(main())
        assert "0 rows" not in repr(outbox)
        outbox.put(al.State(ROWS), frame(ROWS))
    assert [event.step for event in al.read(tmp_path / "run").events(kind="tensor")] == list(range(ROWS + 1))


def test_a_copy_that_failed_is_told_at_the_end_though_others_came_after_it(tmp_path: Path) -> None:
    """In a strict logger, which raises what another one counts."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "kept").write_text("kept")
    with al.MultiLogger(tmp_path / "run", strict=True) as log:
        outbox = Outbox(log)

        async def main() -> None:
            for name in ("pipe", "kept"):
                outbox.put(al.State(0), [Said("log_artifact", name, tmp_path / name)])
                while not all(one.done() for one in outbox._copying):
                    await asyncio.sleep(0.01)

        asyncio.run(main())
        with pytest.raises(al.InvalidValue, match="'pipe'"):
            outbox.settle()
    assert [one.name for one in al.read(tmp_path / "run").artifacts()] == ["kept"]

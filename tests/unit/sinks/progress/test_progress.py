import asyncio
import io
import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from asynclog.errors import InvalidConfiguration
from asynclog.sinks import Progress
from asynclog.state import State
from asynclog.testing import batch_of
from tests.unit.sinks.sinkrun import run_info

# Here, and not on a test's loop: what is imported is read from the disk.
pytest.importorskip("rich.console")
pytest.importorskip("tqdm")

BATCH = batch_of([(State(step), {"loss": 1 / (step + 1)}) for step in range(40)], first_time_ns=time.time_ns())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def shown(sink: Progress, *batches: Any, ending: tuple[str, str | None] | None = ("finished", None), **run: Any) -> None:
    await sink.open(run_info(None, **({"name": ""} | run)))
    for one in batches:
        await sink.write(one)
    await sink.flush()
    if ending is not None:
        await sink.run_ended(*ending)
    await sink.aclose()


async def test_where_there_is_no_terminal_it_speaks_in_lines() -> None:
    file = io.StringIO()
    await shown(Progress(100, file=file), BATCH, name="digits")
    lines = [one.partition(" ")[2] for one in file.getvalue().splitlines()]
    assert lines[-2].startswith("train 40/100 40%  1,000 steps/s")
    assert lines[-2].endswith("loss=0.025")
    assert lines[-1] == "run digits finished; train 40/100 in 0:00"
    assert "\x1b" not in file.getvalue()


async def test_lines_come_now_and_then_and_only_where_something_moved() -> None:
    file = io.StringIO()
    sink = Progress(file=file, every=0.05, refresh=0.01)
    await sink.open(run_info(None))
    await sink.write(BATCH)
    async with asyncio.timeout(10):
        while "step 39" not in file.getvalue():
            await asyncio.sleep(0.005)
        await sink.write(batch_of([(State(1, "valid"), {"x": 1.0})]))
        while "valid" not in file.getvalue():
            await asyncio.sleep(0.005)
    await sink.aclose()
    assert file.getvalue().count("train") == 1
    assert file.getvalue().count("valid") == 1


@pytest.mark.parametrize(
    ("ending", "says"),
    [
        (("finished", None), "the run finished; train step 39 in 0:00"),
        (("failed", "ValueError: boom\x1b[2J\n" + "x" * 1000), "the run failed: ValueError: boom\\x1b[2J\\nxxx"),
        (("killed", None), "the run was killed; "),
    ],
)
async def test_the_last_line_says_how_the_run_ended(ending: Any, says: str) -> None:
    for live in (False, True):
        file = Terminal() if live else io.StringIO()
        await shown(Progress(file=file, live=live), BATCH, ending=ending)
        last = file.getvalue().rstrip().splitlines()[-1]
        assert says in last
        assert len(last) < 300


async def test_a_run_of_nothing_ends_as_well() -> None:
    for live in (False, True):
        file = Terminal()
        await shown(Progress(file=file, live=live))
        assert "the run finished; nothing" in file.getvalue()


@pytest.mark.parametrize("style", ["rich", "tqdm"])
async def test_on_a_terminal_a_phase_is_a_bar(style: Any) -> None:
    file = Terminal()
    valid = batch_of([(State(39, "valid"), {"acc": 0.75})] * 2, first_time_ns=time.time_ns())
    await shown(Progress(80, per_epoch={"valid": 4}, epochs=3, file=file, style=style), BATCH, valid)
    text = file.getvalue()
    assert "\x1b[" in text
    assert "40/80" in text
    assert "2/4" in text
    assert "epoch 1/3" in text
    assert "acc" in text


async def test_the_cursor_is_never_hidden() -> None:
    """A process that was killed can't show it again. It rests below what is painted, where a prompt belongs."""
    file = Terminal()
    sink = Progress(file=file)
    await sink.open(run_info(None))
    await sink.write(BATCH)
    await sink.flush()
    painted = file.getvalue()
    assert painted.rindex("\x1b[?25h") > painted.rfind("\x1b[?25l")
    assert painted.rstrip(" ").endswith("\n")
    await sink.aclose()


async def test_what_is_printed_and_logged_meanwhile_appears_above_and_streams_are_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also by handlers that were made before, which remember their stream."""
    file = Terminal()
    monkeypatch.setattr(sys, "stderr", file)
    monkeypatch.setattr(sys, "stdout", file)
    handler = logging.StreamHandler()
    logger = logging.getLogger("tests.progress")
    logger.addHandler(handler)
    try:
        sink = Progress()
        await sink.open(run_info(None))
        await sink.write(BATCH)
        await sink.flush()
        assert handler.stream is not file
        print("printed")
        logger.warning("logged")
        await sink.aclose()
        assert (sys.stdout, sys.stderr, handler.stream) == (file, file, file)
    finally:
        logger.removeHandler(handler)
    lines = [one.rstrip() for one in file.getvalue().splitlines()]
    assert any(one.endswith("printed") and "train" not in one for one in lines)
    assert any(one.endswith("logged") and "train" not in one for one in lines)


async def test_a_terminal_that_is_gone_is_said_once_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Gone(Terminal):
        gone = False

        def write(self, text: str) -> int:
            if self.gone:
                raise OSError(5, "Input/output error")
            return super().write(text)

    for live in (True, False):
        caplog.clear()
        file = Gone()
        sink = Progress(file=file, live=live, every=0.001)
        await sink.open(run_info(None))
        file.gone = True
        for _ in range(3):
            await sink.write(BATCH)
            await sink.flush()
            await asyncio.sleep(0.3)
        await sink.run_ended("finished", None)
        await sink.aclose()
        assert sum("progress isn't shown any more" in one.getMessage() for one in caplog.records) == 1


async def test_names_are_neither_markup_nor_control_codes() -> None:
    batch = batch_of([(State(0), {"[red]": 1.0, "a\x1b[2J": 2.0, "long" * 100: 3.0})])
    for style in ("rich", "tqdm"):
        file = Terminal()
        await shown(Progress(file=file, style=style), batch)  # type: ignore[arg-type]
        assert "[red]" in file.getvalue()
        assert "\x1b[2J" not in file.getvalue()


async def test_only_the_first_rank_shows_anything() -> None:
    file = Terminal()
    await shown(Progress(file=file), BATCH, rank=1)
    assert file.getvalue() == ""


@pytest.mark.parametrize(
    "make",
    [lambda: Progress(style="fancy"), lambda: Progress(refresh=0), lambda: Progress(every=-1)],  # type: ignore[arg-type]
)
def test_what_makes_no_sense_is_refused(make: Any) -> None:
    with pytest.raises(InvalidConfiguration):
        make()


def test_without_its_library_the_error_names_the_extra(tmp_path: Path) -> None:
    from tests.unit.sinks.test_console import run_python

    for missing in ("rich", "tqdm"):
        done = run_python(
            f"import sys, io; sys.modules['{missing}'] = None\n"
            "from asynclog.sinks import Progress\n"
            "Progress(file=io.StringIO()); Progress(live=False)\n"
            "Progress(live=True, style='tqdm')"
        )
        assert "InvalidConfiguration" in done.stderr
        assert "pip install 'asynclog-stream[progress]'" in done.stderr

"""Progress on a real terminal, of a process that prints, logs and ends in every way there is."""

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import asynclog as al
from tests.integration.scripts import ROOT
from tests.unmeasured import UNMEASURED

pytest.importorskip("rich")

TRAIN = """
import asyncio, logging, sys
import asynclog as al
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
async def train():
    async with al.MultiLogger(None, sinks=[al.sinks.Progress(1000, refresh=0.02)], recorder="thread") as log:
        for step in range(1000):
            log.log({"loss": 1 / (step + 1)})
            await log.write(step)
            if step % 100 == 0:
                print(f"printed {step}")
                logging.info("logged %d", step)
                await log.flush()
            if step == 500:
                {ending}
            await asyncio.sleep(0.001)
asyncio.run(train())
"""
ENDINGS = {
    "finishes": "pass",
    "raises": "raise ValueError('no more data')",
    "is interrupted": "await asyncio.sleep(30)",
    "is terminated": "await asyncio.sleep(30)",
    "is killed": "await asyncio.sleep(30)",
    "leaves": "import os; os._exit(3)",
}
SIGNALS = {"is interrupted": signal.SIGINT, "is terminated": signal.SIGTERM, "is killed": signal.SIGKILL}
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Screen:
    """The other end of a terminal: what came, and what becomes of its settings."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        termios.tcsetwinsize(self.theirs, (24, 100))
        self.settings = termios.tcgetattr(self.theirs)
        self.text = ""
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._over.is_set() or select.select([self.ours], [], [], 0.05)[0]:
            if select.select([self.ours], [], [], 0.02)[0]:
                self.text += os.read(self.ours, 65536).decode()

    def waits_for(self, text: str) -> None:
        until = time.monotonic() + 40
        while text not in self.text:
            assert time.monotonic() < until, self.text
            time.sleep(0.005)

    def close(self) -> None:
        self._over.set()
        self._reader.join()
        os.close(self.ours)
        os.close(self.theirs)


@pytest.mark.parametrize("way", ENDINGS)
def test_a_terminal_is_left_as_it_was(tmp_path: Path, way: str) -> None:
    """And what was printed and logged stands in lines of its own."""
    screen = Screen()
    program: Any = [sys.executable, "-c", TRAIN.replace("{ending}", ENDINGS[way])]
    environment = {**UNMEASURED, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        program, stdin=screen.theirs, stdout=screen.theirs, stderr=screen.theirs, env=environment, start_new_session=True
    )
    if way in SIGNALS:
        screen.waits_for("501/1,000")
        process.send_signal(SIGNALS[way])
    process.wait(40)
    assert termios.tcgetattr(screen.theirs) == screen.settings
    screen.close()
    shown = screen.text
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l"), "the cursor is hidden"
    lines = [CONTROLS.sub("", one).rstrip() for one in re.split(r"[\r\n]+", shown)]
    last = 1000 if way == "finishes" else 501
    assert [one for one in lines if "printed" in one] == [f"printed {step}" for step in range(0, last, 100)]
    assert [one for one in lines if "logged" in one] == [f"INFO:root:logged {step}" for step in range(0, last, 100)]
    # A prompt would stand on a line of its own.
    assert CONTROLS.sub("", shown).endswith("\n"), shown[-300:]
    if way == "finishes":
        assert "the run finished; train 1,000/1,000" in shown
    elif way == "raises":
        assert "the run failed: ValueError: no more data; train 501/1,000" in shown
        assert "Traceback" in shown.partition("the run failed")[2]
    elif way == "is interrupted":
        assert "KeyboardInterrupt" in shown


def test_what_is_printed_into_a_file_goes_there(tmp_path: Path) -> None:
    """Only standard error is a terminal."""
    screen = Screen()
    program: Any = [sys.executable, "-c", TRAIN.replace("{ending}", "pass")]
    environment = {**UNMEASURED, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    with (tmp_path / "out").open("w") as out:
        subprocess.run(program, stdin=subprocess.DEVNULL, stdout=out, stderr=screen.theirs, env=environment, timeout=50)
    screen.close()
    assert (tmp_path / "out").read_text() == "".join(f"printed {step}\n" for step in range(0, 1000, 100))
    assert "logged 900" in screen.text
    assert "printed" not in screen.text


async def test_a_run_that_goes_on_starts_where_it_resumes(tmp_path: Path) -> None:
    """What earlier processes did is neither shown again nor taken for speed."""
    for epoch in range(2):
        file = io.StringIO()
        async with al.MultiLogger(tmp_path / "run", sinks=[al.sinks.Progress(100, file=file, every=0.001)]) as log:
            for step in range(50 * epoch, 50 * epoch + 50):
                log.log_scalar("loss", 0.5)
                await log.write(step)
            await log.flush()
    shown = [int(one.split("/")[0].rpartition(" ")[2]) for one in file.getvalue().splitlines() if "/100" in one]
    assert min(shown) > 50
    assert max(shown) == 100


def test_a_terminal_that_hangs_up_does_not_end_the_training(tmp_path: Path) -> None:
    """As an SSH connection does, under nohup."""
    screen = Screen()
    marker = tmp_path / "done"
    program = TRAIN.replace("{ending}", "pass").replace("print(", "(lambda *_: 0)(").replace("logging.info(", "(lambda *_: 0)(")
    program = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{program}\nopen({str(marker)!r}, 'w').close()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=screen.theirs,
        stderr=screen.theirs,
        env={**UNMEASURED, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
    )
    screen.waits_for("/1,000")
    screen.close()
    began = time.monotonic()
    process.wait(40)
    assert marker.exists()
    assert time.monotonic() - began < 25

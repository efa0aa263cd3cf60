"""Programs run as processes of their own, because what is tested is how they end."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PREAMBLE = """
import asyncio, os, signal, sys, threading, time, warnings
import numpy as np
import asynclog as al
path = sys.argv[1]
"""


def start(program: str, *arguments: object) -> "subprocess.Popen[str]":
    """A Python process that runs ``program`` with ``path`` set to its first argument; its output can be read."""
    return subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", "-c", PREAMBLE + program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def run(program: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """The same, to its end."""
    process = start(program, *arguments)
    out, err = process.communicate(timeout=50)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def settled(path: Path) -> None:
    """Wait until the recorder of a process that is gone let go of the stream: its lock goes with its journal."""
    import fcntl
    import time

    deadline = time.monotonic() + 20
    for lock in (path / "streams").glob("*/lock"):
        with lock.open() as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    assert time.monotonic() < deadline, "the recorder never finished"
                    time.sleep(0.01)

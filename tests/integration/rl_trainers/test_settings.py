"""Settings are in the run as soon as there is one: a training that is killed had them, too."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import asynclog as al

PROGRAMS = {
    "verl.Backend": "logger = verl.Backend('p', 'e', {'lr': 0.5}, root=sys.argv[1])\nlogger.log({'loss': 1.0}, 0)\n",
    "prime_rl.Monitor": (
        "async def main():\n"
        "    monitor = prime_rl.Monitor()\n"
        "    await monitor.init(output_dir=sys.argv[1] + '/p', config={'lr': 0.5})\n"
        "    await monitor.log({'loss': 1.0}, 0)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    ),
    "prime_rl.SyncMonitor": (
        "monitor = prime_rl.SyncMonitor(output_dir=sys.argv[1] + '/p', run_config={'lr': 0.5})\nmonitor.log({'loss': 1.0}, 0)\n"
    ),
    "tinker.setup_logging": (
        "logger = tinker.setup_logging(sys.argv[1] + '/p', config={'lr': 0.5})\nlogger.log_metrics({'loss': 1.0}, 0)\n"
    ),
}
IMPORTS = "import asyncio, os, signal, sys\nfrom asynclog.integrations import prime_rl, tinker, verl\n"
KILLED = "os.kill(os.getpid(), signal.SIGKILL)\n"


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_training_that_is_killed_had_its_settings(tmp_path: Path, name: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    program = IMPORTS + PROGRAMS[name] + KILLED
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=50, env=environment)
    (found,) = tmp_path.rglob("run.json")
    until = time.monotonic() + 40
    while (run := al.read(found.parent)).status == "running" and time.monotonic() < until:
        time.sleep(0.02)
    assert (run.status, run.config, run.series("loss").value.tolist()) == ("killed", {"lr": 0.5}, [1.0])

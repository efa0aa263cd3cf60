"""What is told of a machine, from files as a kernel writes them."""

import os
import sys
import time
from pathlib import Path

import pytest

from asynclog.engine.machine import Machine
from asynclog.engine.nvidia import Gpus

STAT = "cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 {busy} 0 0 {idle} 0 0 0 0 0 0\nintr 1 2\n"


def kernel(proc: Path, *, busy: int, idle: int, ticks: int, received: int) -> None:
    """A /proc with one process of a name that is hard to read, and a child of it."""
    (proc / "net").mkdir(parents=True, exist_ok=True)
    (proc / "stat").write_text(STAT.format(busy=busy, idle=idle))
    (proc / "loadavg").write_text("1.50 1 1 1/2 3\n")
    (proc / "meminfo").write_text("MemTotal: 4194304 kB\nMemAvailable: 1048576 kB\nSwapTotal: 0 kB\nHugePages_Total: 0\n")
    (proc / "net/dev").write_text(f"a\nb\n  lo: 9 0 0 0 0 0 0 0 9\neth0: {received} 0 0 0 0 0 0 0 500000\n")
    (proc / "diskstats").write_text("")
    for pid, children in ((7, "8 "), (8, "")):
        (proc / f"{pid}/task/{pid}").mkdir(parents=True, exist_ok=True)
        # Behind the name: state, 10 fields, utime, stime, 4, threads, 3, resident pages.
        fields = ["S", *"0" * 10, str(ticks), "0", *"0000", "3", *"000", "262144"]
        (proc / f"{pid}/stat").write_text(f"{pid} (a ) name) {' '.join(fields)}\n")
        (proc / f"{pid}/task/{pid}/children").write_text(children)


def test_numbers_are_what_changed_between_two_looks(tmp_path: Path) -> None:
    kernel(tmp_path, busy=100, idle=100, ticks=0, received=0)
    machine = Machine(7, proc=tmp_path)
    machine.look()
    began = time.monotonic()
    kernel(tmp_path, busy=400, idle=200, ticks=10, received=8_000_000)
    while time.monotonic() - began < 0.05:
        pass
    found = machine.look()
    assert found["cpu/percent"] == found["cpu/core_0_percent"] == 75.0
    assert (found["memory/used_gib"], found["memory/percent"], found["cpu/load_1m"]) == (3.0, 75.0, 1.5)
    pages_gib = 262144 * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    assert found["process/memory_gib"] == found["process/children_memory_gib"] == pages_gib
    assert (found["process/threads"], found["process/children"]) == (3.0, 1.0)
    assert 0 < found["network/received_mb_s"] <= 8 / 0.05
    assert found["network/sent_mb_s"] == 0
    assert 0 < found["process/cpu_percent"] <= 100 * 10 / os.sysconf("SC_CLK_TCK") / 0.05


def test_what_a_kernel_doesn_t_tell_is_left_out(tmp_path: Path) -> None:
    machine = Machine(7, str(tmp_path), proc=tmp_path / "none")
    machine.look()
    assert set(machine.look()) == {"disk/free_gib", "process/cpu_percent", "process/memory_gib", "process/threads"}


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_this_machine_says_what_it_does() -> None:
    machine = Machine(os.getpid(), "/")
    machine.look()
    found = machine.look()
    assert found["process/memory_gib"] > 0
    assert found["disk/free_gib"] > 0
    assert all(value >= 0 for value in found.values())


def test_without_a_driver_nothing_is_told_of_gpus() -> None:
    gpus = Gpus("libnothing-of-the-kind.so.1")
    assert gpus.look() == {}
    assert gpus.names() == []
    gpus.close()


@pytest.mark.gpu
def test_a_gpu_says_what_it_does() -> None:
    gpus = Gpus()
    if not gpus.names():
        pytest.skip("no NVIDIA GPU")
    found = gpus.look()
    assert 0 <= found["gpu_0/percent"] <= 100
    assert 0 < found["gpu_0/memory_gib"] < 1000
    assert found["gpu_0/watts"] > 0
    gpus.close()

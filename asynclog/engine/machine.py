"""What a machine and a process on it are doing, read from /proc: a page of text files that every Linux has, and 2 ms a look.

psutil would read the same files, and bring a compiled package into every recorder; of other systems nothing is told.
Sources: proc(5); Linux, Documentation/filesystems/proc.rst and admin-guide/iostats.rst.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_SECTOR_BYTES: Final = 512  # of /proc/diskstats, whatever the disk has
_GIB: Final = 1 << 30
_WHOLE_DISKS: Final = Path("/sys/block")
_NO_DISKS: Final = ("loop", "ram", "zram", "dm-", "md", "sr", "fd")


class Machine:
    """pid: the process that is looked at. directory: whose file system is. proc: where the files are."""

    def __init__(self, pid: int, directory: str = "", proc: Path = _PROC) -> None:
        self._pid, self._directory, self._proc = pid, directory, proc
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._before: dict[str, float] = {}
        self._looked = 0.0

    def look(self) -> dict[str, float]:
        """The numbers by name: percentages in [0, 100] (of a process, 100 a core), GiB, and MB/s since the last look."""
        now = time.monotonic()
        elapsed = now - self._looked if self._looked else 0.0
        found: dict[str, float] = {}
        with suppress(OSError, ValueError, IndexError):
            found.update(self._processors())
        with suppress(OSError, ValueError, IndexError):
            found.update(self._memory())
        for name, count in [*self._counts()]:
            before = self._before.get(name)
            self._before[name] = count
            if before is not None and elapsed > 0:
                found[name] = max(0.0, count - before) / elapsed
        with suppress(OSError, ValueError, IndexError):
            found.update(self._process())
        with suppress(OSError):
            if self._directory:
                there = os.statvfs(self._directory)
                found["disk/free_gib"] = there.f_bavail * there.f_frsize / _GIB
        self._looked = now
        return found

    # -- the machine ------------------------------------------------------------------------------------------------

    def _processors(self) -> Iterator[tuple[str, float]]:
        """Share of the time since the last look that each core was busy."""
        for line in (self._proc / "stat").read_text().splitlines():
            name, *ticks = line.split()
            if not name.startswith("cpu"):
                break
            counts = [int(one) for one in ticks[:8]]
            idle, whole = counts[3] + counts[4], sum(counts)
            idle_before, whole_before = self._before.get(f"{name} idle"), self._before.get(f"{name} whole")
            self._before[f"{name} idle"], self._before[f"{name} whole"] = idle, whole
            if idle_before is None or whole_before is None or whole <= whole_before:
                continue
            busy = 100.0 * (1.0 - (idle - idle_before) / (whole - whole_before))
            yield ("cpu/percent" if name == "cpu" else f"cpu/core_{name[3:]}_percent"), min(100.0, max(0.0, busy))
        yield "cpu/load_1m", float((self._proc / "loadavg").read_text().split()[0])

    def _memory(self) -> Iterator[tuple[str, float]]:
        lines = (line.split() for line in (self._proc / "meminfo").read_text().splitlines())
        kib = {name.rstrip(":"): int(amount) for name, amount, *_ in lines}
        total, available = kib["MemTotal"] << 10, kib["MemAvailable"] << 10
        yield "memory/used_gib", (total - available) / _GIB
        yield "memory/percent", 100.0 * (total - available) / total
        if kib.get("SwapTotal"):
            yield "memory/swap_used_gib", (kib["SwapTotal"] - kib["SwapFree"]) * 1024 / _GIB

    def _counts(self) -> Iterator[tuple[str, float]]:
        """What only grows, in MB and in seconds; told as what it grew by in a second."""
        with suppress(OSError, ValueError, IndexError):
            received = sent = 0
            for line in (self._proc / "net/dev").read_text().splitlines()[2:]:
                name, _, rest = line.partition(":")
                if name.strip() != "lo":
                    numbers = rest.split()
                    received += int(numbers[0])
                    sent += int(numbers[8])
            yield "network/received_mb_s", received / 1e6
            yield "network/sent_mb_s", sent / 1e6
        with suppress(OSError, ValueError, IndexError):
            disks = [one for one in os.listdir(_WHOLE_DISKS) if not one.startswith(_NO_DISKS)]
            read = written = 0
            for line in (self._proc / "diskstats").read_text().splitlines():
                columns = line.split()
                if columns[2] in disks:
                    read += int(columns[5])
                    written += int(columns[9])
            yield "disk/read_mb_s", read * _SECTOR_BYTES / 1e6
            yield "disk/written_mb_s", written * _SECTOR_BYTES / 1e6

    # -- the process ------------------------------------------------------------------------------------------------

    def _process(self) -> Iterator[tuple[str, float]]:
        """The training process, and the sum of those it started, such as data loaders' workers."""
        seconds, resident, threads = self._of(self._pid)
        yield from self._since("process/cpu_percent", seconds)
        yield "process/memory_gib", resident / _GIB
        yield "process/threads", float(threads)
        below = [self._of(one) for one in self._children(self._pid)]
        if below:
            yield from self._since("process/children_cpu_percent", sum(one[0] for one in below))
            yield "process/children_memory_gib", sum(one[1] for one in below) / _GIB
            yield "process/children", float(len(below))

    def _since(self, name: str, seconds: float) -> Iterator[tuple[str, float]]:
        now = time.monotonic()
        at = self._before.get(f"{name} at")
        before = self._before.get(name)
        self._before[name], self._before[f"{name} at"] = seconds, now
        if before is not None and at is not None and now > at:
            yield name, 100.0 * max(0.0, seconds - before) / (now - at)

    def _of(self, pid: int) -> tuple[float, int, int]:
        """(seconds of processor time, bytes that are resident, threads) of a process; nothing of one that is gone."""
        try:
            # Behind the name, which may hold anything.
            stat = (self._proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0, 0, 0
        return (int(stat[11]) + int(stat[12])) * self._tick_s, int(stat[21]) * self._page, int(stat[17])

    def _children(self, pid: int) -> Iterator[int]:
        """Its descendants, without the recorder, which is one of them."""
        for task in (self._proc / str(pid) / "task").glob("*/children"):
            for one in task.read_text().split():
                if int(one) != os.getpid():
                    yield int(one)
                    yield from self._children(int(one))

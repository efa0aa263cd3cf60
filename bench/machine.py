"""The stamp every result carries: figures of two machines are not to be compared, only their ratios."""

import hashlib
import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("asynclog-stream", "msgpack", "numpy", "anyio", "torch", "tensorboard", "wandb", "trackio")


def installed(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cpu_model() -> str:
    """The processor's name as Linux gives it, elsewhere as Python does."""
    path = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:\s*(.+)$", path.read_text(), re.MULTILINE) if path.exists() else None
    return named[1].strip() if named else platform.processor() or platform.machine()


def stamp() -> dict[str, Any]:
    """Processor, cores the process may use, memory in GiB, kernel, Python, versions; no host name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {sys.version.split()[0]}",
        "packages": {package: installed(package) for package in PACKAGES},
    }


def slug(machine: dict[str, Any]) -> str:
    """A file name's worth of the stamp: the processor in words, and a hash over all but the packages."""
    fixed = repr([machine[field] for field in ("cpu", "cores", "memory_gib", "system", "python")])
    words = re.sub(r"[^a-z0-9]+", "-", machine["cpu"].lower()).strip("-")
    return f"{words}-{machine['cores']}c-{hashlib.sha256(fixed.encode()).hexdigest()[:6]}"

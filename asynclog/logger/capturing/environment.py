"""Where a run was made: the code's state, the command, the packages, the machine, and those environment variables that say how
a job was started. Never a variable that isn't named here, nor what looks like a secret in those that are.
"""

import os
import platform
import re
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from asynclog.engine.nvidia import Gpus

_NAMES: Final = (
    "CONDA_DEFAULT_ENV", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "JAX_PLATFORMS", "MASTER_ADDR", "MASTER_PORT",
    "MKL_NUM_THREADS", "NVIDIA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PBS_JOBID", "PYTHONHASHSEED", "PYTHONPATH", "RANK",
    "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "VIRTUAL_ENV", "XLA_FLAGS",
)  # fmt: skip
_PREFIXES: Final = ("ACCELERATE_", "CUBLAS_", "CUDNN_", "NCCL_", "OMPI_COMM_WORLD_", "PYTORCH_", "SLURM_", "TORCH", "GLOO_")
_SECRET: Final = re.compile(r"key|token|secret|passw|credential|auth|jwt|cookie|private", re.IGNORECASE)
_CREDENTIALS: Final = re.compile(r"://[^/@\s]+@")
_HEADER: Final = re.compile(rf"([\w-]*(?:{_SECRET.pattern})[\w-]*: ).+", re.IGNORECASE | re.DOTALL)
_HIDDEN: Final = "***"
_LONGEST_VALUE: Final = 4096
_LONGEST_DIFF: Final = 1 << 20
_PIECE_BYTES: Final = 64 << 10
_PATIENCE_S: Final = 10.0


def environment(directory: Path | None = None) -> dict[str, Any]:
    """Reads files and runs git: off the loop, please. directory: whose git repository; None: the working directory."""
    found: dict[str, Any] = {
        "command": hidden(sys.orig_argv),
        "directory": str(directory or Path.cwd()),
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "host": platform.node(),
        "pid": os.getpid(),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "gpus": _gpus(),
        "variables": variables(dict(os.environ)),
        "packages": _packages(),
    }
    state = git(directory or Path.cwd())
    if state is not None:
        found["git"] = state
    return found


def variables(environ: dict[str, str]) -> dict[str, str]:
    """Those that say how a job was started."""
    return {
        name: value[:_LONGEST_VALUE]
        for name, value in sorted(environ.items())
        if (name in _NAMES or name.startswith(_PREFIXES)) and not _SECRET.search(name)
    }


def hidden(command: list[str]) -> list[str]:
    """A command line without what follows on an option, or a header, whose name says that it is a secret, and without the
    names and passwords of addresses."""
    shown: list[str] = []
    hide = False
    for given in command:
        one = _HEADER.sub(rf"\1{_HIDDEN}", _CREDENTIALS.sub(f"://{_HIDDEN}@", given))
        name, equals, _ = one.partition("=")
        secret = _SECRET.search(name) is not None and (name.startswith("-") or bool(equals))
        if hide and not one.startswith("-"):
            shown.append(_HIDDEN)
        elif secret and equals:
            shown.append(f"{name}={_HIDDEN}")
        else:
            shown.append(one)
        hide = secret and not equals and one.startswith("-")
    return shown


def git(directory: Path) -> dict[str, Any] | None:
    """commit, branch (none where it is detached), remote, dirty (none where git can't tell in time); None where there is no
    repository, or no git."""
    commit = _git(directory, "rev-parse", "HEAD")
    if not commit:
        return None
    status = _git(directory, "status", "--porcelain", "--untracked-files=no")
    state: dict[str, Any] = {"commit": commit} | ({} if status is None else {"dirty": bool(status)})
    branch = _git(directory, "symbolic-ref", "--short", "-q", "HEAD")
    remote = _git(directory, "config", "--get", "remote.origin.url")
    return state | ({"branch": branch} if branch else {}) | ({"remote": _public(remote)} if remote else {})


def uncommitted(directory: Path) -> str | None:
    """What git says has changed since the last commit, up to 1 MiB; None if nothing has."""
    kept, length = bytearray(), 0
    try:
        process = subprocess.Popen(
            _command(directory, "diff", "HEAD", "--no-color", "--no-ext-diff"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environ(),
        )
    except OSError:
        return None
    # Read piece by piece: of a data set that somebody changed it may be gigabytes.
    alarm = threading.Timer(_PATIENCE_S, process.kill)
    with process:
        alarm.start()
        assert process.stdout is not None
        while piece := process.stdout.read(_PIECE_BYTES):
            length += len(piece)
            kept += piece[: _LONGEST_DIFF - len(kept)]
    alarm.cancel()
    changes = kept.decode("utf-8", "replace").strip()
    if process.returncode != 0 or not changes:
        return None
    return changes if length == len(kept) else f"{changes}\n… {length - len(kept):,} bytes more"


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            _command(directory, *arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
            env=_environ(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def _command(directory: Path, *arguments: str) -> list[str]:
    return ["git", "-C", str(directory), *arguments]


def _environ() -> dict[str, str]:
    """It takes no lock that somebody else may be waiting for, and asks nobody for a password."""
    return {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def _public(remote: str) -> str:
    """An address without the name and password that may stand in it."""
    parts = urlsplit(remote)
    if not parts.scheme:
        return remote
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for one in metadata.distributions():
        name = one.metadata["Name"]
        # The first one on the path is the one that is imported.
        if name and name not in found:
            found[name] = one.version
    return dict(sorted(found.items(), key=lambda one: one[0].lower()))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gpus() -> list[str]:
    gpus = Gpus()
    names = gpus.names()
    gpus.close()
    return names

"""How a workload takes its samples: each in a fresh process, the sides in turns.

A process a sample, because everything a logger leaves behind would otherwise be charged to the next side: threads,
a changed switch interval, a grown heap, exit handlers, an imported torch.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import Sample

SAMPLE_TIMEOUT = 300.0

Side = tuple[Callable[..., Sample], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command line asked for: `quick` shortens every loop, `peers` also runs the other libraries.

    `scratch` is where runs are written; None takes the system's temporary directory. It should lie on a real disk:
    fsync on a tmpfs costs nothing. `demo_run` is a finished run of the demo, whose curves are compressed.
    """

    quick: bool = False
    peers: bool = True
    scratch: Path | None = None
    demo_run: Path | None = None

    def size(self, full: int, quick: int) -> int:
        """A number of steps, repeats or kills: `quick` when the run is quick."""
        return quick if self.quick else full

    @contextmanager
    def room(self) -> Iterator[Path]:
        """A directory of its own for one sample, removed after it with what was written there."""
        path = Path(tempfile.mkdtemp(prefix="asynclog-bench-", dir=self.scratch))
        try:
            yield path
        finally:
            shutil.rmtree(path)

    def sample(self, side: Callable[..., Sample], **arguments: Any) -> Sample:
        """Run `side(directory, **arguments)`, a module-level function, in a process of its own; its result."""
        with self.room() as room:
            directory, result = room / "run", room / "sample.json"
            directory.mkdir()
            target = f"{side.__module__}:{side.__qualname__}"
            command = [sys.executable, "-m", "bench.child", target, str(directory), json.dumps(arguments), str(result)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=SAMPLE_TIMEOUT, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"{target} {arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
            sample: Sample = json.loads(result.read_text())
            return sample

    def alternate(self, repeats: int, *sides: Side) -> list[list[Sample]]:
        """Sample the sides in turns (A B B A …), `repeats` times; one list a side, in step with the others.

        Each goes first as often as the other: a machine that grows slower or faster meanwhile favours neither.
        """
        taken: list[list[Sample]] = [[] for _ in sides]
        for number in range(repeats):
            order = list(zip(taken, sides, strict=True))
            for kept, (side, arguments) in order if number % 2 == 0 else reversed(order):
                kept.append(self.sample(side, **arguments))
        return taken


def stored_bytes(directory: Path, suffixes: Sequence[str] = ()) -> int:
    """Bytes of the files below `directory`, of all or of those with one of `suffixes`."""
    files = (path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files if not suffixes or path.suffix in suffixes)

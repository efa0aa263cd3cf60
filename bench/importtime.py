"""What `import asynclog; asynclog.MultiLogger` adds to the imports that it needs anyway."""

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from bench.figures import Bar, Figure
from bench.plan import Plan

TITLE = "Import time"
BASE = "import numpy, asyncio, msgpack, anyio, aiofiles"
OURS = "import asynclog; asynclog.MultiLogger"


def import_ms(statement: str) -> float:
    """ms that a fresh interpreter takes for `statement`, its own start not included."""
    program = f"from time import perf_counter as t\nbegin = t()\n{statement}\nprint((t() - begin) * 1e3)"
    return float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def run(plan: Plan) -> Iterator[Figure]:
    """The figure of the import workload."""
    for statement in (BASE, OURS):
        import_ms(statement)  # Byte code is compiled once, and a page cache filled once; neither is a cost of ours.
    pairs = [(import_ms(OURS), import_ms(BASE)) for _ in range(plan.size(15, 3))]
    ours, base = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    detail = f"{median(ours):.0f} ms against {median(base):.0f} ms; {len(pairs)} pairs"
    added = median(a - b for a, b in pairs)
    yield Figure(f"over `{BASE}`", added, "ms", Bar(40), detail, {"asynclog": ours, "base": base})

"""W2 with TensorBoard, W&B and JSON lines live at once: the same heartbeat, beside an empty loop of equal length.

The sinks have no limit: all that is logged goes to each of them, media encoded. Two workers and the recorder compute beside the
loop then, on whatever cores there are; so the same loop without a logger, beside as many busy processes, says what of its
delays is the machine's. Afterwards every sink has been given everything, late or not.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Bar, Figure, Sample, middle
from bench.plan import Plan
from bench.w2_stall import LEAST_BEATS, LOADS, added, beset, empty, logged, read_back

TITLE = "W2 with live destinations"
ADDED = Bar(2.0)
DEADLINE_S = 240.0
BUSY_PROCESSES = 3  # a recorder and two workers


def live(directory: Path, *, load: str, steps: int) -> Sample:
    """The load with three destinations; what the journal holds, and what no destination was given."""
    return asyncio.run(_live(directory / "run", load, steps))


async def _live(directory: Path, load: str, steps: int) -> Sample:
    import asynclog as al

    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    sinks = [al.sinks.TensorBoard(), al.sinks.WandB(mode="offline", project="bench"), al.sinks.JSONLines("metrics.jsonl")]
    async with al.MultiLogger(directory, sinks=sinks) as log:
        # Until all are open: importing vendors' libraries is no part of it.
        await log.flush()
        sample = await logged(log, load, steps)
        await log.flush(deadline=DEADLINE_S)
    routes = log.statistics()["routes"]
    short = sum(one["offered"] - one["delivered"] - one["rejected"] for one in routes.values())
    return sample | read_back(directory, load, steps) | {"short": short}


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of W2 with live destinations."""
    for load in ("flat", "paced"):
        words, full, quick, _, _ = LOADS[load]
        steps = plan.size(full, quick)
        taken: list[Sample] = []
        idle: list[float] = []
        while not taken or (not plan.quick and len(idle) < LEAST_BEATS):
            taken.append(plan.sample(live, load=load, steps=steps))
            idle += plan.sample(empty, load=load, seconds=taken[-1]["seconds"])["delays"]
        delays = [delay for sample in taken for delay in sample["delays"]]
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)):
            yield added(f"{words}: added {name}", share, delays, idle, ADDED if name == "p99.9" else None)
        control = [
            delay
            for sample in taken
            for delay in plan.sample(beset, load=load, seconds=sample["seconds"], neighbours=BUSY_PROCESSES)["delays"]
        ]
        beside = f"{words}: added p99.9, {BUSY_PROCESSES} busy processes and no logger"
        yield added(beside, 0.999, control, idle, None)
        yield middle(f"{words}: in log calls and write, a step", [one["step_ms"] for one in taken], "ms")
        missing = sum(one["missing"] + one["short"] for one in taken)
        yield Figure(f"{words}: not read back, or not given to a destination", missing, "values", Bar(0))

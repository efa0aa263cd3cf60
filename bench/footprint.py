"""Bytes per scalar on disk, plain and with zstd and byte-shuffle, of curves such as a training loop makes.

With a finished run of the demo (`--demo-run`), its own scalars are written again. Without one, curves of the same make:
computed in float32, as losses are, smooth with noise; not random bits, which nothing compresses.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.figures import Bar, Figure, Sample, middle
from bench.plan import Plan, stored_bytes

TITLE = "Footprint"
STEPS = 100_000
LEAST_POINTS = 200


def curves(steps: int) -> dict[str, NDArray[np.float64]]:
    """Ten float32-born curves of `steps` values each."""
    random = np.random.default_rng(0)
    time = np.linspace(0, 1, steps, dtype=np.float32)
    made: dict[str, NDArray[np.float64]] = {}
    for number in range(8):
        decay = np.exp(-(number + 2) * time) + np.float32(0.05)
        noise = random.standard_normal(steps).astype(np.float32) * np.float32(0.02)
        made[f"train/curve{number}"] = (decay * (1 + noise)).astype(np.float32).astype(np.float64)
    # A schedule, and a count as an episode's length is one.
    made["train/lr"] = (np.float32(3e-4) * (1 - time)).astype(np.float64)
    made["train/length"] = random.integers(8, 500, steps).astype(np.float64)
    return made


def demo_curves(directory: Path) -> dict[str, NDArray[np.float64]]:
    """The demo's longest family of scalars: those that have as many points as the one that has most."""
    import asynclog as al

    run = al.read(directory)
    found = {}
    for named in run.keys():  # noqa: SIM118 — a method of the run, not of a dict
        if named.kind == "scalar":
            series = run.series(named.key, namespace=named.namespace, phase=named.phase)
            found[f"{named.phase}/{named.namespace}/{named.key}"] = np.asarray(series.value, dtype=np.float64)
    most = max(len(values) for values in found.values())
    return {key: values for key, values in found.items() if len(values) == most}


def ours(directory: Path, *, compress: str | None, steps: int, demo_run: str | None) -> Sample:
    """Bytes a scalar of a run's segments, headers, schemas and all."""
    return asyncio.run(_ours(directory / "run", compress, steps, demo_run))


async def _ours(directory: Path, compress: str | None, steps: int, demo_run: str | None) -> Sample:
    import asynclog as al

    data = curves(steps) if demo_run is None else demo_curves(Path(demo_run))
    table = np.column_stack(list(data.values())).tolist()
    # A demo's two thousand points would be half headers; its curves are laid end to end until they are long enough.
    table *= max(1, steps // len(table))
    async with al.MultiLogger(directory, journal=al.Journal(compress=compress)) as log:
        for step, values in enumerate(table):
            log.log(dict(zip(data, values, strict=True)))
            await log.write(step)
            if step % 1_000 == 0:
                await asyncio.sleep(0)
    return {"bytes": stored_bytes(directory, (".alog",)) / (len(table) * len(data))}


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of the footprint workload."""
    steps = plan.size(STEPS, 20_000)
    source = "the demo's curves" if plan.demo_run else "float32-born curves"
    demo = None if plan.demo_run is None else str(plan.demo_run)
    for what, compress, bar in (("plain", None, Bar(10)), ("zstd and shuffle", "zstd", Bar(5))):
        sample = plan.sample(ours, compress=compress, steps=steps, demo_run=demo)
        yield middle(f"bytes per scalar, {what}", [sample["bytes"]], "bytes", bar=bar, detail=source)

"""Many keys: 1,000 metrics a step; 100,000 keys, in sets of 100 that come again, and in sets that never do.

Each beside ten metrics a step, per scalar. All sides build their mapping with `dict(zip(keys, values))` inside the
clock, since nobody writes out a literal of a thousand keys.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from bench.figures import Bar, Figure, Sample, column, middle, ratio
from bench.plan import Plan, stored_bytes
from bench.scalars import settle
from bench.w1_scalars import caller

TITLE = "Keys"
KEYS = 100_000
SET = 100
SCALARS = 3_000_000
PIECE = 100

Sets = Sequence[tuple[str, ...]]


def key_sets(shape: str, steps: int) -> Sets:
    """The keys of every step: `ten`, `thousand`, `recurring` or `churning`."""
    names = [f"layer{number // 100:04}/weight{number % 100:02}" for number in range(KEYS)]
    if shape in ("ten", "thousand"):
        return [tuple(names[: 10 if shape == "ten" else 1_000])] * steps
    if shape == "recurring":
        sets = [tuple(names[at : at + SET]) for at in range(0, KEYS, SET)]
        return [sets[step % len(sets)] for step in range(steps)]
    choose = np.random.default_rng(1)
    return [tuple(names[at] for at in choose.choice(KEYS, SET, replace=False)) for _ in range(steps)]


WIDTHS = {"ten": 10, "thousand": 1_000, "recurring": SET, "churning": SET}


def ours(directory: Path, *, shape: str, scalars: int) -> Sample:
    """ns a scalar in the caller, bytes a scalar, scalars that weren't read back."""
    return asyncio.run(_ours(directory / "run", shape, scalars))


async def _ours(directory: Path, shape: str, scalars: int) -> Sample:
    import asynclog as al

    steps = scalars // WIDTHS[shape]
    sets = key_sets(shape, steps)
    values = np.random.default_rng(0).random((steps, WIDTHS[shape])).tolist()
    settle()
    inside = 0.0
    async with al.MultiLogger(directory) as log:
        log.log({"warm": 0.0})
        await log.write(0)
        await log.flush()
        for start in range(0, steps, PIECE):
            before = perf_counter()
            for step in range(start, min(start + PIECE, steps)):
                log.log(dict(zip(sets[step], values[step], strict=True)))
                await log.write(step)
            inside += perf_counter() - before
            await asyncio.sleep(0)
    written = stored_bytes(directory, (".alog",))
    run = al.read(directory)
    distinct = sorted(set().union(*sets[:: max(1, steps // 100)]))[:200]
    wanted = dict.fromkeys(distinct, 0)
    for keys in sets:
        for key in wanted.keys() & set(keys):
            wanted[key] += 1
    missing = sum(times - len(run.series(key).value) for key, times in wanted.items())
    return {"caller_ns": inside / (steps * WIDTHS[shape]) * 1e9, "bytes": written / scalars, "missing": missing}


def run(plan: Plan) -> Iterator[Figure]:
    """The figures of the keys workload."""
    repeats, scalars = plan.size(3, 1), plan.size(SCALARS, 200_000)
    missing: list[float] = []
    for what, shape, bar in (
        ("1,000 metrics a step, a scalar, over 10 a step", "thousand", Bar(0.5)),
        ("100,000 keys in sets of 100 that recur", "recurring", Bar(1.0)),
        ("100,000 keys in sets of 100 that never recur", "churning", Bar(4.0)),
    ):
        ten, many = plan.alternate(
            repeats,
            (ours, {"shape": "ten", "scalars": scalars}),
            (ours, {"shape": shape, "scalars": scalars}),
        )
        missing += column([*ten, *many], lambda sample: sample["missing"])
        yield ratio(what, (shape, column(many, caller)), ("ten", column(ten, caller)), bar=bar)
        size = column(many, lambda sample: sample["bytes"])
        yield middle(f"{what}: bytes", size, "bytes", bar=Bar(30) if shape == "churning" else None)
    yield Figure("not read back, of the keys looked at", sum(missing), "scalars", Bar(0), "200 keys a run")

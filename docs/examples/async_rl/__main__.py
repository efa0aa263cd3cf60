"""An async RL trainer with and without a logger: ``python -m docs.examples.async_rl``, from a checkout, with torch."""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch

import asynclog as al
from docs.examples.async_rl.heartbeat import Heartbeat
from docs.examples.async_rl.silence import Silence
from docs.examples.async_rl.training import Told, Trainer


async def trained(log: Any, name: str, tasks: int, updates: int) -> Told:
    """Train once, and print what the loop felt of it."""
    async with Heartbeat() as heart:
        began = perf_counter()
        told = await Trainer(log, tasks=tasks, updates=updates).run()
        took = perf_counter() - began
    print(f"{name:16} {len(told.episodes) / took:6.0f} rollouts/s   loop's lag: {heart}")
    return told


async def recorded(run: Path, tasks: int, updates: int) -> tuple[Told, dict[str, Any]]:
    """The same with a logger; returns its statistics, too."""
    async with al.MultiLogger(run, sinks=[al.sinks.JSONLines("metrics.jsonl")]) as log:
        told = await trained(log, "with asynclog", tasks, updates)
    return told, log.statistics()


def main(run: Path, tasks: int, updates: int, repeats: int) -> Told:
    """Train with and without a logger in turns; returns what was logged in the last turn, which is recorded in ``run``."""
    torch.set_num_threads(1)
    asyncio.run(Trainer(Silence(), tasks=tasks, updates=5).run())  # torch's first steps are slow
    with TemporaryDirectory() as passing:
        for repeat in range(repeats - 1):
            asyncio.run(trained(Silence(), "without logging", tasks, updates))
            asyncio.run(recorded(Path(passing) / f"{repeat}", tasks, updates))
    asyncio.run(trained(Silence(), "without logging", tasks, updates))
    told, statistics = asyncio.run(recorded(run, tasks, updates))
    print(f"evaluations, late by {[reached - version for version, _, reached in told.evaluations]} versions:")
    print("   ", "  ".join(f"v{version}: {value:.2f}" for version, value, _ in sorted(told.evaluations)))
    routes = statistics["routes"].values()
    print(f"{len(told.episodes):,} rollouts logged, {sum(one['dropped'] + one['rejected'] for one in routes)} dropped")
    print(al.read(run))
    return told


def asked(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m docs.examples.async_rl", description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/async_rl"), help="the run's directory")
    parser.add_argument("--tasks", type=int, default=200, help="rollouts at once")
    parser.add_argument("--updates", type=int, default=200, help="steps of the learner")
    parser.add_argument("--repeats", type=int, default=2, help="how often to train with and without a logger")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    given = asked()
    main(given.run, given.tasks, given.updates, given.repeats)

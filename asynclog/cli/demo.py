"""``asynclog demo``: a real training, recorded."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from asynclog.demo import TASKS


def demo(
    directory: Annotated[
        Path | None,
        typer.Argument(help="The run's directory; runs/demo, or runs/ and the name of another task.", show_default=False),
    ] = None,
    task: Annotated[
        str, typer.Option(help=f"What is learned: {' or '.join(TASKS)}.", autocompletion=lambda: list(TASKS))
    ] = TASKS[0],
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Train so long at most; 75 (digits: 60) or, with --quick, 10.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same weights and games to start with.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Ten seconds, to see it work.")] = False,
) -> None:
    """Train something small and record everything about it: by default a policy that balances a pole, with asyncio actors
    and a learner; or an autoencoder that redraws handwritten digits."""
    try:
        from asynclog.demo.session import run
        from asynclog.demo.task import task_named

        task_named(task)
    except ImportError as error:
        missing = str(error.name).partition(".")[0]
        raise ImportError(f"the demo needs {missing}: pip install 'asynclog-stream[demo]'") from error
    place = directory or Path("runs", "demo" if task == TASKS[0] else task)
    asyncio.run(run(place, task=task, seconds=seconds, seed=seed, quick=quick))

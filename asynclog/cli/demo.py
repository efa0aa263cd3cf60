"""``asynclog demo``: a real training, recorded."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer


def demo(
    directory: Annotated[Path, typer.Argument(help="The run's directory.")] = Path("runs/demo"),
    seconds: Annotated[float | None, typer.Option(min=1, help="Train so long at most; 75 or, with --quick, 10.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same games.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Ten seconds, to see it work.")] = False,
) -> None:
    """Train a small policy to balance a pole with asyncio actors and a learner, and record everything about it."""
    try:
        from asynclog.demo import run
    except ImportError as error:
        raise ImportError(f"the demo needs {error.name}: pip install 'asynclog-stream[demo]'") from error
    asyncio.run(run(directory, seconds=seconds, seed=seed, quick=quick))

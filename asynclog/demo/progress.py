"""What is to be seen while the training runs: a bar in a terminal, a line now and then anywhere else."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from asynclog.demo.training import Standing

BETWEEN_LINES_S: Final = 5.0
BETWEEN_UPDATES_S: Final = 0.25


@contextmanager
def shown(console: Console, seconds: float) -> Iterator[Callable[[Standing], None]]:
    """Give a function that shows a standing; call it every BETWEEN_UPDATES_S."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (SpinnerColumn(), BarColumn(bar_width=24), TimeElapsedColumn(), TextColumn("{task.description}"))
    # rich draws from a thread of its own: a terminal that is slow to take its bytes must not hold the event loop.
    with Progress(*columns, console=console, refresh_per_second=4, transient=True) as progress:
        task = progress.add_task("starting", total=1.0)

        def update(standing: Standing) -> None:
            progress.update(task, completed=standing.share(seconds), description=standing.words())

        yield update


def _lines(console: Console) -> Callable[[Standing], None]:
    due = 0.0

    def line(standing: Standing) -> None:
        nonlocal due
        if standing.elapsed_s >= due:
            due = standing.elapsed_s + BETWEEN_LINES_S
            console.print(f"{standing.elapsed_s:5.0f} s · {standing.words()}", highlight=False)

    return line


async def follow(standing: Standing, show: Callable[[Standing], None]) -> None:
    """Show the standing until cancelled."""
    while True:
        show(standing)
        await asyncio.sleep(BETWEEN_UPDATES_S)

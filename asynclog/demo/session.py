"""A demo from beginning to end: load, train with a logger open, close the run, read it back, show and draw what it holds."""

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from asynclog.demo import progress, report
from asynclog.demo.log import Log
from asynclog.demo.report import DemoResult, Recorded
from asynclog.demo.task import Task, task_named
from asynclog.demo.training import Plan


async def run(
    directory: str | Path,
    *,
    task: str | Task[Any, Any] = "cartpole",
    seconds: float | None = None,
    seed: int = 0,
    quick: bool = False,
    console: Console | None = None,
    open_log: Callable[[Path, Plan], AbstractAsyncContextManager[Log]] | None = None,
    read_back: Callable[[Path, str], Recorded] = report.read_back,
) -> DemoResult[Any]:
    """Train, record into `directory`, and show what came of it; the first Ctrl-C ends the training in good order.

    task: one of TASKS, to be planned by the three that follow, or one with its own plan. seconds: of training at most;
    None: as many as the task plans for itself, fewer if quick.
    open_log, read_back: what records and what reads, for tests. Raises InvalidConfiguration for an unknown task.
    """
    directory = Path(directory)
    console = console or Console()
    if isinstance(task, str):
        task = (await asyncio.to_thread(task_named, task)).planned(seconds, seed, quick)
    await asyncio.to_thread(task.load)
    interrupted = False
    async with (open_log or _open_log)(directory, task.plan) as log:
        training = task.training(log)

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            training.stop()

        with _spared_collection(), _first_interrupt(interrupt), progress.shown(console, task.plan.seconds) as show:
            following = asyncio.create_task(progress.follow(training.standing, show))
            try:
                await training.run()
            finally:
                following.cancel()
    result = DemoResult(
        directory=directory,
        picture=directory / report.PICTURE,
        standing=training.standing,
        lag_s=training.lag.quantiles(),
        logging_s=training.cost.each(),
        interrupted=interrupted,
        recorded=await asyncio.to_thread(read_back, directory, task.curve),
    )
    telling = task.telling(result)
    await asyncio.to_thread(report.draw, result, telling)
    await asyncio.to_thread(report.show, console, result, telling)
    return result


def _open_log(directory: Path, plan: Plan) -> AbstractAsyncContextManager[Log]:
    import asynclog

    al: Any = asynclog
    limit = al.RateLimit(train=plan.pictures_every, valid=0.0, test=0.0, spare={"scalar"})
    log: AbstractAsyncContextManager[Log] = al.MultiLogger(directory, limit=limit)
    return log


@contextmanager
def _spared_collection() -> Iterator[None]:
    """Keep the garbage collector from going through what is loaded already.

    Measured: it takes 0.1 to 0.2 s for torch's objects alone, a few times a minute, and the loop stands still meanwhile.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _first_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C call `stop`; a second one does what it always did."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield  # no signal handlers on such a loop: Ctrl-C cancels the task, and the logger closes on the way out
        return
    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGINT)

    def restore() -> None:
        if loop.remove_signal_handler(signal.SIGINT):
            signal.signal(signal.SIGINT, before)

    def once() -> None:
        restore()
        stop()

    loop.add_signal_handler(signal.SIGINT, once)
    try:
        yield
    finally:
        restore()

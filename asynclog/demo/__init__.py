"""The main job: an asyncio actor-learner loop that learns CartPole while everything it says is recorded.

`run` is all of it: load, train with a logger open, close the run, read it back, show and draw what it holds. Needs the
extra `demo` (gymnasium, pygame, torch, Pillow, rich).
"""

import asyncio
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
from asynclog.demo.loop import Plan, Training, load
from asynclog.demo.report import DemoResult, Recorded

__all__ = ["DemoResult", "run"]

QUICK_S = 10.0
FULL_S = 75.0


async def run(
    directory: str | Path,
    *,
    seconds: float | None = None,
    seed: int = 0,
    quick: bool = False,
    console: Console | None = None,
    open_log: Callable[[Path, Plan], AbstractAsyncContextManager[Log]] | None = None,
    read_back: Callable[[Path], Recorded] = report.read_back,
) -> DemoResult:
    """Train, record into `directory`, and show what came of it; the first Ctrl-C ends the training in good order.

    seconds: of training at most, 75 or, if quick, 10 unless told; it ends when five validations in a row have solved the
    task; if quick, three. open_log, read_back: what records and what reads, for tests.
    """
    directory = Path(directory)
    console = console or Console()
    plan = plan_for(seconds, seed, quick)
    stage = await asyncio.to_thread(load, plan)
    interrupted = False
    async with (open_log or _open_log)(directory, plan) as log:
        training = Training(log, plan, stage)

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            training.stop()

        with _first_interrupt(interrupt), progress.shown(console, plan.seconds) as show:
            following = asyncio.create_task(progress.follow(training.standing, show))
            try:
                await training.run()
            finally:
                following.cancel()
    result = _result(directory, training, interrupted, await asyncio.to_thread(read_back, directory))
    await asyncio.to_thread(report.draw, result)
    await asyncio.to_thread(report.show, console, result)
    return result


def plan_for(seconds: float | None, seed: int, quick: bool) -> Plan:
    """Plan a full demo, or of a quick one, which takes larger steps and looks at itself more often."""
    if quick:
        return Plan(QUICK_S if seconds is None else seconds, seed, every=0.5, rate=1e-3, pictures_every=0.5, in_a_row=3)
    return Plan(FULL_S if seconds is None else seconds, seed)


def _open_log(directory: Path, plan: Plan) -> AbstractAsyncContextManager[Log]:
    import asynclog

    al: Any = asynclog
    limit = al.RateLimit(train=plan.pictures_every, valid=0.0, test=0.0, spare={"scalar"})
    log: AbstractAsyncContextManager[Log] = al.MultiLogger(directory, limit=limit)
    return log


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


def _result(directory: Path, training: Training, interrupted: bool, recorded: Recorded) -> DemoResult:
    standing = training.standing
    return DemoResult(
        directory=directory,
        picture=directory / report.PICTURE,
        untrained_return=standing.untrained_return or 0.0,
        trained_return=standing.trained_return or 0.0,
        kept_update=standing.kept_update,
        solved_s=standing.solved_s,
        elapsed_s=standing.elapsed_s,
        updates=standing.updates,
        environment_steps=standing.steps,
        episodes=standing.episodes,
        validations=standing.validations,
        late_validations=standing.late,
        latest_updates=standing.latest,
        lag_s=training.lag.quantiles(),
        logging_s=training.cost.each(),
        interrupted=interrupted,
        recorded=recorded,
    )

"""Calls into a sink: whatever it does (raise, hang, ``sys.exit``, cancel its task) ends here, is tried again or given up, and
is told to a person once.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from asynclog.engine.hands import Hand
from asynclog.errors import InvalidConfiguration
from asynclog.flow.retry import BATCHES, Retry, Streak, Verdict

Call = Literal["open", "write", "flush", "run_ended", "aclose"]


class Calls:
    """tell(text, fatal): tell a person. hand: marks that the sink is being called. own_thread: whether the task is alone in
    its loop, so that only the sink can have cancelled it. batches: so many that fail in a row stop the sink."""

    def __init__(self, tell: Callable[[str, bool], None], hand: Hand, batches: int = BATCHES) -> None:
        self.own_thread = False
        self.error: str | None = None
        self.failing = self.stopped = self.left = False
        self._tell, self._hand = tell, hand
        self._retry = Retry(batches)
        # A flush that goes well says nothing about the batches that don't, nor does the end of the run.
        self._streaks: dict[str, Streak] = {one: Streak() for one in ("write", "flush", "run_ended", "aclose")}

    async def attempt(self, call: Call, action: Callable[[], Awaitable[Any]]) -> bool:
        """Do what may fail as often as the retry rules say, flushing and closing once; True if it went well in the end."""
        once = call in ("flush", "aclose")
        streak = self._streaks.get(call, self._streaks["write"])
        while True:
            failure = await self._try(action)
            if failure is None:
                if not once:
                    self._retry.succeeded()
                    self.failing = False
                self._recovered(call, streak.succeeded())
                return True
            # Of a setting that is none, the words are what helps: they name the way out.
            misconfigured = isinstance(failure, InvalidConfiguration)
            self.error = str(failure) if misconfigured else "".join(traceback.format_exception(failure)).rstrip()
            if streak.failed(failure):
                self._tell(self.error, False)
            if once:
                return False
            if self.left:
                return False
            verdict = self._retry.failed(failure)
            # Its traceback holds this frame, and so the batch: a cycle would keep shared memory until it is collected.
            del failure
            if verdict is Verdict.AGAIN:
                self.failing = True
                await asyncio.sleep(self._retry.delay_s)
                if self._left_meanwhile():
                    return False
                continue
            if verdict is Verdict.STOP or call == "open":
                self.stop(self.error)
            elif call == "write" and streak.gives_up():
                self._tell("its batch is given up: what is in it counts as rejected", False)
            return False

    def _left_meanwhile(self) -> bool:
        # Whoever comes next has the cursor, and delivers what this one would bring a second time.
        return self.left

    def stop(self, error: str) -> None:
        """Give the sink up, loudly."""
        self.error, self.stopped, self.failing = error, True, False
        self._tell(error, True)

    def _recovered(self, call: Call, tries: int) -> None:
        if tries:
            self._tell(f"{call} works again after {tries} failed {'try' if tries == 1 else 'tries'}", False)

    async def _try(self, action: Callable[[], Awaitable[Any]]) -> BaseException | None:
        await self._hand.wait_for_turn()
        try:
            with self._hand:
                await action()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                if not self.own_thread:
                    raise
                while task.uncancel():
                    pass
            return SystemExit("the sink cancelled its own task")
        except GeneratorExit:
            # Its loop ended without a word, and the task is being collected.
            raise
        except BaseException as error:  # noqa: BLE001 - this is the one place that isolates
            return error
        return None

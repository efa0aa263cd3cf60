"""For a class with a loop of its own: ``run()`` takes items from its queue, in a thread, until it is given None.

A result counts as logged when the loop comes back for the next one, so a kill in between repeats it.
"""

import queue
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynclog.integrations.threedb.base_logger import BaseLogger


class Served(queue.Queue[Any]):
    """A queue that knows when an item is done with: at the next ``get``, or when it is closed because nobody takes any more."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self._out = False

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if self._out:
            self._out = False
            self.task_done()
        item = super().get(block, timeout)
        self._out = True
        return item

    def wait(self) -> None:
        """Until everything that was put is done with, or the queue is closed."""
        with self.all_tasks_done:
            while self.unfinished_tasks and not self.closed:
                self.all_tasks_done.wait()

    def reopen(self) -> None:
        with self.all_tasks_done:
            self.queue.clear()
            self.unfinished_tasks, self.closed, self._out = 0, False, False

    def close(self) -> None:
        with self.all_tasks_done:
            self.closed = True
            self.all_tasks_done.notify_all()


class OwnLoop:
    """Serves a logger's ``run``, in one thread after another if it raises."""

    def __init__(self, logger: "BaseLogger") -> None:
        self._logger = logger
        self._queue = logger.queue = Served()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def log(self, item: dict[str, Any]) -> None:
        """Returns when the loop is done with the item. Raises what ``run`` raised, and RuntimeError if it just ended."""
        if self._thread is None:
            self._queue.reopen()
            self._thread = threading.Thread(target=self._run, name=f"{type(self._logger).__name__}.run", daemon=True)
            self._thread.start()
        self._queue.put(item)
        self._queue.wait()
        if self._queue.closed:
            self._join()
            raise RuntimeError(f"{type(self._logger).__name__}.run ended before it was given None")

    def end(self) -> None:
        """Let the loop end. One that got no result gets None alone, as in 3DB."""
        self._queue.put(None)
        if self._thread is None:
            self._logger.run()
        else:
            self._join()

    def _join(self) -> None:
        assert self._thread is not None
        self._thread.join()
        self._thread, error, self._error = None, self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # whose traceback holds this frame, and the item's arrays

    def _run(self) -> None:
        try:
            self._logger.run()
        except BaseException as error:  # noqa: BLE001 - it is raised where the item came from
            self._error = error
        finally:
            self._queue.close()

"""Threads that begin to work together."""

import threading
from collections.abc import Callable, Iterable


def abreast(works: Iterable[Callable[[], object]]) -> list[threading.Thread]:
    """A thread a work, all of them started; none works before all are there.

    One is there before the next one starts: CPython 3.11 ends a thread that begins to be traced, by coverage say, while
    another one does.
    """
    begin, there = threading.Event(), threading.Semaphore(0)

    def begun(work: Callable[[], object]) -> None:
        there.release()
        begin.wait()
        work()

    threads = [threading.Thread(target=begun, args=(work,)) for work in works]
    for one in threads:
        one.start()
        there.acquire()
    begin.set()
    return threads

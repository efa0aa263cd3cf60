"""What every test stands on: the backend, the watch over the event loop, Hypothesis's profiles."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
from blockbuster import BlockBuster
from hypothesis import HealthCheck, settings

# Blocking is allowed below these functions, wherever they are called. A socket that is set non-blocking needs no entry:
# its sends and receives pass by themselves, as do os.read and os.write on such a descriptor, a lock that is free, and
# everything on another thread. An entry is (end of the file's path, names of functions in it), with its reason.
MAY_BLOCK: list[tuple[str, set[str]]] = [
    # Reading a finished run is synchronous by contract; whoever calls it on a loop has chosen so.
    ("asynclog/readers/run.py", {"read"}),
    ("asynclog/readers/verify.py", {"verify"}),
    ("asynclog/artifacts/stored.py", {"all_artifacts", "one_artifact", "content", "listing", "download"}),
    # Two of the kernel's files, read once when a logger is made: microseconds, and no disk.
    ("asynclog/shm/memory.py", {"default_quota"}),
    # Python collects garbage there, and some of it complains of files that other tests left open.
    ("torch/autograd/graph.py", {"_engine_run_backward"}),
    # The coverage tracer's own lock.
    ("coverage/collector.py", {"lock_data"}),
]

# No deadlines and no complaints of slow examples: the machine may be busy with other workers' tests.
UNHURRIED: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=50, **UNHURRIED)
# A failure in CI is one that the next run shows again.
settings.register_profile("ci", max_examples=100, derandomize=True, print_blob=True, **UNHURRIED)
settings.register_profile("soak", max_examples=5_000, **UNHURRIED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


# Started in a shell's background, these tests ignore Ctrl-C, and so would every process they start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class LoopWatch:
    """Makes a blocking call of asynclog's an error (`blockbuster.BlockingError`) on the loop that runs a test.

    Only on that thread: a sink's and an engine's own threads have loops that may block, which is why they exist.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._blockbuster = BlockBuster("asynclog")
        self.paused = False
        for function in self._blockbuster.functions.values():
            function.can_block_predicate = self._allows(function.can_block_predicate)
            function.can_block_functions.extend(MAY_BLOCK)

    def _allows(self, ruling: Callable[..., bool]) -> Callable[..., bool]:
        def may_block(*args: Any, **kwargs: Any) -> bool:
            return self.paused or threading.get_ident() != self._thread or ruling(*args, **kwargs)

        return may_block

    def __enter__(self) -> Self:
        self._blockbuster.activate()
        return self

    def __exit__(self, *_: object) -> None:
        self._blockbuster.deactivate()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asyncio is the only loop on the caller's side."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def loop_watch(request: pytest.FixtureRequest) -> Iterator[LoopWatch]:
    """One watch for the whole session: Hypothesis runs many examples within one test, and none needs a fresh one."""
    with LoopWatch() as watch:
        request.config.stash[WATCH] = watch
        yield watch


WATCH = pytest.StashKey[LoopWatch]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `gpu` is skipped where torch sees no CUDA device."""
    if item.get_closest_marker("gpu") is not None:
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test marked `blocking` runs unwatched."""
    watch = item.config.stash.get(WATCH, None)
    if watch is None or item.get_closest_marker("blocking") is None:
        return (yield)
    watch.paused = True
    try:
        return (yield)
    finally:
        watch.paused = False

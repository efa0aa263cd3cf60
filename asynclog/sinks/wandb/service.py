"""W&B's own process, which does its work: one for all runs of this process, started by the first and ended by the last.

Its end is waited for: only then is it certain that its files are whole. A run that is finished may still have its last records
in that process.
"""

import threading
from contextlib import suppress
from typing import Any, Final

_lock: Final = threading.Lock()
_runs: Final[list[Any]] = []


def begin(**settings: Any) -> Any:
    """``wandb.init``; the run counts from now on."""
    import wandb

    with _lock:  # sinks in threads of one process share that service
        _runs.append(settings)
    try:
        return wandb.init(**settings)
    except BaseException:
        leave()
        raise


def finish(run: Any, exit_code: int) -> None:
    """Finish the run, and return when its files are whole."""
    try:
        run.finish(exit_code=exit_code)
    finally:
        leave()


def leave() -> None:
    """A run less."""
    import wandb

    with _lock:
        _runs.pop()
        # A program's own run, where the sink lives beside one, needs the service as well.
        if not _runs and wandb.run is None:
            with suppress(ConnectionError):  # of a service that is gone already
                wandb.teardown()

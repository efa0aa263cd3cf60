"""A run in an Aim repo: made under a name that is derived from ours, opened again, marked, let go.

Aim has two locks. One is a file that says which process writes the run; it stays behind when that process is killed, and Aim
lets it go where it sees that nobody has that number now. The other is RocksDB's own, of the operating system, which ends with
its process; it is the one that protects the data. So where the first still stands, because another process has that number now,
it is broken, and the second decides.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from asynclog.errors import SinkUnavailable

_HASH_BYTES: Final = 12
_STATUS_TAGS: Final = ("failed", "killed", "exited")


def run_hash(run_id: str, rank: int) -> str:
    """24 hex digits, as Aim's own names of runs."""
    return blake2b(f"{run_id}\0{rank}".encode(), digest_size=_HASH_BYTES).hexdigest()


@contextmanager
def translated() -> Iterator[None]:
    """Raises SinkUnavailable where somebody else holds the run, or the database of names is busy."""
    from aimrocks.errors import RocksIOError
    from filelock import Timeout
    from sqlalchemy.exc import OperationalError

    try:
        yield
    except (RocksIOError, Timeout, OperationalError) as error:
        raise SinkUnavailable(f"Aim's repo can't be written now: {error}") from error


class Home:
    """One run, open for writing. started_at: seconds since 1970, when the run began if it isn't there yet."""

    def __init__(self, repo: Path, name: str, started_at: float) -> None:
        import aim
        from filelock import Timeout

        self._hash = name
        repo.mkdir(parents=True, exist_ok=True)
        self._repo = aim.Repo.from_path(str(repo), init=not aim.Repo.exists(str(repo)))
        # Aim makes runs under names of its own, and opens those that are there: a directory is enough to be there.
        place = Path(self._repo.path, "meta", "chunks", name)
        if not place.exists():
            place.mkdir(parents=True)
            self._repo._all_run_hashes.cache_clear()
            self._repo.request_props(
                name, read_only=False, created_at=datetime.fromtimestamp(started_at, UTC).replace(tzinfo=None)
            )
        options = {
            "run_hash": name,
            "repo": self._repo,
            # Threads that record the process they run in, which is a worker here, and not the training.
            "system_tracking_interval": None,
            "log_system_params": False,
            "capture_terminal_logs": False,
        }
        try:
            self.run: Any = aim.Run(**options)
        except Timeout:
            self.run = aim.Run(**options, force_resume=True)

    def mark(self, status: str) -> None:
        """Tag the run with how it ended, if not well; "" if it runs."""
        for tag in _STATUS_TAGS:
            if tag in self.run.tags and tag != status:
                self.run.remove_tag(tag)
        if status in _STATUS_TAGS and status not in self.run.tags:
            self.run.add_tag(status)

    def index(self) -> None:
        """Let the SDK's queries see what the run has. Raises RocksIOError while another process does so."""
        from aim.sdk.index_manager import RepoIndexManager

        RepoIndexManager.get_index_manager(self._repo).index(self._hash)

    def close(self, ended_at: float | None) -> None:
        """Let the run go. ended_at: seconds since 1970; None if it goes on, and shows so."""
        tree = self.run.meta_run_tree
        self.run.close()
        # It takes the time of this call for the run's end.
        tree["end_time"] = ended_at
        del tree
        self.run = None
        for config, container in list(self._repo.container_pool.items()):
            if config.sub == self._hash:
                container.close()

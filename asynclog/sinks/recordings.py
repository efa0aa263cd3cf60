"""A sink whose destination is a recording, one file a process: taken batch by batch, each into the file whole or not at all.

Delivery is at least once. A batch that is tried again isn't made again: what it became waits, and goes to the file. A finished
file can't grow, so a resumed run goes on in a next one, once the files before it have their ends.
"""

from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from asynclog.sink import Batch, Place, RunInfo
from asynclog.sinks.growing import path_in_run
from asynclog.sinks.successive import Earlier, Identities, existing, following


class Growing(Protocol):
    """A file that is being written."""

    def complete_batch(self) -> None: ...
    def accept(self) -> None: ...
    def sync(self) -> None: ...
    def finish(self) -> None: ...


R = TypeVar("R", bound=Growing)


class RecordingSink(Generic[R]):
    """Of ``MCAP`` and ``Rerun`` what they share; each makes its files, and says what a batch is in them."""

    default_place: ClassVar[Place] = "process"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._recording: R | None = None
        self._earlier: Earlier | None = None
        self._taken: tuple[str, int, int] | None = None
        self._rejected: list[str] = []

    async def open(self, run: RunInfo) -> None:
        self._require()
        path = path_in_run(self.path, run)
        path.parent.mkdir(parents=True, exist_ok=True)
        if run.resumed:
            self._earlier = self._ended(existing(path), run)
        else:
            for one in existing(path):
                one.unlink()
        self._recording = self._begun(following(path), run)

    async def write(self, batch: Batch, /) -> None:
        recording = self._opened
        this = (batch.writer, batch.epoch, batch.seq)
        if self._taken != this:
            self._rejected = []
            self._take(recording, batch, frozenset() if self._earlier is None else self._earlier.reaching(batch))
            self._taken = this
        for why in self._rejected:
            batch.reject(why)
        recording.accept()

    async def flush(self) -> None:
        self._opened.sync()

    async def aclose(self) -> None:
        if self._recording is not None:
            recording, self._recording = self._recording, None
            recording.finish()

    @property
    def _opened(self) -> R:
        assert self._recording is not None, "open() comes first"
        return self._recording

    def _require(self) -> None:
        """Raises ImportError, naming the extra, for a library that is missing."""
        raise NotImplementedError

    def _ended(self, there: list[Path], run: RunInfo) -> Earlier:
        """Give the files of earlier processes their ends; what they hold."""
        raise NotImplementedError

    def _begun(self, path: Path, run: RunInfo) -> R:
        """A new file, which says whose it is."""
        raise NotImplementedError

    def _take(self, recording: R, batch: Batch, known: Identities) -> None:
        """Add the batch, without what is known, and complete it; what can't be shown is noted in ``_rejected``."""
        raise NotImplementedError

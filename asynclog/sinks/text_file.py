"""A sink whose destination is one text file: records are appended, each once, a batch at a time.

Delivery is at least once. What a crash left half written is cut off on opening, by the sink's own ``_survey``, which also
remembers the last records before it: those that are delivered again are recognised by being equal, since each holds its
time to the nanosecond, and are not written twice.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, ClassVar, Final

from asynclog.sink import Place, RunInfo
from asynclog.sinks.growing import GrowingFile, path_in_run

REPEATS_BYTES: Final = 4 << 20
"""How far back a survey remembers: a crash may lose the cursor's last moves, but not megabytes of them."""


class TextFile:
    """Of ``JSONLines`` and ``CSV`` what they share; each makes its records and surveys its file."""

    default_place: ClassVar[Place] = "recorder"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._repeats: frozenset[bytes] = frozenset()
        self._file: GrowingFile | None = None

    async def open(self, run: RunInfo) -> None:
        self._file = GrowingFile(path_in_run(self.path, run))
        await self._file.open(self._survey if run.resumed else None)

    async def flush(self) -> None:
        await self._opened.flush()

    async def aclose(self) -> None:
        if self._file is not None:
            await self._file.aclose()

    @property
    def _opened(self) -> GrowingFile:
        assert self._file is not None, "open() comes first"
        return self._file

    def _survey(self, old: BinaryIO) -> int:
        """Where the last whole record of an earlier epoch ends; remembers the records before it by their identity."""
        raise NotImplementedError

    @staticmethod
    def _identity(record: bytes) -> bytes:
        """What is equal in a record and in its repetition."""
        return record

    def _once(self, records: Iterable[bytes]) -> bytes:
        """The records without those that an earlier epoch has written."""
        return b"".join(one for one in records if self._identity(one) not in self._repeats)

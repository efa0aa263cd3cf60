"""A file for libraries that write as they go, and can't take back what a full disk refused.

They write into memory. What is there goes to the file when a batch is complete: behind what was accepted, where an earlier try
may have left something.
"""

import os
from pathlib import Path


class BatchFile:
    """A new file. ``write`` and ``tell`` as a library wants them, then ``accept``."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._accepted = 0
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        self._waiting += data
        return len(data)

    def tell(self) -> int:
        return self._accepted + len(self._waiting)

    def flush(self) -> None:
        """The library's; ``accept`` is ours."""

    def accept(self) -> None:
        """All that waits goes to the file, or, if it raises OSError, still waits."""
        if self._file.tell() != self._accepted:
            self._file.truncate(self._accepted)
            self._file.seek(self._accepted)
        rest = memoryview(self._waiting)
        while rest:
            rest = rest[self._file.write(rest) :]
        rest.release()
        self._accepted += len(self._waiting)
        self._waiting = bytearray()

    def sync(self) -> None:
        """Return when what was accepted is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """What waits is given up."""
        self._file.close()

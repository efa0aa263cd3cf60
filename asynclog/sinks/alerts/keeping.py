"""What alerts keep over a restart: one JSON file a writer, replaced in one step, held by one process at a time."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asynclog.errors import SinkUnavailable


class Keeping:
    """Blocks: call it in a thread. Raises SinkUnavailable while another process, or another sink, holds the same file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise SinkUnavailable(
                f"{path} is held by another process or sink; two Alerts of one run need two names: Alerts(…, name=…)"
            ) from None

    def load(self) -> dict[str, Any] | None:
        """What was saved last; None for nothing, or for what can't be read."""
        try:
            state = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return state if isinstance(state, dict) else None

    def save(self, state: Mapping[str, Any]) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(self._path)

    def close(self) -> None:
        """Let go; a second time does nothing."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

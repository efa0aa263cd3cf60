"""Comet's offline archive while it grows: a directory of messages and files, sealed into one zip.

    messages.json       a message a line: {"type": "metric_msg", "payload": {"local_timestamp": …, "metric": {…}}}
    17.png, 18.wav …    what the messages refer to
    experiment.json     written last: whose they are, and whether they begin an experiment or go on with one

The form is that of ``comet_ml.OfflineExperiment``, whose own archive comes out empty after a kill: what it holds back in a
queue and in temporary files lies here from the first write on, and the next process goes on with it.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

from asynclog.sinks.strict_json import json_text

_MESSAGES: Final = "messages.json"
_EXPERIMENT: Final = "experiment.json"
Message = tuple[str, Mapping[str, Any]]
"""(type, payload)."""


class Archive:
    """One part of an experiment. directory: where its zip will lie. key: the experiment's. number: 0 for the first part."""

    def __init__(self, directory: Path, key: str, number: int) -> None:
        self.number = number
        self._key = key
        self._place = directory / f"{key}-{number}"
        self._zip = directory / (f"{key}.zip" if number == 0 else f"{key}-{number}.zip")
        self._place.mkdir(parents=True, exist_ok=True)
        self._file = FileIO(self._place / _MESSAGES, "ab+")
        self._files = len(list(self._place.iterdir()))
        self._count, self._times = self._recovered()

    def file(self, content: bytes, suffix: str) -> str:
        """Put a file beside the messages; the name by which one may refer to it."""
        self._files += 1
        name = f"{self._files}{suffix}"
        (self._place / name).write_bytes(content)
        return name

    def add(self, messages: Iterable[Message]) -> None:
        """Append messages. They are in the file when this returns, all of them."""
        lines, count, times = [], self._count, self._times
        for kind, payload in messages:
            count += 1
            lines.append(f'{{"type": "{kind}", "payload": {json_text({**payload, "message_id": count})}}}\n')
            if "local_timestamp" in payload:
                time = payload["local_timestamp"]
                first, last = times or (time, time)
                times = min(first, time), max(last, time)
        self._append("".join(lines).encode())
        self._count, self._times = count, times

    def _append(self, data: bytes) -> None:
        """All of it or nothing. Raises OSError."""
        held, left = self._file.seek(0, os.SEEK_END), memoryview(data)
        try:
            # What a full disk has room for is written, without an error.
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(held)
            raise

    def flush(self) -> None:
        """Return when all of it is on the disk."""
        os.fsync(self._file.fileno())

    def seal(self, *, project: str | None, workspace: str | None, tags: Sequence[str], error: str | None) -> Path:
        """Make the zip; the directory goes. error: what the experiment is marked as failed with."""
        self._file.close()
        first, last = self._times or (0, 0)
        said = {
            "offline_id": self._key,
            "project_name": project,
            "workspace": workspace,
            "start_time": first,
            "stop_time": last,
            "tags": list(tags),
            "resume_strategy": "create" if self.number == 0 else "get",
            "customer_error_reported": error is not None,
            "customer_error_message": error,
            "user_provided_experiment_key": True,
            "comet_start_sourced": False,
        }
        (self._place / _EXPERIMENT).write_text(json.dumps(said))
        unfinished = self._zip.with_suffix(".unfinished")
        with ZipFile(unfinished, "w", ZIP_DEFLATED, allowZip64=True) as packed:
            for one in sorted(self._place.iterdir()):
                packed.write(one, one.name)
        unfinished.replace(self._zip)
        shutil.rmtree(self._place)
        return self._zip

    def _recovered(self) -> tuple[int, tuple[int, int] | None]:
        """What a process that was killed left: its whole lines count, a cut one goes."""
        self._file.seek(0)
        old = self._file.readall() or b""
        whole = old[: old.rfind(b"\n") + 1]
        self._file.truncate(len(whole))
        payloads = [json.loads(line)["payload"] for line in whole.splitlines()]
        times = [one["local_timestamp"] for one in payloads if "local_timestamp" in one]
        return len(payloads), (min(times), max(times)) if times else None


def unsealed_or_next(directory: Path, key: str) -> Archive:
    """The part that a killed process left, or the one after those that are sealed."""
    sealed = len(list(directory.glob(f"{key}.zip"))) + len(list(directory.glob(f"{key}-*.zip")))
    return Archive(directory, key, sealed)

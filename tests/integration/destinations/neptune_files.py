"""What Neptune's client wrote in offline mode, read by the client's own repository of operations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from asynclog.sinks.neptune import LONGEST_NAME
from tests.integration.destinations import coded_names


class Logged(NamedTuple):
    """A point of a series, or with step None a setting. value: a number, a text, counts, or a file's content."""

    name: str
    step: int | None
    time: float
    value: Any


def logged_below(directory: Path) -> Iterator[Logged]:
    """All that was logged, in the order of the files."""
    for path in sorted(directory.glob("*/run_operations.sqlite3"), key=lambda one: int(one.parent.name.rpartition("_")[2])):
        yield from _logged(path)


def _logged(path: Path) -> Iterator[Logged]:
    from neptune_api.proto.neptune_pb.ingest.v1.common_pb2 import UpdateRunSnapshot
    from neptune_scale.sync.operations_repository import OperationsRepository

    repository = OperationsRepository(db_path=path)
    try:
        requests = repository.get_file_upload_requests(1 << 20)
        files = {one.destination: Path(one.source_path) for one in requests}
        last = None
        while operations := repository.get_operations(1 << 28, from_exclusive=last):
            last = operations[-1].sequence_id
            for one in operations:
                update = one.operation
                if not isinstance(update, UpdateRunSnapshot):
                    continue
                time = update.timestamp.seconds + update.timestamp.nanos / 1e9
                for name, value in update.assign.items():
                    yield Logged(name, None, time, _plain(value, files))
                for name, value in update.append.items():
                    yield Logged(name, update.step.whole, time, _plain(value, files))
    finally:
        repository.close(cleanup_files=False)


def _plain(value: Any, files: dict[str, Path]) -> Any:
    kind = value.WhichOneof("value")
    held = getattr(value, kind)
    if kind == "file_ref":
        return files[held.path].read_bytes()
    return list(held.counts.values) if kind == "histogram" else held


def name_of(shown: str) -> tuple[str, str]:
    """(phase, name) of a name there."""
    return coded_names.name_of(shown, LONGEST_NAME)

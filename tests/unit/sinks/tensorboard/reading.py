"""Event files as TensorBoard's own reader has them, checksums looked at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asynclog.testing.batches import FIRST_TIME_NS

loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
tensor_util = pytest.importorskip("tensorboard.util.tensor_util")

AN_HOUR_NS = 3_600_000_000_000
LATER = FIRST_TIME_NS + AN_HOUR_NS


def raw(path: Path) -> Iterator[Any]:
    """The events as they lie in the file."""
    return loader.LegacyEventFileLoader(str(path)).Load()  # type: ignore[no-any-return]


def values(directory: Path) -> dict[str, list[tuple[int, Any]]]:
    """tag → (step, number, text or array) of every file below, in their order."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for path in sorted(directory.rglob("*tfevents.1.*")):
        for event in loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                data = tensor_util.make_ndarray(value.tensor)
                shown = data.item() if data.ndim == 0 else data
                found.setdefault(value.tag, []).append((event.step, shown.decode() if isinstance(shown, bytes) else shown))
    return found


def event_file(directory: Path) -> Path:
    (path,) = directory.rglob("*tfevents.1.*")
    return path

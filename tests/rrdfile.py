"""Rerun files as their own reader gives them: chunks of Arrow, with what asynclog says beside each value."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Logged(NamedTuple):
    """A value. components: by Rerun's name, "EncodedImage:blob", each a list of what there is."""

    kind: str
    phase: str
    namespace: str
    key: str
    step: int
    time_ns: int
    components: dict[str, Any]


def files(directory: Path) -> list[Path]:
    """A run's, in their order."""
    return sorted(directory.glob("run*.rrd"), key=lambda path: (len(path.name), path.name))


def rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(entity, a row by column) in the order of the file."""
    from rerun.chunk import RrdReader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a file that is being written has no end
        for chunk in RrdReader(path).stream():
            batch = chunk.to_record_batch()
            if "time" in batch.schema.names:
                at = batch.schema.names.index("time")
                batch = batch.set_column(at, "time", batch.column(at).cast("int64"))
            for row in batch.to_pylist():
                yield chunk.entity_path, row


def logged(directory: Path) -> Iterator[Logged]:
    """All values of a run's files."""
    for path in files(directory):
        names: dict[str, dict[str, str]] = {}
        found = list(rows(path))
        for entity, row in found:
            if row.get("asynclog:key") is not None:
                names[entity] = {field: row[f"asynclog:{field}"][0] for field in ("phase", "namespace", "key")}
        for entity, row in found:
            values = {name: one for name, one in row.items() if one is not None}
            kind = "scalar" if "Scalars:scalars" in values else (values.get("asynclog:kind") or [""])[0]
            if kind:
                yield Logged(kind, **names[entity], step=row["step"], time_ns=row["time"], components=values)

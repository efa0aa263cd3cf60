"""A run as one long table, a row a number or event, for those who think in data frames.

Columns: time (UTC, ns), step, phase, namespace, key, kind, value (float64; NaN where there is no number), detail (what
else there is to say, as JSON; of numbers only whole ones beyond 2^53 that float64 rounds, exactly). Numbers go from arrays
to arrays, series by series, each in order of time; then come the other events.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asynclog.sinks.detail import detail
from asynclog.sinks.strict_json import json_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from asynclog.readers.run import Run

_EXACT = 2**53
_NAMES = ("phase", "namespace", "key", "kind")


class LongTable(NamedTuple):
    """The columns, names as (codes, categories)."""

    time_ns: NDArray[np.int64]
    step: NDArray[np.int64]
    names: dict[str, tuple[NDArray[np.int32], list[str]]]
    value: NDArray[np.float64]
    detail: list[str | None]


def long_table(run: "Run") -> LongTable:
    """The table's columns, numbers first, then all else in order of time."""
    times: list[NDArray[np.int64]] = []
    steps: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    labels: list[tuple[str, str, str, str]] = []
    lengths: list[int] = []
    details: list[str | None] = []
    for one in run.all_series():
        times.append(one.time_ns)
        steps.append(one.step)
        values.append(one.value.astype(np.float64, copy=False))
        labels.append((one.phase, one.namespace, one.key, "scalar"))
        lengths.append(len(one))
        details.extend(_rounded(one.value))
    others = [one for one in run.keys() if one.kind != "scalar"]  # noqa: SIM118 (a Run is no mapping)
    for entry in others:
        for event in run.events(kind=entry.kind, key=entry.key, namespace=entry.namespace, phase=entry.phase):
            times.append(np.array([event.time_ns], np.int64))
            steps.append(np.array([event.step], np.int64))
            values.append(np.array([np.nan]))
            labels.append((event.phase, event.namespace, event.key, event.kind))
            lengths.append(1)
            details.append(json_text(detail(event)))
    names: dict[str, tuple[NDArray[np.int32], list[str]]] = {}
    for at, name in enumerate(_NAMES):
        categories = sorted({label[at] for label in labels})
        place = {category: code for code, category in enumerate(categories)}
        codes = np.repeat(np.array([place[label[at]] for label in labels], np.int32), lengths)
        names[name] = (codes, categories)
    empty: list[NDArray[Any]] = [np.empty(0)]
    return LongTable(
        np.concatenate(times or empty).astype(np.int64, copy=False),
        np.concatenate(steps or empty).astype(np.int64, copy=False),
        names,
        np.concatenate(values or empty),
        details,
    )


def _rounded(values: NDArray[Any]) -> list[str | None]:
    """Of each number that float64 can't hold its digits, else None."""
    said: list[str | None] = [None] * len(values)
    if values.dtype.kind == "i":
        beyond = np.flatnonzero((values > _EXACT) | (values < -_EXACT))
        for at in beyond.tolist():
            number = int(values[at])
            if int(float(number)) != number:
                said[at] = str(number)
    return said


def arrow_table(run: "Run") -> "pa.Table":
    """See ``Run.to_arrow``. Raises ImportError naming the extra."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ImportError("this needs pyarrow: pip install 'asynclog-stream[arrow]'") from error
    table = long_table(run)
    columns: dict[str, Any] = {
        "time": pa.array(table.time_ns, pa.timestamp("ns", tz="UTC")),
        "step": pa.array(table.step),
    }
    for name, (codes, categories) in table.names.items():
        columns[name] = pa.DictionaryArray.from_arrays(codes, pa.array(categories, pa.string()))
    columns["value"] = pa.array(table.value)
    columns["detail"] = pa.array(table.detail, pa.string())
    return pa.table(columns)


def pandas_frame(run: "Run") -> "pd.DataFrame":
    """See ``Run.to_pandas``. Raises ImportError naming the extra."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("this needs pandas: pip install 'asynclog-stream[pandas]'") from error
    table = long_table(run)
    columns: dict[str, Any] = {"time": pd.to_datetime(table.time_ns, unit="ns", utc=True), "step": table.step}
    for name, (codes, categories) in table.names.items():
        columns[name] = pd.Categorical.from_codes(codes, categories=pd.Index(categories, dtype=str))
    columns["value"] = table.value
    columns["detail"] = pd.Series(table.detail, dtype=object)
    frame: pd.DataFrame = pd.DataFrame(columns)
    return frame

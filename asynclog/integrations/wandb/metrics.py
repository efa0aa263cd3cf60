"""What ``define_metric`` said of names: which other metric is their x-axis, and what their summary keeps of them.

A name may end in "*". Of a plain name and globs that fit, the plain one counts, else the longest. Nested mappings are one name,
joined by dots.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan
from typing import Any, Final

from asynclog.integrations.wandb.said import Error

OPERATIONS: Final = ("min", "max", "mean", "last", "copy", "none", "first")


@dataclass(frozen=True)
class Metric:
    """What ``define_metric`` returns, with the attributes of W&B's."""

    name: str
    step_metric: str | None = None
    step_sync: bool | None = None
    summary: tuple[str, ...] | None = None
    hidden: bool | None = None

    def fits(self, name: str) -> bool:
        return name.startswith(self.name[:-1]) if self.name.endswith("*") else name == self.name


class Metrics:
    """All that was defined, and what step metrics were last."""

    def __init__(self) -> None:
        self._defined: dict[str, Metric] = {}
        self._found: dict[str, Metric | None] = {}
        self._axes: set[str] = set()
        self._last: dict[str, float] = {}

    def define(self, metric: Metric, *, overwrite: bool = False) -> Metric:
        """Merged with what the name was defined as before, unless ``overwrite``."""
        before = self._defined.get(metric.name)
        if before is not None and not overwrite:
            said = {name: one for name, one in vars(metric).items() if one is not None}
            metric = replace(before, **said)
        self._defined[metric.name] = metric
        self._found.clear()
        self._axes = {one.step_metric for one in self._defined.values() if one.step_metric}
        return metric

    def of(self, name: str) -> Metric | None:
        """The definition that counts for a name."""
        if name not in self._found:
            fitting = [one for one in self._defined.values() if one.fits(name)]
            plain = self._defined.get(name)
            self._found[name] = plain or max(fitting, key=lambda one: len(one.name), default=None)
        return self._found[name]

    def axes(self, values: Mapping[str, Any]) -> dict[str, float]:
        """The step metrics of a row, name to number: as the row has them, else as they were last."""
        if not self._axes:
            return {}
        for name in self._axes & values.keys():
            if isinstance(values[name], int | float):
                self._last[name] = values[name]
        wanted = {metric.step_metric for name in values if (metric := self.of(name)) is not None and metric.step_sync}
        asked = self._axes & values.keys()
        return {name: self._last[name] for name in sorted(wanted | asked, key=str) if name in self._last}


class Summaries:
    """What is left of each metric when the run is over: the last value, or what was asked for."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.values: dict[str, Any] = {}
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, name: str, value: Any) -> None:
        """A value of a row. Numbers and text: what else there is has no summary."""
        metric = self._metrics.of(name)
        asked = () if metric is None else metric.summary or ()
        path = name.split(".")
        if "none" in asked:
            return
        if not asked or "copy" in asked:
            self._put(path, value)
            return
        held = self._get(path)
        kept = dict(held) if isinstance(held, dict) else {}
        for operation in asked:
            if operation == "last":
                kept["last"] = value
            elif operation == "first":
                kept.setdefault("first", value)
            elif isinstance(value, int | float) and not isnan(value):
                kept[operation] = self._folded(operation, name, value, kept.get(operation))
        self._put(path, kept)

    def _folded(self, operation: str, name: str, value: float, before: float | None) -> float:
        if operation == "mean":
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1
            return (total + value) / (count + 1)
        if before is None:
            return value
        return min(before, value) if operation == "min" else max(before, value)

    def _get(self, path: list[str]) -> Any:
        inner: Any = self.values
        for name in path:
            inner = inner.get(name) if isinstance(inner, dict) else None
        return inner

    def _put(self, path: list[str], value: Any) -> None:
        inner = self.values
        for name in path[:-1]:
            below = inner.get(name)
            if not isinstance(below, dict):
                below = inner[name] = {}
            inner = below
        inner[path[-1]] = value


def checked_metric(name: Any, step_metric: Any, step_sync: Any, hidden: Any, summary: Any, overwrite: Any) -> Metric:
    """A definition. Raises Error, as W&B does, for other types, unknown operations, and a star that isn't at the end."""
    if not name:
        raise Error("define_metric() requires non-empty name argument")
    if isinstance(step_metric, Metric):
        step_metric = step_metric.name
    given = (("name", name, str), ("step_metric", step_metric, str), ("step_sync", step_sync, bool))
    further = (("hidden", hidden, bool), ("summary", summary, str), ("overwrite", overwrite, bool))
    for argument, value, expected in (*given, *further):
        if value is not None and not isinstance(value, expected):
            raise Error(f"define_metric(): {argument} is a {expected.__name__}, not {value!r}")
    if "*" in name[:-1]:
        raise Error(f"define_metric(): a name may end in '*', and have none elsewhere: {name!r}")
    operations = tuple(one.strip().lower() for one in summary.split(",")) if summary else None
    for one in operations or ():
        if one not in OPERATIONS:
            raise Error(f"define_metric(): summary is one or several of {', '.join(OPERATIONS)}, not {one!r}")
    sync = step_sync if step_sync is not None else (True if step_metric else None)
    return Metric(name, step_metric or None, sync, operations, hidden)

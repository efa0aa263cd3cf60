"""A measured figure, the bar it has to meet, and how samples of two sides become one ratio.

The machine drifts by a quarter within minutes, so a single time says little. Each repeat runs both sides one after the
other; the ratio is taken inside the repeat, and the figure is the median of those ratios: a slow minute slows both. Where
neighbours on the host slow single samples by as much as 1.8, the quickest samples of both sides are set against each other
beside it: what disturbs a loop only ever adds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

Sample = dict[str, Any]
Take = Callable[[Sample], float]


@dataclass(frozen=True, slots=True)
class Bar:
    """The worst value that still passes; `sense` says on which side of it good lies."""

    limit: float
    sense: Literal["≤", "≥"] = "≤"

    def met(self, value: float) -> bool:
        """Whether `value` passes; NaN never does."""
        return value <= self.limit if self.sense == "≤" else value >= self.limit

    def __str__(self) -> str:
        return f"{self.sense} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result: `value` in `unit` is what the bar judges, `detail` says what it was made of.

    `samples` keeps the raw numbers behind the value, by name, so that a reader of the JSON can take other statistics.
    """

    what: str
    value: float
    unit: str
    bar: Bar | None = None
    detail: str = ""
    samples: dict[str, list[float]] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """`ok`, `missed`, or nothing for a figure that has no bar."""
        if self.bar is None:
            return ""
        return "ok" if self.bar.met(self.value) else "missed"


def column(samples: Iterable[Sample], take: Take) -> list[float]:
    """One number of every sample, in the order they were measured."""
    return [take(sample) for sample in samples]


def ratio(
    what: str,
    over: tuple[str, Sequence[float]],
    under: tuple[str, Sequence[float]],
    *,
    bar: Bar | None = None,
    unit: str = "ns/scalar",
) -> Figure:
    """The median over repeats of `over / under`, each side given as (its name, a number a repeat)."""
    (over_name, above), (under_name, below) = over, under
    pairs = [a / b for a, b in zip(above, below, strict=True)]
    detail = (
        f"{over_name} {median(above):.4g}, {under_name} {median(below):.4g} {unit}; "
        f"{len(pairs)} pairs, {min(pairs):.3g}–{max(pairs):.3g}; quickest {min(above):.4g} and {min(below):.4g}"
    )
    return Figure(what, median(pairs), "×", bar, detail, {over_name: list(above), under_name: list(below)})


def middle(what: str, values: Sequence[float], unit: str, *, bar: Bar | None = None, detail: str = "") -> Figure:
    """The median of `values`, for what is judged without another side."""
    spread = f"{len(values)} runs, {min(values):.4g}–{max(values):.4g}"
    return Figure(what, median(values), unit, bar, f"{detail}; {spread}" if detail else spread, {unit: list(values)})


def worst(what: str, values: Sequence[float], unit: str, *, bar: Bar | None = None, detail: str = "") -> Figure:
    """The maximum of `values`: for losses and growth, where one bad run is a bad result."""
    return Figure(what, max(values), unit, bar, detail, {unit: list(values)})


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0–1) of `values` don't exceed; no interpolation, so it was measured."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]

"""What is kept as numbers or words: tensors, distributions, text, settings, log records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from asynclog.normal.layouts import Fault
from asynclog.normal.narrow import BITS, widened
from asynclog.values.value import Array, Value, numeric


@dataclass(frozen=True, eq=False)
class Tensor(Value):
    """data: an array of any shape and numeric dtype, kept as it is. dtype: its name where numpy has none, "bfloat16" or one of
    float8's; data then holds its bits, and ``canonical`` its numbers."""

    kind: ClassVar[str] = "tensor"
    data: Array
    dtype: str | None = None

    def fault(self) -> Fault | None:
        if self.dtype is None:
            return numeric(self.data, "biufc")
        bits = BITS.get(self.dtype)
        if bits is None:
            return Fault(f"a dtype among {', '.join(BITS)}", repr(self.dtype), "None says that numpy has it")
        expected = f"the bits of {self.dtype} as {np.dtype(bits)}"
        return None if self.data.dtype.newbyteorder("=") == bits else Fault(expected, f"dtype {self.data.dtype}")

    def canonical(self) -> Array:
        """As numbers that numpy can compute with: floating point that it lacks as the float32 of equal value."""
        return self.data if self.dtype is None else widened(self.data, self.dtype)


@dataclass(frozen=True, eq=False)
class Histogram(Value):
    """Counts of equal bins between ``low`` and ``high``, with the exact moments of what was counted.

    counts: (bins,) int64. count: values in all; nans, below (-inf), above (+inf): those that no bin can hold.
    low, high, mean, std: of the finite values; NaN if there were none.
    """

    kind: ClassVar[str] = "histogram"
    counts: Array
    low: float
    high: float
    count: int
    mean: float
    std: float
    nans: int = 0
    below: int = 0
    above: int = 0

    @property
    def edges(self) -> NDArray[np.float64]:
        """(bins + 1,) float64 edges of the bins."""
        return np.linspace(self.low, self.high, len(self.counts) + 1)

    def canonical(self, bins: int = 64) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(counts (bins,), edges (bins + 1,)) of coarser bins; ``bins`` divides the number of those that were counted."""
        if len(self.counts) % bins:
            raise ValueError(f"{len(self.counts)} bins can't be made {bins}")
        counts: NDArray[np.int64] = self.counts.reshape(bins, -1).sum(axis=1)
        return counts, np.linspace(self.low, self.high, bins + 1)


@dataclass(frozen=True, eq=False)
class Samples(Value):
    """What ``log_histogram`` was given, on its way to the engine, which counts it. Never read back."""

    kind: ClassVar[str] = "histogram"
    data: Array

    def fault(self) -> Fault | None:
        return numeric(self.data)


@dataclass(frozen=True, eq=False)
class Text(Value):
    """A string too long for a frame's meta travels as UTF-8 bytes; readers give back the str."""

    kind: ClassVar[str] = "string"
    text: str


@dataclass(frozen=True, eq=False)
class Config(Value):
    """A run's settings: a nested mapping of plain values."""

    kind: ClassVar[str] = "config"
    config: dict[str, Any] = field(default_factory=dict)

    def parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Also when there is nothing in it: that, too, is said."""
        return {"config": self.config}, {}


@dataclass(frozen=True, eq=False)
class Record(Value):
    """A line of a log. level: as logging's, 10 DEBUG … 50 CRITICAL. where: "file:line" and fields: what else was said."""

    kind: ClassVar[str] = "record"
    message: str
    level: int = 20
    logger: str = ""
    where: str = ""
    exception: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

"""What can be recorded beside a number: frozen value objects, each a few arrays and a few parameters.

A value is taken apart into (parameters, arrays) to be recorded, and put together again to be read; nothing here copies,
scales or converts. The raw value is recorded; canonical forms are made by ``normal`` when somebody looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Value:
    """The root of all recorded values that are not plain numbers or text."""

    kind: ClassVar[str]

    def arrays(self) -> dict[str, Array]:
        """The arrays of this value by field name, in field order."""
        return {one.name: value for one in fields(self) if isinstance(value := getattr(self, one.name), np.ndarray)}

    def params(self) -> dict[str, Any]:
        """What is not an array, by field name, without absent ones."""
        return {
            one.name: value
            for one in fields(self)
            if not isinstance(value := getattr(self, one.name), np.ndarray) and value is not None
        }

    @classmethod
    def from_parts(cls, params: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """The inverse of ``params`` and ``arrays``; names this version doesn't know are left out."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in (*params.items(), *arrays.items()) if name in known})

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        assert isinstance(other, Value)
        mine, theirs = self.arrays(), other.arrays()
        return (
            self.params() == other.params()
            and mine.keys() == theirs.keys()
            and all(same_array(mine[name], theirs[name]) for name in mine)
        )

    __hash__ = None  # type: ignore[assignment]


def same_array(one: Array, other: Array) -> bool:
    """Equal dtype, shape and bytes: NaN equals NaN, and -0.0 differs from 0.0."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@dataclass(frozen=True, eq=False)
class Image(Value):
    """data: (C, H, W) with C of 1, 3 or 4, or (H, W); uint8 0–255, or floating point."""

    kind: ClassVar[str] = "image"
    data: Array
    caption: str | None = None


@dataclass(frozen=True, eq=False)
class Audio(Value):
    """data: (C, T) or (T,), floating point in [-1, 1] or integers. sample_rate: Hz."""

    kind: ClassVar[str] = "audio"
    data: Array
    sample_rate: int = 44100


@dataclass(frozen=True, eq=False)
class Video(Value):
    """data: (T, C, H, W), C of 1 or 3; uint8 or floating point. fps: frames per second."""

    kind: ClassVar[str] = "video"
    data: Array
    fps: float = 12.0


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


@dataclass(frozen=True, eq=False)
class Samples(Value):
    """What ``log_histogram`` was given, on its way to the engine, which counts it. Never read back."""

    kind: ClassVar[str] = "histogram"
    data: Array


@dataclass(frozen=True, eq=False)
class PointCloud(Value):
    """points: (N, 3) numbers. colors: (N, 3) uint8, if any."""

    kind: ClassVar[str] = "point_cloud"
    points: Array
    colors: Array | None = None


@dataclass(frozen=True, eq=False)
class Tensor(Value):
    """data: an array of any shape and numeric dtype, kept as it is."""

    kind: ClassVar[str] = "tensor"
    data: Array


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


KINDS: Final[dict[str, type[Value]]] = {
    one.kind: one for one in (Image, Audio, Video, Histogram, PointCloud, Tensor, Text, Config)
}
EVERY_KIND: Final[tuple[str, ...]] = ("scalar", *KINDS)

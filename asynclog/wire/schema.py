"""What the columns of a row mean: a Schema of Series, and its encoding.

A row is interleaved, as the hot path packs it: step i64; then, only where the schema says so, the due mask u64, the elapsed
time f64 and each further axis f64; then the numbers, f64 or i64 each; last the time i64, the row's commit mark.
A SPARSE record, for key sets that don't recur, names its series one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import groupby
from operator import attrgetter
from struct import Struct
from typing import Any, Final, NamedTuple

import msgpack
import numpy as np
from numpy.typing import NDArray

from asynclog.errors import DamagedFrame
from asynclog.state import PHASES
from asynclog.wire.frame import Buffer, Frame, pack_meta
from asynclog.wire.layout import REDUCTIONS, Kind

FLOAT: Final = "d"
INTEGER: Final = "q"
# A row is at most as wide as a frame; a hostile schema must not make us allocate more than its own bytes justify.
_MOST_COLUMNS: Final = 4 << 20


class Series(NamedTuple):
    """One line on a chart: (phase, namespace, key), with the type of its numbers and how they fold."""

    phase: str
    namespace: str
    key: str
    code: str = FLOAT
    reduction: str = "last"


_struct = lru_cache(maxsize=1024)(lambda codes: Struct(f"@{codes}"))
_KEY, _CODE, _FOLD = (attrgetter(name) for name in ("key", "code", "reduction"))
_NAMESPACE: Final = attrgetter("phase", "namespace")


@dataclass(frozen=True, eq=False)
class Layout:
    """How a row lies in memory, whatever its numbers are called: all that its writer needs, who may have thousands.

    number: unique per (writer, epoch). codes: FLOAT or INTEGER a number.
    """

    number: int
    codes: str
    due: bool = False
    elapsed: bool = False
    axes: tuple[str, ...] = ()

    @cached_property
    def struct(self) -> Struct:
        """Native byte order and alignment: 1.2 times faster to pack than explicit little-endian, and the same bytes here."""
        prefix = "q" + ("Q" if self.due else "") + ("d" if self.elapsed else "") + "d" * len(self.axes)
        return _struct(f"{prefix}{self.codes}q")

    @cached_property
    def stride(self) -> int:
        return 8 * (2 + self.due + self.elapsed + len(self.axes) + len(self.codes))

    @cached_property
    def first_column(self) -> int:
        """The index of the first number among the row's 8-byte fields."""
        return 1 + self.due + self.elapsed + len(self.axes)

    @cached_property
    def integers(self) -> NDArray[np.bool_]:
        """Which columns hold whole numbers."""
        return np.fromiter((code == INTEGER for code in self.codes), bool, len(self.codes))

    def fields(self, payload: Buffer) -> NDArray[np.float64]:
        """Rows as a (rows, fields) float64 matrix, a view; whole-number fields are to be viewed as int64."""
        if not self.stride or len(payload) % self.stride:
            raise DamagedFrame(f"{len(payload)} bytes are no rows of {self.stride}")
        return np.frombuffer(payload, "<f8").reshape(-1, self.stride // 8)

    def meta(self) -> bytes:
        """What its SCHEMA frame says beside the series."""
        meta = {"due": self.due, "elapsed": self.elapsed, "axes": list(self.axes)}
        return pack_meta({name: value for name, value in meta.items() if value})


class Schema(Layout):
    """A layout and what its numbers are called."""

    def __init__(
        self, number: int, series: tuple[Series, ...], due: bool = False, elapsed: bool = False, axes: tuple[str, ...] = ()
    ) -> None:
        super().__init__(number, "".join(map(_CODE, series)), due, elapsed, axes)
        object.__setattr__(self, "series", series)

    series: tuple[Series, ...]

    @cached_property
    def phase(self) -> str:
        return self.series[0].phase if self.series else "train"

    def frame(self, seq: int, time: int) -> Frame:
        return Frame(
            Kind.SCHEMA,
            seq=seq,
            time=time,
            schema=self.number,
            count=len(self.series),
            meta_bytes=self.meta(),
            payload=pack_series(self.series),
        )


class Group(NamedTuple):
    """Series of one phase and namespace. codes: a letter a key; folds: an index into REDUCTIONS a key, as bytes."""

    phase: str
    namespace: str
    keys: list[str]
    codes: str
    folds: bytes


def groups_of(series: Sequence[Series]) -> list[Group]:
    """Series grouped by phase and namespace, in their order."""
    groups = []
    for (phase, namespace), group in groupby(series, _NAMESPACE):
        members = list(group)
        folds = bytes(map(REDUCTIONS.index, map(_FOLD, members)))
        groups.append(Group(phase, namespace, [*map(_KEY, members)], "".join(map(_CODE, members)), folds))
    return groups


def pack_groups(groups: list[Group], ids: "bytes | None" = None) -> bytes:
    """Series as msgpack: {"groups": [[phase, namespace, [key…], codes, reductions]…], "ids": u32 little-endian, if sparse}."""
    content: dict[str, Any] = {"groups": groups}
    if ids is not None:
        content["ids"] = ids
    return msgpack.packb(content, use_bin_type=True, unicode_errors="backslashreplace")  # type: ignore[no-any-return]


def pack_series(series: Sequence[Series], numbers: "list[int] | None" = None) -> bytes:
    """The same of Series objects."""
    return pack_groups(groups_of(series), None if numbers is None else np.asarray(numbers, "<u4").tobytes())


def pack_numbered(first: int, group: Group) -> bytes:
    """The same of series that are numbered one after the other."""
    return pack_groups([group], np.arange(first, first + len(group.keys), dtype="<u4").tobytes())


def unpack_series(payload: Buffer) -> "tuple[tuple[Series, ...], list[int] | None]":
    """The inverse of ``pack_series``, from untrusted bytes. Raises DamagedFrame."""
    try:
        content = msgpack.unpackb(payload, raw=False, max_array_len=_MOST_COLUMNS, max_ext_len=0)
        series = tuple(
            Series(str(phase), str(namespace), str(key), code, REDUCTIONS[reduction])
            for phase, namespace, keys, codes, reductions in content["groups"]
            for key, code, reduction in zip(keys, codes, reductions, strict=True)
        )
        if any(one.code not in (FLOAT, INTEGER) for one in series):
            raise DamagedFrame("a column of an unknown type")
        packed = content.get("ids")
        numbers = None if packed is None else np.frombuffer(packed, "<u4").tolist()
    except (ValueError, TypeError, KeyError, IndexError, msgpack.UnpackException) as error:
        raise DamagedFrame(f"not a schema: {error!r}") from error
    if numbers is not None and len(numbers) != len(series):
        raise DamagedFrame("a schema that numbers other series than it names")
    return series, numbers


@dataclass
class SchemaBook:
    """What a stream has defined so far: schemas by number, and sparse series by number."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    series: dict[int, Series] = field(default_factory=dict)

    def learn(self, frame: Frame) -> None:
        """Take in a SCHEMA frame. Raises DamagedFrame."""
        series, numbers = unpack_series(frame.payload)
        if any(one.phase not in PHASES for one in series):
            raise DamagedFrame("series of a phase that isn't one")
        if numbers is not None:
            self.series.update(zip(numbers, series, strict=True))
            return
        meta = frame.meta
        axes = meta.get("axes", [])
        if not isinstance(axes, list):
            raise DamagedFrame(f"axes are a {type(axes).__name__}, not a list")
        self.schemas[frame.schema] = Schema(
            frame.schema, series, due=bool(meta.get("due")), elapsed=bool(meta.get("elapsed")), axes=tuple(map(str, axes))
        )

    def schema_of(self, frame: Frame) -> Schema:
        """The schema of a ROWS frame. Raises DamagedFrame if the stream never defined it."""
        found = self.schemas.get(frame.schema)
        if found is None:
            raise DamagedFrame(f"rows of schema {frame.schema}, which this segment does not define")
        return found


def series_frame(numbers: list[int], series: list[Series], seq: int, time: int) -> Frame:
    """A SCHEMA frame that numbers series for SPARSE records."""
    return Frame(Kind.SCHEMA, seq=seq, time=time, count=len(series), payload=pack_series(series, numbers))


# SPARSE record: step i64, count u32, flags u32, [due u64], [elapsed f64], then series u32 × count (padded to 8),
# then f64 × count, and the time i64 last, its commit mark.
SPARSE_HEAD: Final = Struct("@qII")
SPARSE_DUE: Final = 1
SPARSE_ELAPSED: Final = 2


class SparseRecord(NamedTuple):
    """One write of numbers that name their series one by one; numbers, values: (count,)."""

    step: int
    time: int
    due: int | None
    elapsed: float | None
    numbers: NDArray[np.uint32]
    values: NDArray[np.float64]


def sparse_length(count: int, flags: int) -> int:
    """Bytes of a SPARSE record of ``count`` numbers."""
    extra = 8 * (bool(flags & SPARSE_DUE) + bool(flags & SPARSE_ELAPSED))
    return SPARSE_HEAD.size + extra + (4 * count + 7) // 8 * 8 + 8 * count + 8


def sparse_records(payload: Buffer) -> "list[SparseRecord]":
    """The records of a SPARSE frame, as views. Raises DamagedFrame."""
    records: list[SparseRecord] = []
    data, at = memoryview(payload), 0
    while at < len(data):
        if at + SPARSE_HEAD.size > len(data):
            raise DamagedFrame("a cut SPARSE record")
        step, count, flags = SPARSE_HEAD.unpack_from(data, at)
        length = sparse_length(count, flags)
        if at + length > len(data):
            raise DamagedFrame("a SPARSE record longer than its frame")
        inner = at + SPARSE_HEAD.size
        due: int | None = None
        elapsed: float | None = None
        if flags & SPARSE_DUE:
            due, inner = int.from_bytes(data[inner : inner + 8], "little"), inner + 8
        if flags & SPARSE_ELAPSED:
            elapsed, inner = float(np.frombuffer(data, "<f8", 1, inner)[0]), inner + 8
        numbers = np.frombuffer(data, "<u4", count, inner)
        values = np.frombuffer(data, "<f8", count, inner + (4 * count + 7) // 8 * 8)
        time = int.from_bytes(data[at + length - 8 : at + length], "little", signed=True)
        records.append(SparseRecord(step, time, due, elapsed, numbers, values))
        at += length
    return records

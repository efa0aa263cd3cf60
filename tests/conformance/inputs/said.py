"""Python's numbers, tables, words and settings, and what each is recorded as."""

import argparse
import dataclasses
import enum
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from asynclog.values import Record, Rollout
from tests.conformance.inputs.libraries import LIBRARIES
from tests.conformance.inputs.other import Other, itself

BIG = 2**53 + 1
SETTINGS = {"lr": 0.5, "layers": [64, 64], "seed": None, "name": "adam", "on": True, "inner": {"eps": 1e-8}}


# -- numbers of Python -----------------------------------------------------------------------------------------------


class Level(enum.IntEnum):
    HIGH = 3


def number(what: str, made: Any, expected: Any, said: str) -> Other:
    return Other("Numbers", what, "log_scalar", lambda: made, lambda: expected, said)


def _fraction() -> Any:
    from fractions import Fraction

    return Fraction(1, 3)


def _decimal() -> Any:
    from decimal import Decimal

    return Decimal("0.1")


NUMBERS = (
    number("`float`", 0.1, 0.1, "float"),
    number("`int`", 7, 7, "int"),
    number("`int` beyond 2^53", BIG, BIG, "int, exact"),
    number("`int` of 64 bits", -(2**63), -(2**63), "int, exact"),
    number("`bool`", True, 1, "int"),
    number("`IntEnum`", Level.HIGH, 3, "int"),
    number("`numpy.int64` beyond 2^53", np.int64(BIG), BIG, "int, exact"),
    number("`numpy.uint64` below 2^63", np.uint64(2**63 - 1), 2**63 - 1, "int, exact"),
    number("`numpy.float32`", np.float32(0.1), float(np.float32(0.1)), "float of equal value"),
    number("`numpy.longdouble`", np.longdouble(0.1), 0.1, "float, rounded"),
    number("`Fraction`", _fraction(), 1 / 3, "float, rounded"),
    number("`Decimal`", _decimal(), 0.1, "float, rounded"),
)


# -- settings --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Inner:
    eps: float = 1e-8


@dataclasses.dataclass
class Options:
    inner: Inner = dataclasses.field(default_factory=Inner)
    lr: float = 0.5
    layers: list[int] = dataclasses.field(default_factory=lambda: [64, 64])
    seed: int | None = None
    name: str = "adam"
    on: bool = True


class Plain:
    def __init__(self) -> None:
        vars(self).update(SETTINGS)


def omega() -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.create(SETTINGS | {"layers": ["${width}", 64], "width": 64})


def model() -> Any:
    from pydantic import create_model

    inner = create_model("Inner", eps=(float, 1e-8))
    fields: dict[str, Any] = {"lr": (float, 0.5), "layers": (list[int], [64, 64]), "seed": (int | None, None)}
    return create_model("Options", **fields, name=(str, "adam"), on=(bool, True), inner=(inner, inner()))()


def arrays_in_it() -> dict[str, Any]:
    return {"betas": np.array([0.5, 0.25]), "n": np.int32(3), "dtype": np.dtype(np.float32), "of": frozenset({2, 1})}


def settings(what: str, make: Callable[[], Any], *needs: str, expected: Any = SETTINGS) -> Other:
    return Other("Settings, `log_config`", what, "log_config", make, lambda: expected, "a nested dict", itself, needs)


SETTINGS_OF = (
    settings("`dict`", lambda: SETTINGS),
    settings("dataclass", Options),
    settings("`argparse.Namespace`", lambda: argparse.Namespace(**SETTINGS)),
    settings("`SimpleNamespace`", lambda: SimpleNamespace(**SETTINGS)),
    settings("an object with attributes", Plain),
    settings("OmegaConf", omega, "omegaconf", expected=SETTINGS | {"width": 64}),
    settings("pydantic", model, "pydantic"),
    settings(
        "arrays, sets and dtypes in it", arrays_in_it, expected={"betas": [0.5, 0.25], "n": 3, "dtype": "float32", "of": [1, 2]}
    ),
)

# -- tables and words ------------------------------------------------------------------------------------------------

ROWS = [(BIG, 0.1, "a"), (-BIG, math.inf, None)]
COLUMNS = ("step", "loss", "said")
AS_MAPPINGS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
HUGE = 2**70 + 1
NUMBERS_OF: dict[str, list[list[Any]]] = {
    "int64": [[BIG, -1], [-BIG, 2**63 - 1], [0, 1]],
    "float64": [[0.1, -0.0], [math.nan, math.inf], [5e-324, 1.0]],
}
"""Such as change if they are rounded to 53 or 24 bits, or take another type."""
PAIR = ("a", "b")
F32 = float(np.float32(0.1))
BF16 = 0.10009765625  # of bfloat16 nearest to 0.1


def frame() -> Any:
    import pandas

    return pandas.DataFrame({"step": [BIG, -BIG], "loss": [0.1, math.nan], "ok": [True, False], "said": ["a", None]})


def numbers_alone() -> Any:
    """Of which pandas itself makes floats, if it is asked for all of them at once."""
    import pandas

    return pandas.DataFrame({"step": [BIG, 1], "loss": [0.1, 2.0]})


def nullable() -> Any:
    import pandas

    columns = {"Int64": BIG, "Float64": 0.1, "boolean": True, "category": "a"}
    return pandas.DataFrame({dtype: pandas.Series([cell, None], dtype=dtype) for dtype, cell in columns.items()})


def dates() -> Any:
    import pandas

    day = pandas.Timestamp("2026-11-21 19:30:00.5")
    return pandas.DataFrame({"here": [day, pandas.NaT], "there": [day.tz_localize("UTC"), pandas.NaT]})


def arrow() -> Any:
    import pyarrow

    return pyarrow.table({"step": [BIG, None], "loss": [0.1, math.nan], "said": ["a", None]})


def arrays(make: Callable[[np.ndarray, str], Any], dtype: str) -> Callable[[], Any]:
    """(rows, columns): as a library has it."""
    return lambda: make(np.array(NUMBERS_OF[dtype], dtype), dtype)


def of_torch() -> Any:
    import torch

    return [(torch.tensor(BIG), torch.tensor(0.1, dtype=torch.bfloat16), "a")]


def of_jax() -> Any:
    import jax

    with jax.enable_x64(True):
        return [(jax.device_put(np.int64(BIG)), jax.numpy.bfloat16(0.1), "a")]


def table(what: str, make: Callable[[], Any], rows: list[Any], said: str, *needs: str, **params: Any) -> Other:
    return Other("Tables, `log_table`", what, "log_table", make, lambda: rows, said, lambda one: one.canonical(), needs, params)


TABLES = (
    table("rows as tuples", lambda: ROWS, ROWS, "int64, float64; the rest as lists", columns=COLUMNS),
    table("rows as mappings", lambda: AS_MAPPINGS, ROWS, "the same"),
    table("one row as a mapping", lambda: AS_MAPPINGS[0], ROWS[:1], "the same"),
    *(
        table(
            f"an array (rows, columns) of {dtype}: {library.name}",
            arrays(library.make, dtype),
            [*map(tuple, numbers)],
            "int, exact" if dtype == "int64" else "float, exact",
            *library.needs,
            columns=PAIR,
        )
        for library in LIBRARIES
        for dtype, numbers in NUMBERS_OF.items()
    ),
    *(
        table(
            f"a list of arrays (columns,): {library.name}",
            lambda library=library: [library.make(np.array(row), "int64") for row in NUMBERS_OF["int64"]],
            [*map(tuple, NUMBERS_OF["int64"])],
            "a row each, exact",
            *library.needs,
            columns=PAIR,
        )
        for library in LIBRARIES
    ),
    table("`DataFrame` of numbers", numbers_alone, [(BIG, 0.1), (1, 2.0)], "int and float, exact", "pandas"),
    table(
        "`DataFrame`",
        frame,
        [(BIG, 0.1, True, "a"), (-BIG, math.nan, False, None)],
        "each column as it is typed: int, float, bool exact; what is missing as None, among floats as NaN",
        "pandas",
    ),
    table("`DataFrame` of nullable columns", nullable, [(BIG, 0.1, True, "a"), (None,) * 4], "the same; NA as None", "pandas"),
    table(
        "`DataFrame` with dates",
        dates,
        [("2026-11-21T19:30:00.500000", "2026-11-21T19:30:00.500000+00:00"), (None, None)],
        "text as of ISO 8601, NaT as None",
        "pandas",
    ),
    table(
        "`Table`, `RecordBatch` of Arrow",
        arrow,
        [(BIG, 0.1, "a"), (None, math.nan, None)],
        "each column as it is typed; null as None",
        "pyarrow",
    ),
    table("cells of NumPy", lambda: [(np.int64(BIG), np.float32(0.1), "a")], [(BIG, F32, "a")], "exact", columns=COLUMNS),
    table("cells of torch", of_torch, [(BIG, BF16, "a")], "exact", "torch", columns=COLUMNS),
    table("cells of JAX", of_jax, [(BIG, BF16, "a")], "exact", "jax", columns=COLUMNS),
    table("`int` of any size", lambda: [(HUGE, 0.1, "a")], [(HUGE, 0.1, "a")], "exact", columns=COLUMNS),
    table("lists in cells", lambda: [{"a": 1, "b": [1, {"c": None}]}], [(1, [1, {"c": None}])], "as they are"),
)


def recorded_line() -> Record:
    return Record("disk nearly full", 30, "os", "disk.py:7", "Traceback …", {"left": 12})


SAID = {name: one for name, one in vars(recorded_line()).items() if name != "message"}
TALK = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4", "tool_calls": [{"function": "add"}]}]

WORDS = (
    Other("Words", "`str`, `log_string`", "log_string", lambda: "λ → 🎲\0", lambda: "λ → 🎲\0", "str"),
    Other("Words", "`str`, `log_record`", "log_record", lambda: "disk nearly full", recorded_line, "a `Record`", params=SAID),
    Other(
        "Words",
        "a mapping, `log_rollout`",
        "log_rollout",
        lambda: {"messages": TALK, "reward": np.float32(0.5), "rewards": {"exact": 1.0}, "group": 7, "stop": "eos"},
        lambda: Rollout(TALK, reward=0.5, rewards={"exact": 1.0}, group=7, stop="eos"),
        "a `Rollout`",
    ),
)

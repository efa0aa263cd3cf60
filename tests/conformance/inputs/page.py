"""What was measured, as Markdown: docs/reference/inputs.md."""

from pathlib import Path
from typing import Final

from tests.conformance.inputs.libraries import BFLOAT16, DTYPES, LIBRARIES
from tests.conformance.inputs.measure import REFUSED, SAME, Cell, Outcomes, dtype_kind
from tests.conformance.inputs.others import OTHERS
from tests.conformance.inputs.rows import ROWS

PAGE: Final = Path(__file__).parents[3] / "docs" / "reference" / "inputs.md"

_HEAD: Final = """\
# What can be logged

Every cell below was logged, written, read back with `al.read`, and compared bit for bit and type for type, by
`tests/conformance/inputs`; a test fails if this page says something else than it measured.
`python -m tests.conformance.inputs --write` makes it anew.

A library is never imported: what was logged is recognised if its library is in use. Arrays are recorded in the dtype and the
layout that they came in; what a screen shows is made by `value.canonical()`, later. Where no `layout=` is given it is told from
the shape.

In the cells:

| | dtypes that came back bit for bit |
| --- | --- |
| `b` | bool |
| `u` | uint8, uint16, uint32, uint64 |
| `i` | int8, int16, int32, int64 |
| `f` | float16, float32, float64 |
| `bf` | bfloat16: by `log_tensor` as its bits, with `value.dtype == "bfloat16"` and the numbers in `value.canonical()`; by \
every other kind as the float32 of equal value, which numpy has |
| `i64`, `f64` | of numbers and lists, which are Python's: int64, float64 |
| – | the library has no such array, or a list of arrays is another row |

What a row's cells lack is refused: the value is told as an event `asynclog/invalid` (or raised, by a logger with
`strict=True`), and the rest of the write goes on. So are masks of floating point, sounds and points of bool.

The libraries: *NumPy, strided* is every second item of a read-only array in Fortran's order and the other byte order; *torch,
strided* every second item of a tensor that requires a gradient; *DLPack* and *`__array__`* are objects that have nothing
else; *buffer* is a memoryview, or an `array.array`. bfloat16 of `__array__` is that of `ml_dtypes`.
"""

_TAIL: Final = """\
## Where it takes long

Arrays on a device, JAX arrays that are still being computed, images of PIL (which may not be decoded yet), figures of
matplotlib and objects of trimesh are brought to numpy by another thread, while the loop runs on. This goes for those inside of
lists, value objects and parameters, too. Tensors of CUDA aren't waited for at all: [log what lies on a
GPU](../howto/gpu.md).

## Beyond these tables

- float8 of torch and of `ml_dtypes` (e4m3fn, e5m2, e4m3fnuz, e5m2fnuz, e8m0fnu) is taken as bfloat16 is; int4 and uint4 come
  back as int8 and uint8. Complex numbers are taken by `log_tensor` alone.
- A whole number outside of -2^63 to 2^63 - 1 is refused by `log_scalar`. In settings it is kept as text, in a table exactly.
- Numbers that a masked array masks are NaN; whole numbers can't be, so such an array wants `filled(…)` first. As rows of a
  table it needs none: there they are None.
- A sequence of arrays of one shape is one array of them, but for `log_images`, `log_audios` and `log_videos`, whose lists may
  hold any shapes.
- Sparse tensors, arrays of objects, of text and of dates are refused; the error says what makes numbers of them. Tables take
  those of objects, of text and of dates; their cells are text where they are no numbers.
- Of settings, functions and classes are kept as their names, attributes that begin with `_` are left out, arrays of more than
  10,000 numbers are named and not kept. An interpolation of OmegaConf that can't be resolved stays as it is written.
"""

_GROUPS: Final = {
    "b": ("bool",),
    "u": ("uint8", "uint16", "uint32", "uint64"),
    "i": ("int8", "int16", "int32", "int64"),
    "f": ("float16", "float32", "float64"),
    "bf": (BFLOAT16,),
}


def markdown(outcomes: Outcomes, others: dict[str, str]) -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_kinds(outcomes), *_others(others), _TAIL])


def _kinds(outcomes: Outcomes) -> list[str]:
    lines: list[str] = []
    kind = ""
    for at, row in enumerate(ROWS):
        if row.kind != kind:
            kind = row.kind
            names = [library.name for library in LIBRARIES]
            lines += ["", f"## {kind}", ""]
            lines += [f"| layout | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
        cells = [_cell(outcomes, at, library.name) for library in LIBRARIES]
        lines.append(f"| {_escaped(row.what)} | {' | '.join(cells)} |")
    return [*lines[1:], ""]


def _escaped(what: str) -> str:
    head, comma, layout = what.partition(", layout=")
    return f"{head}{comma and f', `layout={layout}`'}"


def _cell(outcomes: Outcomes, at: int, library: str) -> str:
    """The dtypes that came back, in groups where all of a group did; what went wrong stands out."""
    tried = {dtype: outcomes[Cell(at, library, dtype)] for dtype in DTYPES if Cell(at, library, dtype) in outcomes}
    wrong = [dtype for dtype, outcome in tried.items() if outcome not in (SAME, REFUSED)]
    if wrong:
        return f"**not {' '.join(wrong)}**"
    came = {dtype for dtype, outcome in tried.items() if outcome == SAME}
    words = []
    for name, group in _GROUPS.items():
        if came.issuperset(group):
            words.append(name)
        else:
            words += [f"{dtype_kind(dtype)}{dtype.lstrip('uintfloa')}" for dtype in group if dtype in came]
    return " ".join(words) if tried else "–"


def _others(others: dict[str, str]) -> list[str]:
    lines: list[str] = []
    section = ""
    for other in OTHERS:
        if other.section != section:
            section = other.section
            lines += ["", f"## {section}", "", "| logged | read back as |", "| --- | --- |"]
        outcome = others.get(f"{other.section}: {other.what}")
        lines.append(f"| {other.what} | {other.said if outcome == SAME else f'**{outcome}**'} |")
    return [*lines[1:], ""]

"""Floating point that numpy has no dtype for, from its bits to the float32 that holds each of its numbers exactly.

Sources: bfloat16 is the upper half of a float32, float8_e5m2 that of a float16; the others are tables of 256 numbers after
the definitions of Micikevicius et al., "FP8 Formats for Deep Learning" (e4m3fn), of Noune et al. (…fnuz: a bias of one more,
no infinity, no negative zero, whose code is NaN), and of the OCP Microscaling specification (e8m0fnu: powers of two).
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Narrow(NamedTuple):
    """How many bits are exponent and fraction; what the exponent is too large by; the codes that are no number."""

    exponent: int
    fraction: int
    bias: int
    nans: tuple[int, ...]


BFLOAT16: Final = "bfloat16"
_E5M2: Final = "float8_e5m2"
_TABLED: Final = {
    "float8_e4m3fn": Narrow(4, 3, 7, (0x7F, 0xFF)),
    "float8_e4m3fnuz": Narrow(4, 3, 8, (0x80,)),
    "float8_e5m2fnuz": Narrow(5, 2, 16, (0x80,)),
    "float8_e8m0fnu": Narrow(8, 0, 127, (0xFF,)),
}
BITS: Final[dict[str, Any]] = {BFLOAT16: np.uint16, _E5M2: np.uint8, **dict.fromkeys(_TABLED, np.uint8)}
"""What holds the bits of one number, by the dtype's name."""


def widened(bits: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """The numbers of bits, as float32 of the same shape. dtype: a name of BITS."""
    if dtype == BFLOAT16:
        whole = bits.astype(np.uint32)
        whole <<= 16
        return whole.view(np.float32)
    if dtype == _E5M2:
        return (bits.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    found: NDArray[np.float32] = _table(dtype)[bits]
    return found


@lru_cache
def _table(dtype: str) -> NDArray[np.float32]:
    form = _TABLED[dtype]
    codes = np.arange(256)
    fraction = (codes & ((1 << form.fraction) - 1)) / (1 << form.fraction)
    exponent = codes >> form.fraction & ((1 << form.exponent) - 1)
    subnormal = (exponent == 0) & (form.fraction > 0)
    size = np.where(subnormal, np.ldexp(fraction, 1 - form.bias), np.ldexp(1 + fraction, exponent - form.bias))
    size[list(form.nans)] = np.nan
    signed = form.exponent + form.fraction < 8
    return np.where((codes > 127) & signed, -size, size).astype(np.float32)

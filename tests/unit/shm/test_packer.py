"""Packers: what is packed comes back exactly, and what is refused leaves the block as it was."""

from collections.abc import Callable
from struct import Struct
from struct import error as StructError
from typing import Any

import numpy as np
import pytest
import torch

from asynclog.shm.packer import EXACT, mapping_packer, nothing, tuple_packer

WIDTHS = range(1, 71)
REFUSALS = (KeyError, TypeError, ValueError, RuntimeError, StructError)


class Block:
    """What a packer needs of one."""

    def __init__(self, width: int) -> None:
        self.buffer = bytearray(8 * (width + 2) * 2)
        self.offset = 0


class Case:
    """A packer for some keys, with rows as it wants them."""

    def __init__(self, kind: str, width: int, total: type = float) -> None:
        self.kind, self.width = kind, width
        self.keys = [f"{chr(97 + at % 26)}'\"\n{at}" for at in range(width)]
        self.struct = Struct(f"@q{width}{'d' if total is float else 'q'}q")
        self.block = Block(width)
        if kind == "mapping":
            self.put = mapping_packer(self.keys, self.struct, self.struct.size, total)
        else:
            self.put = tuple_packer(width, self.struct, self.struct.size, total)

    def row(self, numbers: list[Any]) -> Any:
        # Mappings come in any order.
        return dict(reversed(list(zip(self.keys, numbers, strict=True)))) if self.kind == "mapping" else tuple(numbers)

    def took(self, pending: Any, step: int = 1, now: int = 2) -> bool:
        """Whether the row was packed; if not, nothing may have been committed."""
        before = self.block.offset
        try:
            packed = self.put(self.block, pending, step, now)
        except REFUSALS:
            packed = False
        if packed:
            assert self.block.offset == before + self.struct.size
        else:
            assert self.block.offset == before
            time = self.block.buffer[before + self.struct.size - 8 : before + self.struct.size]
            assert not any(time), "a refused row has no commit mark"
        return packed


@pytest.fixture(params=["mapping", "tuple"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("width", WIDTHS)
def test_rows_of_any_width_are_packed(kind: str, width: int) -> None:
    """Step first, the numbers in the order of the columns, the time last; row behind row."""
    case = Case(kind, width)
    for row in range(2):
        numbers = [0.5 + at + row for at in range(width)]
        assert case.took(case.row(numbers), step=-7 - row, now=10 + row)
        assert case.struct.unpack_from(case.block.buffer, row * case.struct.size) == (-7 - row, *numbers, 10 + row)


@pytest.mark.parametrize("width", WIDTHS)
def test_whole_numbers_are_packed_exactly(kind: str, width: int) -> None:
    case = Case(kind, width, total=int)
    numbers = [3 - at for at in range(width)]
    assert case.took(case.row(numbers))
    assert case.struct.unpack_from(case.block.buffer, 0) == (1, *numbers, 2)


@pytest.mark.parametrize("width", [1, 2, 63, 64, 65, 70])
@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(2**53, id="first whole number that a float can't tell from its neighbour"),
        pytest.param(-(2**53), id="its negative"),
        pytest.param(2**53 + 1, id="one that would be rounded"),
        pytest.param(np.float64(0.5), id="numpy's float64, which is a float"),
        pytest.param(np.float32(0.5), id="numpy's float32"),
        pytest.param(np.int64(5), id="numpy's int64"),
        pytest.param(np.array([0.5, 1.5]), id="an array"),
        pytest.param(torch.tensor(0.5), id="a tensor"),
        pytest.param(torch.tensor([0.5, 1.5]), id="a tensor of two"),
        pytest.param("0.5", id="text"),
        pytest.param(None, id="nothing"),
        pytest.param(1j, id="a complex number"),
        pytest.param(float("nan"), id="NaN, whose sum tells nothing of the rest"),
        pytest.param(float("inf"), id="infinity, likewise"),
    ],
)
def test_what_a_float_row_can_not_take_as_it_is_goes_the_long_way(kind: str, width: int, odd: Any) -> None:
    """Wherever in the row it stands."""
    for place in {0, width // 2, width - 1}:
        case = Case(kind, width)
        # Of one sign: numbers that cancel out hide what is beyond the limit, as asynclog.shm.packer says.
        numbers: list[Any] = [-0.25 if isinstance(odd, int) and odd < 0 else 0.25] * width
        numbers[place] = odd
        assert not case.took(case.row(numbers))


def test_a_large_whole_number_is_exact_up_to_the_limit(kind: str) -> None:
    case = Case(kind, 2)
    assert case.took(case.row([2**53 - 2, 0.5]))
    assert case.struct.unpack_from(case.block.buffer, 0)[1] == 2**53 - 2 < EXACT


@pytest.mark.parametrize("width", [1, 2, 70])
def test_a_float_is_no_whole_number(kind: str, width: int) -> None:
    """A column of integers never rounds."""
    for place in {0, width - 1}:
        case = Case(kind, width, total=int)
        numbers: list[Any] = [4] * width
        numbers[place] = 0.5
        assert not case.took(case.row(numbers))


@pytest.mark.parametrize("width", [1, 70])
def test_a_whole_number_beyond_64_bits_goes_the_long_way(kind: str, width: int) -> None:
    case = Case(kind, width, total=int)
    assert not case.took(case.row([2**64] * width))


@pytest.mark.parametrize("width", [1, 3, 64, 65, 70])
def test_a_missing_key_goes_the_long_way(width: int) -> None:
    case = Case("mapping", width)
    row = case.row([0.5] * width)
    del row[case.keys[width // 2]]
    assert not case.took(row)


@pytest.mark.parametrize("width", [1, 3, 64, 65, 70])
@pytest.mark.parametrize("off", [-1, 1])
def test_a_tuple_of_another_width_goes_the_long_way(width: int, off: int) -> None:
    assert not Case("tuple", width).took((0.5,) * (width + off))


def test_packers_of_one_width_share_code_but_not_keys() -> None:
    struct = Struct("@q2dq")
    one, other = (mapping_packer(keys, struct, struct.size, float) for keys in (("a", "b"), ("b", "c")))
    block = Block(2)
    assert one(block, {"a": 1.0, "b": 2.0}, 0, 1)
    assert other(block, {"c": 4.0, "b": 3.0}, 0, 1)
    assert struct.unpack_from(block.buffer, struct.size)[1:3] == (3.0, 4.0)
    with pytest.raises(KeyError):
        one(block, {"b": 1.0, "c": 2.0}, 0, 1)


def test_keys_never_become_source() -> None:
    """A key is data, whatever it looks like."""
    keys = ["'); raise SystemExit #", "k0", "v0"]
    struct = Struct("@q3dq")
    block = Block(3)
    assert mapping_packer(keys, struct, struct.size, float)(block, dict.fromkeys(keys, 1.5), 0, 1)


def test_a_row_beyond_the_block_is_not_packed(kind: str) -> None:
    case = Case(kind, 3)
    row = case.row([0.5] * 3)
    assert case.took(row)
    assert case.took(row)
    before = bytes(case.block.buffer)
    with pytest.raises(StructError):
        case.put(case.block, row, 1, 2)
    assert bytes(case.block.buffer) == before


def test_a_block_without_rows_takes_none() -> None:
    packer: Callable[..., bool] = nothing
    assert packer(None, (), 0, 0) is False

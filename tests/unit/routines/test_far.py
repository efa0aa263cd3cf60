"""Numbers that lie elsewhere are joined where they are, and fetched together. Here the elsewhere is the CPU; on a real device,
test_cuda."""

import math

import pytest

from asynclog.routines.far import Amount, Fetching, exact, is_far, numbers_here

torch = pytest.importorskip("torch")


def far(*values: float) -> list[torch.Tensor]:
    return [torch.tensor(one, dtype=torch.float64) for one in values]


@pytest.mark.parametrize(("nothing", "join", "there", "wanted"), [(0.0, sum, "sum", 6.5), (math.inf, min, "minimum", 0.5)])
def test_what_lies_there_and_here_comes_together(nothing: float, join: object, there: str, wanted: float) -> None:
    amount = Amount(nothing, lambda one, other: join((one, other)), there)  # type: ignore[operator]
    amount.add(1.0)
    for one in far(2.0, 0.5, 3.0):
        amount.add_far(one)
    assert len(amount.there) == 1
    assert amount.settled(Fetching(amount.there).wait()) == wanted


def test_a_sum_is_known_where_it_lies_before_it_is_fetched() -> None:
    amount = Amount(0.0, lambda one, other: one + other, "sum")
    assert amount.lazily == 0.0
    amount.add(1.0)
    amount.add_far(*far(2.0))
    assert isinstance(amount.lazily, torch.Tensor)
    assert float(amount.lazily) == 3.0


def test_numbers_are_fetched_in_their_order() -> None:
    fetching = Fetching(far(3.0, 1.0, 2.0))
    assert fetching
    assert fetching.wait() == [3.0, 1.0, 2.0]
    assert not Fetching([])
    assert Fetching([]).wait() == []


def test_what_lies_here_isnt_far() -> None:
    assert not any(map(is_far, (1.0, torch.ones(2), None)))
    assert is_far(torch.empty((), device="meta"))
    assert exact(torch.ones((), requires_grad=True)).dtype == torch.float64
    assert numbers_here(torch.tensor([[1, 2]], dtype=torch.bfloat16)).tolist() == [1.0, 2.0]

"""Meters of one process; and of several, as rows of numbers that come to what one process computes from all of it."""

import asyncio
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynclog.errors import InvalidValue
from asynclog.routines import Meters
from asynclog.routines.packing import HOWS, NOTHING, Reading, agreement, is_agreed, packed, reduced

torch = pytest.importorskip("torch")


@pytest.mark.parametrize(
    ("add", "value"),
    [
        (lambda meters: (meters.mean("m", 1.0, 3), meters.mean("m", 5.0)), 2.0),
        (lambda meters: (meters.mean("m", 1), meters.mean("m", np.array([2, 3]))), 2.0),
        (lambda meters: (meters.mean("m", torch.tensor([1.0, 3.0], requires_grad=True)), meters.mean("m", [5.0])), 3.0),
        (lambda meters: meters.mean("m", 3.0, 0.0), math.nan),
        (lambda meters: meters.mean("m", np.empty(0)), math.nan),
        (lambda meters: (meters.sum("m", 1.5), meters.sum("m", [1, 2])), 4.5),
        (lambda meters: (meters.min("m", 2.0), meters.min("m", -1), meters.min("m", np.array([3, 0.5]))), -1.0),
        (lambda meters: (meters.max("m", 2.0), meters.max("m", math.nan), meters.max("m", 9.0)), math.nan),
        (lambda meters: (meters.ratio("m", 1, 2), meters.ratio("m", torch.tensor([1, 1]), np.array(6))), 3 / 8),
        (lambda meters: meters.ratio("m", 0, 0), math.nan),
    ],
)
async def test_a_meter_comes_to_what_was_added(add: Any, value: float) -> None:
    meters = Meters()
    add(meters)
    assert (await meters.reduce()).values == pytest.approx({"m": value}, nan_ok=True)
    assert (await meters.reduce()).values == {}


def test_a_spread_is_three_meters() -> None:
    meters = Meters()
    for value in (1.0, 2.0, 6.0):
        meters.spread("return", value)
    assert meters.reduce_blocking().values == {"return/mean": 3.0, "return/min": 1.0, "return/max": 6.0}


def test_a_name_is_one_kind_of_meter() -> None:
    meters = Meters()
    meters.mean("loss", 1.0)
    with pytest.raises(InvalidValue, match="meter 'loss': expected a mean, as before, got a max; name it otherwise: loss/max"):
        meters.max("loss", 1.0)


@pytest.mark.parametrize("value", ["x", "1.5", None, {"a": 1}, [object()]])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidValue, match="meter 'loss': expected a number, or an array of them"):
        Meters().mean("loss", value)


@pytest.mark.parametrize(
    "add",
    [
        lambda meters: meters.ratio("score", 3, "x"),
        lambda meters: meters.mean("score", "x"),
        lambda meters: meters.max("score", None),
    ],
    ids=["ratio", "mean", "max"],
)
def test_what_is_refused_leaves_nothing_behind(add: Any) -> None:
    meters = Meters()
    with pytest.raises(InvalidValue):
        add(meters)
    assert meters.reduce_blocking().values == {}
    meters.ratio("score", 1, 2)
    assert meters.reduce_blocking().values == {"score": 0.5}


def test_an_array_of_no_numbers_weighs_nothing() -> None:
    meters = Meters()
    meters.mean("loss", [], weight=8)
    meters.mean("loss", 4.0, weight=8)
    assert meters.reduce_blocking().values == {"loss": 4.0}


def test_means_are_taken_without_waiting_for_a_reduction() -> None:
    meters = Meters()
    meters.mean("loss", 1.0, 3.0)
    meters.mean("loss", 5.0, 1.0)
    meters.ratio("right", 1, 4)
    meters.max("most", 1.0)
    assert meters.take_means() == {"loss": 2.0, "right": 0.25}
    assert len(meters) == 0


numbers = st.floats(-1e6, 1e6)
readings = st.dictionaries(
    st.sampled_from([f"{how}-{number}" for how in HOWS for number in range(2)]), st.tuples(numbers, numbers, st.integers(1, 9))
)


@given(st.lists(readings, min_size=1, max_size=5))
def test_rows_of_all_ranks_come_to_what_they_hold_together(ranks: list[dict[str, tuple[float, float, int]]]) -> None:
    """Each rank has some of the meters, by chance; one without contributes nothing."""
    own = [{name: Reading(name.partition("-")[0], *one) for name, one in rank.items()} for rank in ranks]
    agreed = agreement([{name: one.how for name, one in rank.items()} for rank in own])
    rows = np.stack([packed(agreed, rank) for rank in own])
    assert is_agreed(rows)
    found = reduced(agreed, rows)
    assert found.keys() == {name for rank in own for name in rank}
    for name, one in found.items():
        ones = [rank[name] for rank in own if name in rank]
        join = {"min": min, "max": max}.get(one.how, sum)
        assert one.amount == pytest.approx(join([each.amount for each in ones]), abs=1e-6)
        assert one.weight == pytest.approx(sum(each.weight for each in ones), abs=1e-6)
        assert one.times == sum(each.times for each in ones)


def test_a_rank_tells_of_meters_that_were_not_agreed_on() -> None:
    agreed = {"loss": "mean"}
    assert not is_agreed(packed(agreed, {"loss": Reading("mean", 1, 1, 1), "new": Reading("sum", 1, 0, 1)})[None])
    assert not is_agreed(packed(agreed, {"loss": Reading("sum", 1, 0, 1)})[None])
    assert packed(agreed, {}).tolist() == [0.0, NOTHING["mean"], 0.0, 0.0]


def test_a_meter_that_is_not_the_same_on_every_rank_is_refused() -> None:
    why = "meter 'loss': expected the same on every rank, got mean on rank 0, 2; sum on rank 1"
    with pytest.raises(InvalidValue, match=why):
        agreement([{"loss": "mean"}, {"loss": "sum"}, {"loss": "mean", "other": "max"}])


async def test_a_reduction_that_is_cancelled_is_done_all_the_same() -> None:
    """The others wait for it: here a thread that is told to go on."""
    import threading

    from asynclog.routines import group

    asked, answer = threading.Event(), threading.Event()

    class Slow(group.Ranks):
        def __init__(self) -> None:
            self.rows_asked = 0

        def rows(self, row: Any) -> Any:
            self.rows_asked += 1
            asked.set()
            answer.wait(40)
            return row[None]

        def objects(self, own: Any) -> list[Any]:
            return [own]

    class OfSeveral(Meters):
        alone = False  # type: ignore[assignment]

    meters = OfSeveral()
    meters._ranks = ranks = Slow()
    meters.sum("steps", 1.0)
    first = asyncio.create_task(meters.reduce())
    await asyncio.to_thread(asked.wait, 40)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    meters.sum("steps", 2.0)
    answer.set()
    assert (await meters.reduce()).values == {"steps": 2.0}
    # Of names that are new a first row, then the one that counts.
    assert ranks.rows_asked == 3
    meters.close()

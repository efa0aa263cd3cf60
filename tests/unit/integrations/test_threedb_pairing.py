"""However a stream of results is cut into batches, and wherever its reader is killed, each result comes once, and whole."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asynclog.integrations.threedb.pairing import Parts, paired
from asynclog.sink import Event
from asynclog.state import State
from asynclog.testing import batch_of
from asynclog.testing.batches import STEP_NS
from tests.unit.integrations.resultbatch import FIRST_NS, pairs


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[int, list[Any]]]:
    """(step, values) of writes: results of some channels, and numbers that are none of theirs."""
    stream = []
    for ix in range(draw(st.integers(1, 6))):
        if draw(st.booleans()):
            channels = {name: np.full(2, ix) for name in draw(st.lists(st.sampled_from("abc"), unique=True))}
            item: dict[str, Any] = {"id": f"r{ix}"} | ({"outputs": np.full(3, ix)} if draw(st.booleans()) else {})
            stream.append((ix, pairs(ix, item, channels)))
        else:
            stream.append((ix, [(("", "loss"), 0.5)]))
    return stream


def said(found: list[Any]) -> list[Any]:
    return [
        (one.ix, one.item["id"], {name: value.data.tolist() for name, value in one.channels.items()}, "outputs" in one.item)
        for one in found
    ]


@given(stream=streams(), data=st.data())
def test_each_result_comes_once_and_whole(stream: list[tuple[int, list[Any]]], data: st.DataObject) -> None:
    values = [(ix, value) for ix, listed in stream for value in listed]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(values)))) | {len(values)})
    kills = data.draw(st.sets(st.integers(0, len(cuts))))

    def journal(time_ns: int) -> list[Event]:
        ix = (time_ns - FIRST_NS) // STEP_NS
        return list(batch_of([(State(ix, "test"), dict(stream)[ix])], first_time_ns=time_ns))

    whole = batch_of([(State(ix, "test"), listed) for ix, listed in stream], first_time_ns=FIRST_NS)
    expected = said(paired(whole, None, journal, 0).results)
    assert [one[0] for one in expected] == [ix for ix, listed in stream if listed[0][0][0] == "threedb"]
    found: list[Any] = []
    held: Parts | None = None
    begin = reached = 0
    for number, end in enumerate(cuts):
        if number in kills:
            held = None  # what was accepted isn't given again, and what was held is gone
        part = values[begin:end]
        begin = end
        steps = sorted({ix for ix, _ in part})
        entries = [(State(ix, "test"), [value for at, value in part if at == ix]) for ix in range(steps[0], steps[-1] + 1)]
        results, held = paired(batch_of(entries, first_time_ns=FIRST_NS + steps[0] * STEP_NS), held, journal, reached)
        found.extend(results)
        reached = max([reached, *(one.time_ns for one in results)])
    assert said(found) == expected


def test_a_result_that_nobody_can_complete_is_told_and_left_out(caplog: Any) -> None:
    """Without a journal there is nothing to read its item in."""
    values = pairs(3, {"id": "r3"}, {"a": np.ones(2)})[1:]
    found = paired(batch_of([(State(3, "test"), values)]), None, lambda _: [], 0)
    assert (found.results, found.held) == ([], None)
    assert "result 3: its item was lost with an earlier process" in caplog.text

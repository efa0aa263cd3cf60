"""States with axes, or a time of their own, are new ones at every write; their rows lie together all the same."""

import asyncio
from pathlib import Path

import pytest

import asynclog as al


@pytest.mark.parametrize("own", ["axes", "elapsed_s"])
def test_rows_of_ever_new_states_lie_in_one_block(tmp_path: Path, own: str) -> None:
    """A block each would be a thousand open ones, all looked at whenever an event is written."""

    def state(step: int) -> al.State:
        return al.State(step, axes={"policy_version": step / 2}) if own == "axes" else al.State(step, elapsed_s=step / 2)

    async def main() -> int:
        async with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
            for step in range(300):
                async with log.at(state(step)) as entry:
                    entry.log_scalar("reward", float(step))
                    entry.log_string("said", str(step))
            return len(log._core.producer.blocks)

    assert asyncio.run(main()) <= 2
    events = list(al.read(tmp_path / "run").events(kind="scalar"))
    assert [event.value for event in events] == [float(step) for step in range(300)]
    assert [event.state for event in events] == [state(step) for step in range(300)]


def test_states_that_differ_in_what_a_block_says_once_keep_their_own(tmp_path: Path) -> None:
    states = [
        al.State(step, epoch=step % 3, level=("epoch", "batch")[step % 2], axes=({"a": step}, {"b": step, "a": 1})[step % 2])  # type: ignore[arg-type]
        for step in range(24)
    ]
    with al.MultiLogger(tmp_path / "run", recorder="thread") as log:
        for state in states:
            log.log_scalar("x", float(state.step))
            log.write_nowait(state)
    found = sorted(al.read(tmp_path / "run").events(kind="scalar"), key=lambda event: event.step)
    assert [event.state for event in found] == states
    assert [event.value for event in found] == [float(state.step) for state in states]

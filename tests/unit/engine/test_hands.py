"""Marks of the sinks that are being called: another process reads them, and suspects are called one at a time."""

import asyncio
import os
import subprocess
import sys

from asynclog.engine.hands import Hands

MARK_AND_DIE = """
import os, sys
from asynclog.engine.hands import Hands
hands = Hands.inherited(int(sys.argv[1]), ["a", "b", "c"], frozenset())
with hands.of("a"):
    pass
with hands.of("b"):
    os._exit(3)
"""


def test_a_mark_outlives_the_process_that_made_it() -> None:
    """And one that was taken back is gone."""
    hands = Hands.shared(["a", "b", "c"])
    done = subprocess.run([sys.executable, "-c", MARK_AND_DIE, str(hands.fd)], pass_fds=[hands.fd], env={**os.environ})
    assert done.returncode == 3
    assert hands.inside() == {"b"}
    assert repr(hands) == "<Hands in b>"
    hands.close()


def test_suspects_are_called_one_at_a_time() -> None:
    """Others are not held up by them."""
    shared = Hands.shared(["a", "b", "c"])
    hands = Hands.inherited(os.dup(shared.fd), ["a", "b", "c"], frozenset("ab"))
    seen: list[set[str]] = []

    async def call(name: str) -> None:
        hand = hands.of(name)
        for _ in range(20):
            await hand.wait_for_turn()
            with hand:
                seen.append(set(hands.inside()))
                await asyncio.sleep(0)
                seen.append(set(hands.inside()))

    async def all_three() -> None:
        await asyncio.gather(*map(call, "abc"))

    asyncio.run(all_three())
    assert not any({"a", "b"} <= one for one in seen)
    assert any("c" in one and len(one) == 2 for one in seen)
    assert hands.inside() == set()
    hands.close()
    shared.close()


def test_a_suspect_that_hangs_keeps_the_others_only_so_long() -> None:
    hands = Hands.of_threads(["a", "b"])
    suspicious = Hands(hands._mapping, ["a", "b"], frozenset("ab"), patience_s=0.01)

    async def hang_and_go_on() -> None:
        one, other = suspicious.of("a"), suspicious.of("b")
        await one.wait_for_turn()
        with one:
            await other.wait_for_turn()
            with other:
                assert suspicious.inside() == {"a", "b"}
        await other.wait_for_turn()
        with other:
            assert suspicious.inside() == {"b"}

    asyncio.run(hang_and_go_on())

"""What a slab's state says of itself; the ledger's rules are examined in tests/property/test_ledger.py."""

import pytest

from asynclog.errors import StaleLease
from asynclog.shm.slab import ARENA_BYTES, Ledger, Role, size_class


@pytest.mark.parametrize(
    ("wanted", "served"),
    [
        (1, 1 << 20),
        (1 << 20, 1 << 20),
        ((1 << 20) + 1, 3 << 19),
        (3 << 19, 3 << 19),
        ((3 << 19) + 1, 2 << 20),
        (5 << 20, 6 << 20),
        (64 << 20, 64 << 20),
        ((64 << 20) + 1, 96 << 20),
    ],
)
def test_size_classes_waste_less_than_a_third(wanted: int, served: int) -> None:
    """A power of two, or three quarters of one."""
    assert size_class(wanted) == served


def test_a_slab_that_is_full_carves_nothing() -> None:
    ledger = Ledger(1 << 30)
    state = ledger.add(Role.ARRAYS, 256)
    assert ledger.carve(state.number, 100) == (1, 1, 0, 100)
    assert ledger.carve(state.number, 128) == (1, 1, 128, 128), "aligned to 64, up to the last byte"
    assert ledger.carve(state.number, 1) is None
    assert state.claims == 3


def test_a_slab_describes_itself() -> None:
    ledger = Ledger(1 << 30)
    state = ledger.add(Role.ARRAYS, ARENA_BYTES)
    ledger.attach(7)
    ledger.announce(state.number)
    ledger.announce(state.number)
    assert repr(state) == "<Slab 1 ARRAYS 4194304 bytes, generation 1: 1 claims, 2 announcements>"


def test_a_release_of_an_unknown_slab_is_stale() -> None:
    with pytest.raises(StaleLease, match="release of slab 9, generation 1, × 1 by consumer 2: None"):
        Ledger(1 << 30).release(2, 9, 1)


def test_a_refused_release_leaves_no_trace_of_the_consumer() -> None:
    """Looking a consumer up must not make it a holder."""
    ledger = Ledger(1 << 30)
    state = ledger.add(Role.ROWS, 64)
    with pytest.raises(StaleLease):
        ledger.release(5, state.number, state.generation)
    assert ledger.unclaim(state.number), "nobody else holds it"

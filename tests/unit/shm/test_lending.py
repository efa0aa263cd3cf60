"""What one process was lent: kept until it is given back as often as it was lent, or the process is gone."""

import gc
import weakref

import pytest

from asynclog.errors import StaleLease
from asynclog.shm.lending import Lending

MIB = 1 << 20


class Held:
    """Keeps a piece."""


def lent(lending: Lending, slab: int, generation: int = 1, size: int = MIB) -> "weakref.ref[Held]":
    held = Held()
    lending.lend(slab, generation, size, held)
    return weakref.ref(held)


def test_a_piece_is_kept_until_it_is_released() -> None:
    lending = Lending(8 * MIB)
    piece = lent(lending, 4)
    assert (len(lending), lending.held_bytes) == (1, MIB)
    gc.collect()
    assert piece() is not None
    lending.release(4, 1, 1)
    gc.collect()
    assert piece() is None
    assert (len(lending), lending.held_bytes) == (0, 0)


def test_a_piece_that_was_lent_twice_is_kept_until_both_are_given_back() -> None:
    """A batch that is delivered again: the first delivery's arrays may go at any time."""
    lending = Lending(8 * MIB)
    held = Held()
    kept = weakref.ref(held)
    lending.lend(4, 1, MIB, held)
    lending.lend(4, 1, MIB, held)
    del held
    lending.release(4, 1, 1)
    assert kept() is not None
    lending.release(4, 1, 1)
    assert kept() is None


def test_a_slab_counts_once_however_many_pieces_of_it_are_lent() -> None:
    lending = Lending(8 * MIB)
    for _ in range(5):
        lent(lending, 4)
    assert (len(lending), lending.held_bytes) == (5, MIB)
    lending.release(4, 1, 4)
    assert lending.held_bytes == MIB
    lending.release(4, 1, 1)
    assert lending.held_bytes == 0


def test_several_are_given_back_at_once() -> None:
    lending = Lending(8 * MIB)
    pieces = [lent(lending, 4) for _ in range(3)]
    lending.release(4, 1, 3)
    assert [one() for one in pieces] == [None] * 3


@pytest.mark.parametrize(
    ("slab", "generation", "count"),
    [
        pytest.param(4, 1, 3, id="more than were lent"),
        pytest.param(4, 1, 0, id="none"),
        pytest.param(4, 1, -1, id="less than none"),
        pytest.param(4, 0, 1, id="of an older generation"),
        pytest.param(4, 2, 1, id="of a later generation"),
        pytest.param(5, 1, 1, id="of a slab that was not lent"),
        pytest.param(-1, 1 << 63, 1 << 63, id="of nothing there is"),
    ],
)
def test_a_stale_release_is_an_error_and_changes_nothing(slab: int, generation: int, count: int) -> None:
    lending = Lending(8 * MIB)
    pieces = [lent(lending, 4) for _ in range(2)]
    with pytest.raises(StaleLease, match=f"release of slab {slab}, generation {generation}, × {count}"):
        lending.release(slab, generation, count)
    assert (len(lending), lending.held_bytes) == (2, MIB)
    assert None not in [one() for one in pieces]


def test_what_was_given_back_can_not_be_given_back_again() -> None:
    lending = Lending(8 * MIB)
    lent(lending, 4)
    lending.release(4, 1, 1)
    with pytest.raises(StaleLease, match="0 pieces of it are lent"):
        lending.release(4, 1, 1)


def test_generations_are_kept_apart() -> None:
    lending = Lending(8 * MIB)
    old, new = lent(lending, 4, 1), lent(lending, 4, 2)
    assert lending.held_bytes == 2 * MIB
    lending.release(4, 2, 1)
    assert (old() is None, new() is None) == (False, True)


def test_more_than_the_limit_does_not_fit() -> None:
    lending = Lending(4 * MIB)
    assert lending.fits(1, 1, 3 * MIB)
    lent(lending, 1, size=3 * MIB)
    assert lending.fits(2, 1, MIB)
    assert not lending.fits(2, 1, MIB + 1)
    assert lending.fits(1, 1, 3 * MIB), "it is kept from the writer already"
    assert not lending.fits(1, 2, 3 * MIB)


def test_one_slab_may_be_lent_however_large() -> None:
    """A tensor of half the quota would never reach a process without a copy otherwise."""
    lending = Lending(4 * MIB)
    assert lending.fits(1, 1, 64 * MIB)
    lent(lending, 1, size=64 * MIB)
    assert not lending.fits(2, 1, 1)


def test_a_process_that_is_gone_has_let_go_of_everything() -> None:
    lending = Lending(8 * MIB)
    pieces = [lent(lending, slab) for slab in range(3)]
    assert repr(lending) == f"<Lending: 3 pieces of 3 slabs, {3 * MIB} bytes>"
    lending.clear()
    assert [one() for one in pieces] == [None] * 3
    assert repr(lending) == "<Lending: 0 pieces of 0 slabs, 0 bytes>"
    with pytest.raises(StaleLease):
        lending.release(0, 1, 1)

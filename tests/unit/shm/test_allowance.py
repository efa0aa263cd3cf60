"""What all served processes together may keep of the shared memory."""

from asynclog.shm.lending import Allowance, Lending

MIB = 1 << 20


def lent(lending: Lending, slab: int) -> bool:
    if not lending.fits(slab, 1, MIB):
        return False
    lending.lend(slab, 1, MIB, object())
    return True


def test_several_that_keep_what_each_may_do_not_keep_more_than_all_may() -> None:
    together = Allowance(3 * MIB)
    lendings = [Lending(2 * MIB, together) for _ in range(4)]
    found = [lent(one, 10 * at + slab) for at, one in enumerate(lendings) for slab in range(2)]
    assert found == [True, True, True, False, False, False, False, False]
    assert together.held_bytes == 3 * MIB


def test_a_slab_that_many_look_into_counts_once() -> None:
    together = Allowance(MIB)
    lendings = [Lending(MIB, together) for _ in range(8)]
    assert all(lent(one, 7) for one in lendings)
    assert together.held_bytes == MIB
    for one in lendings[1:]:
        one.release(7, 1, 1)
    assert together.held_bytes == MIB
    lendings[0].clear()
    assert together.held_bytes == 0
    assert lent(lendings[1], 8)


def test_a_slab_larger_than_what_all_may_keep_is_not_lent() -> None:
    assert not Lending(MIB, Allowance(MIB)).fits(1, 1, 2 * MIB)

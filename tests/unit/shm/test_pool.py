"""The pool: within its quota, warm where it can be, and an error where it can't."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from asynclog.errors import InvalidValue, NoRoom
from asynclog.shm.memory import Mapping, create_anonymous, create_shared
from asynclog.shm.pool import Pool
from asynclog.shm.slab import ARENA_BYTES, ROW_SLAB_BYTES, Role

MIB = 1 << 20


class Watched:
    """A pool that tells what it announced: ("new", number, role, size) and ("gone", number)."""

    def __init__(self, quota: int, create: Callable[[int], Mapping] = create_anonymous) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.pool = Pool(quota, self._new, lambda number: self.told.append(("gone", number)), create)

    def _new(self, number: int, role: Role, mapping: Mapping) -> None:
        assert not any(mapping.view[:64]), "consumers are told before it takes any data"
        self.told.append(("new", number, role, mapping.size))


@pytest.fixture
def watched() -> Watched:
    return Watched(32 * MIB)


def test_a_new_slab_is_claimed_and_announced(watched: Watched) -> None:
    state = watched.pool.slab(Role.ROWS, ROW_SLAB_BYTES)
    assert (state.claims, state.generation) == (1, 1)
    assert watched.told == [("new", state.number, Role.ROWS, ROW_SLAB_BYTES)]


def test_a_free_slab_is_reused_warm(watched: Watched) -> None:
    """Under its next generation, and without a word: consumers have it mapped already."""
    pool = watched.pool
    first = pool.slab(Role.ARRAYS, 2 * MIB)
    pool.ledger.unclaim(first.number)
    again = pool.slab(Role.ARRAYS, 2 * MIB)
    assert (again.number, again.generation) == (first.number, 2)
    assert len(watched.told) == 1


def test_reuse_takes_the_smallest_that_fits_and_none_much_too_large(watched: Watched) -> None:
    pool = watched.pool
    large, fitting, small = (pool.slab(Role.ARRAYS, size * MIB) for size in (6, 3, 1))
    for one in (large, fitting, small):
        pool.ledger.unclaim(one.number)
    assert pool.slab(Role.ARRAYS, 2 * MIB).number == fitting.number
    assert pool.slab(Role.ARRAYS, 2 * MIB).number not in (large.number, small.number)


@pytest.mark.parametrize("size", [3 * MIB + 1, 5 * MIB])
def test_an_arena_of_which_nothing_is_left_is_in_nobodys_way(size: int) -> None:
    """Our own claim on it kept 4 MiB for ever: a write that needed them waited without an end."""
    pool = Watched(8 * MIB).pool
    pool.abandon(pool.allocate(1000))
    assert pool.lacks(size)
    pool.abandon(pool.allocate(size))


def test_what_is_too_large_for_the_arena_is_not_taken_to_find_room_in_it(watched: Watched) -> None:
    """Whoever asks makes the slab beside the loop instead."""
    pool = watched.pool
    pool.abandon(pool.allocate(1000))
    assert pool.lacks(3 * MIB + 1) == 4 * MIB
    assert pool.at_hand(3 * MIB + 1) is None
    assert pool.lacks(2000) == 0


def test_rows_find_room_whatever_arrays_have_taken() -> None:
    """A write that has its arrays and waits for a row would keep them, and with them what the row waits for."""
    pool = Watched(8 * MIB).pool
    pool.allocate(8 * MIB)
    rows = [pool.slab(Role.ROWS, ROW_SLAB_BYTES) for _ in range(2)]
    with pytest.raises(NoRoom):
        pool.slab(Role.ROWS, ROW_SLAB_BYTES)
    pool.ledger.unclaim(rows[0].number)
    assert pool.slab(Role.ROWS, ROW_SLAB_BYTES).number == rows[0].number
    with pytest.raises(NoRoom):
        pool.allocate(MIB)


def test_roles_are_never_mixed(watched: Watched) -> None:
    pool = watched.pool
    rows = pool.slab(Role.ROWS, 2 * MIB)
    pool.ledger.unclaim(rows.number)
    assert pool.slab(Role.ARRAYS, 2 * MIB).number != rows.number


def test_small_arrays_share_an_arena(watched: Watched) -> None:
    pool = watched.pool
    refs = [pool.allocate(100), pool.allocate(100), pool.allocate(ARENA_BYTES // 4)]
    assert {one.slab for one in refs} == {refs[0].slab}
    assert [one.offset for one in refs] == [0, 128, 256]
    assert pool.ledger.slabs[refs[0].slab].claims == 4, "one each, and the pool's own"


def test_a_full_arena_is_retired_and_free_with_its_last_piece(watched: Watched) -> None:
    pool = watched.pool
    refs = [pool.allocate(MIB) for _ in range(5)]
    first, second = refs[0].slab, refs[4].slab
    assert {one.slab for one in refs[:4]} == {first}
    assert second != first
    for one in refs[:4]:
        assert not pool.ledger.slabs[first].free
        pool.abandon(one)
    assert pool.ledger.slabs[first].free
    pool.abandon(refs[4])
    assert not pool.ledger.slabs[second].free, "the pool goes on filling it"


def test_a_large_array_has_a_slab_of_its_own(watched: Watched) -> None:
    pool = watched.pool
    ref = pool.allocate(ARENA_BYTES // 4 + 1)
    assert (ref.offset, ref.nbytes) == (0, ARENA_BYTES // 4 + 1)
    assert len(pool.view(ref)) == ref.nbytes
    pool.abandon(ref)
    assert pool.ledger.slabs[ref.slab].free


def test_a_view_is_the_piece_itself(watched: Watched) -> None:
    pool = watched.pool
    first, second = pool.allocate(64), pool.allocate(64)
    pool.view(second)[:] = bytes(range(64))
    assert bytes(pool.view(first)) == bytes(64)
    assert bytes(pool.view(second)) == bytes(range(64))


def test_the_quota_is_kept(watched: Watched) -> None:
    """Waiting may help, so it is NoRoom; nothing was changed, and it is counted."""
    pool = watched.pool
    pool.allocate(24 * MIB)
    before = pool.statistics()
    with pytest.raises(NoRoom, match=f"{12 * MIB} bytes wanted, {24 * MIB} of {32 * MIB} in use"):
        pool.allocate(12 * MIB)
    assert pool.statistics() == {**before, "refusals": 1}


def test_more_than_the_quota_will_never_fit(watched: Watched) -> None:
    """Waiting won't help, so it is the value's fault, with the way out."""
    with pytest.raises(InvalidValue, match="slabs=bytes"):
        watched.pool.allocate(32 * MIB + 1)


def test_free_slabs_of_other_sizes_make_room(watched: Watched) -> None:
    """Largest first, no more than needed; consumers hear of it."""
    pool = watched.pool
    slabs = [pool.slab(Role.ARRAYS, size * MIB) for size in (4, 16, 8)]
    for one in slabs:
        pool.ledger.unclaim(one.number)
    pool.slab(Role.ARRAYS, 3 * MIB + MIB // 2)  # reuses the 4 MiB
    made = pool.allocate(20 * MIB)
    assert watched.told[3:] == [("gone", slabs[1].number), ("gone", slabs[2].number), ("new", 4, Role.ARRAYS, 24 * MIB)]
    assert made.slab == 4
    assert pool.ledger.total_bytes == 28 * MIB
    assert set(pool.mappings) == {slabs[0].number, 4}


def test_control_records_may_exceed_the_quota(watched: Watched) -> None:
    """What they announce is within it already."""
    pool = watched.pool
    pool.allocate(32 * MIB)
    assert pool.control_slab(100).size == MIB
    assert pool.control_slab(3 * MIB).size == 3 * MIB


def test_row_slabs_hold_what_is_asked_of_them(watched: Watched) -> None:
    assert watched.pool.row_slab(100).size == ROW_SLAB_BYTES
    assert watched.pool.row_slab(5 * MIB).size == 6 * MIB


def test_row_slabs_grow_with_their_number() -> None:
    """A stalled disk must not use up the process's descriptors."""
    pool = Watched(1 << 40, create=lambda size: create_anonymous(4096)).pool
    sizes = {count: pool.row_slab(1).size for count in range(400)}
    assert sizes[0] == ROW_SLAB_BYTES
    assert sizes[64] == 2 * ROW_SLAB_BYTES
    assert sizes[399] == 16 * ROW_SLAB_BYTES


def test_prewarmed_slabs_are_free_and_announced(watched: Watched) -> None:
    pool = watched.pool
    pool.prewarm()
    made = [(role, size) for _, _, role, size in watched.told]
    assert made == [(Role.ARRAYS, ARENA_BYTES)] * 3 + [(Role.ROWS, ROW_SLAB_BYTES)] * 2
    assert pool.ledger.total_bytes == 32 * MIB // 2, "half of the quota, and not a slab more"
    assert len(pool.ledger.free_slabs()) == 5
    warm = {one.number for one in pool.ledger.free_slabs()}
    assert pool.row_slab(1).number in warm
    assert pool.allocate(1).slab in warm


def test_prewarming_has_its_fill() -> None:
    """However large the quota is."""
    watched = Watched(1 << 30)
    watched.pool.prewarm()
    made = [(role, size) for _, _, role, size in watched.told]
    assert made == [(Role.ARRAYS, ARENA_BYTES)] * 3 + [(Role.ROWS, ROW_SLAB_BYTES)] * 5


def test_prewarming_takes_no_claim_of_others(watched: Watched) -> None:
    """The control slab was there first."""
    pool = watched.pool
    control = pool.control_slab(1)
    pool.prewarm()
    assert control.claims == 1


def test_what_the_system_refuses_is_no_room() -> None:
    """And leaves the ledger as it was."""

    def create(size: int) -> Mapping:
        raise NoRoom("memory is short")

    pool = Watched(32 * MIB, create=create).pool
    with pytest.raises(NoRoom, match="memory is short"):
        pool.allocate(100)
    assert pool.ledger.total_bytes == 0
    assert not pool.mappings


def test_closing_lets_go_of_every_descriptor() -> None:
    pool = Watched(32 * MIB, create=create_shared).pool
    mappings = [pool.mappings[pool.allocate(size).slab] for size in (100, 2 * MIB)]
    assert all(one.fd >= 0 for one in mappings)
    pool.close()
    assert [one.fd for one in mappings] == [-1, -1]
    assert not pool.mappings


def test_stocking_makes_a_free_slab_without_holding_the_lock() -> None:
    """Memory takes its time; whoever needs the lock meanwhile gets it, and the quota counts what is being made."""
    lock = threading.Lock()
    seen: list[tuple[bool, int]] = []

    def create(size: int) -> Mapping:
        seen.append((lock.locked(), watched.pool.ledger.total_bytes))
        return create_anonymous(size)

    watched = Watched(4 * MIB, create=create)
    watched.pool.stock(Role.ROWS, 2 * MIB, lock)
    assert seen == [(False, 2 * MIB)]
    (state,) = watched.pool.ledger.free_slabs(Role.ROWS)
    assert watched.pool.row_slab(1) is state
    assert watched.pool.ledger.total_bytes == 2 * MIB
    with pytest.raises(NoRoom):
        watched.pool.stock(Role.ROWS, 3 * MIB, lock)
    assert watched.pool.ledger.total_bytes == 2 * MIB


def test_stocking_that_fails_gives_its_share_of_the_quota_back() -> None:
    def create(size: int) -> Mapping:
        raise NoRoom("memory is short")

    pool = Watched(4 * MIB, create=create).pool
    with pytest.raises(NoRoom):
        pool.stock(Role.ROWS, 2 * MIB, threading.Lock())
    assert pool.ledger.total_bytes == 0


@pytest.mark.parametrize(
    ("nbytes", "made"), [(100, ARENA_BYTES), (MIB, ARENA_BYTES), (MIB + 1, 3 * MIB // 2), (5 * MIB, 6 * MIB)]
)
def test_a_pool_says_what_it_would_have_to_make(watched: Watched, nbytes: int, made: int) -> None:
    """So that it can be made off the loop; nothing once it is there."""
    pool = watched.pool
    assert pool.lacks(nbytes) == made
    pool.stock(Role.ARRAYS, made, threading.Lock())
    assert pool.lacks(nbytes) == 0
    count = len(watched.told)
    pool.allocate(nbytes)
    assert len(watched.told) == count


@pytest.mark.parametrize("nbytes", [100, MIB, MIB + 1, 5 * MIB])
def test_only_memory_that_is_there_is_at_hand(watched: Watched, nbytes: int) -> None:
    pool = watched.pool
    assert pool.at_hand(nbytes) is None
    assert not pool.ledger.slabs
    pool.stock(Role.ARRAYS, pool.lacks(nbytes), threading.Lock())
    count = len(watched.told)
    ref = pool.at_hand(nbytes)
    assert ref is not None
    assert ref.nbytes == nbytes
    assert pool.ledger.slabs[ref.slab].claims
    assert len(watched.told) == count


def test_an_arena_with_room_lacks_nothing(watched: Watched) -> None:
    pool = watched.pool
    pool.allocate(3 * MIB // 3)
    assert pool.lacks(MIB) == 0
    for _ in range(3):
        pool.allocate(MIB)
    assert pool.lacks(MIB) == ARENA_BYTES


def test_a_slab_that_cant_be_passed_on_is_refused_and_costs_nothing() -> None:
    """No descriptor is left to pass it on with; once there is one, the same call succeeds."""
    told: list[str] = []

    def new(number: int, role: Role, mapping: Mapping) -> None:
        told.append("new")
        if len(told) == 1:
            raise OSError(24, "Too many open files")

    pool = Pool(2 * MIB, new, lambda number: told.append("gone"), create_anonymous)
    with pytest.raises(NoRoom, match="Too many open files"):
        pool.slab(Role.ARRAYS, 2 * MIB)
    assert (told, pool.mappings, pool.ledger.total_bytes) == (["new", "gone"], {}, 0)
    assert pool.slab(Role.ARRAYS, 2 * MIB).size == 2 * MIB


def test_a_slab_that_cant_be_stocked_leaves_its_room() -> None:
    def new(number: int, role: Role, mapping: Mapping) -> None:
        raise OSError(24, "Too many open files")

    pool = Pool(2 * MIB, new, lambda number: None, create_anonymous)
    with pytest.raises(NoRoom):
        pool.stock(Role.ROWS, 2 * MIB, threading.Lock())
    assert pool.ledger.total_bytes == 0


def test_when_the_system_has_no_more_free_slabs_go_back_to_it() -> None:
    """Within the quota, but on a full tmpfs: what lies free in another size is all there is. Whoever tries again gets it."""
    given = 0

    def create(size: int) -> Mapping:
        nonlocal given
        if given + size > 8 * MIB:
            raise NoRoom("the tmpfs is full")
        given += size
        return create_anonymous(size)

    watched = Watched(32 * MIB, create)
    for one in [watched.pool.slab(Role.ARRAYS, 2 * MIB) for _ in range(4)]:
        watched.pool.ledger.unclaim(one.number)
    with pytest.raises(NoRoom):
        watched.pool.slab(Role.ARRAYS, 6 * MIB)
    gone = [one for one in watched.told if one[0] == "gone"]
    assert len(gone) == 3
    given -= len(gone) * 2 * MIB
    assert watched.pool.slab(Role.ARRAYS, 6 * MIB).size == 6 * MIB


def test_memory_made_beside_the_lock_gives_way_likewise() -> None:
    def create(size: int) -> Mapping:
        if size > MIB:
            raise NoRoom("the tmpfs is full")
        return create_anonymous(size)

    watched = Watched(32 * MIB, create)
    small = watched.pool.slab(Role.ARRAYS, MIB)
    watched.pool.ledger.unclaim(small.number)
    with pytest.raises(NoRoom):
        watched.pool.stock(Role.ARRAYS, 4 * MIB, threading.RLock())
    assert watched.told[-1] == ("gone", small.number)
    assert watched.pool.ledger.total_bytes == 0


def test_what_a_dead_consumer_held_is_never_written_again(watched: Watched) -> None:
    """Those it lent it to may still look into it: once nobody else holds it, its memory is given up."""
    pool = watched.pool
    pool.ledger.attach(1)
    held, idle = (pool.slab(Role.ARRAYS, 2 * MIB) for _ in range(2))
    pool.ledger.announce(held.number)
    pool.ledger.unclaim(idle.number)
    pool.ledger.retire(1)
    pool.ledger.detach(1)
    pool.sweep()
    assert watched.told[-1][0] == "new", "the writer's own claim is still there"
    pool.ledger.unclaim(held.number)
    assert pool.slab(Role.ARRAYS, 2 * MIB).number == idle.number
    assert pool.slab(Role.ARRAYS, 2 * MIB).number not in (held.number, idle.number)
    pool.sweep()
    assert watched.told[-1] == ("gone", held.number)

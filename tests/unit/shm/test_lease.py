"""A lease ends with the last array that looks into it, or when it is freed: once, and never twice."""

import gc
import pickle

import numpy as np
import pytest

from asynclog.errors import StaleLease
from asynclog.shm.lease import Lease
from asynclog.shm.memory import create_anonymous
from asynclog.shm.slab import Ref

REF = Ref(4, 2, 64, 128)


class Owner:
    """Memory and what was given back."""

    def __init__(self, ref: Ref = REF) -> None:
        self.mapping = create_anonymous(256)
        self.memory = self.mapping.view
        self.memory[:] = bytes(range(256))
        self.returned: list[Ref] = []
        self.ref = ref

    def lease(self) -> Lease:
        return Lease(self.mapping, self.ref, self.returned.append)


@pytest.fixture
def owner() -> Owner:
    return Owner()


def test_an_array_shows_the_piece_as_it_is(owner: Owner) -> None:
    array = owner.lease().array()
    assert array.dtype == np.uint8
    assert array.tolist() == list(range(64, 192))
    owner.memory[64] = 0
    assert array[0] == 0, "a view, not a copy"


def test_views_are_read_only(owner: Owner) -> None:
    array = owner.lease().array()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.flags.writeable = True
    assert memoryview(array).readonly


def test_the_lease_lives_as_long_as_its_last_view(owner: Owner) -> None:
    """Slices, other dtypes and shapes, and memoryviews of the array keep it, in whatever order they go."""
    array = owner.lease().array()
    derived = [array[10:20], array.view(np.float32), array.reshape(2, 64).T, memoryview(array)[5:]]
    derived.append(np.frombuffer(derived[3], np.uint8))  # type: ignore[call-overload]
    del array
    while derived:
        gc.collect()
        assert owner.returned == []
        derived.pop(0)
    gc.collect()
    assert owner.returned == [REF]


def test_a_lease_that_nobody_looked_at_is_given_back(owner: Owner) -> None:
    owner.lease()
    gc.collect()
    assert owner.returned == [REF]


def test_a_copy_keeps_nothing(owner: Owner) -> None:
    copy = owner.lease().copy()
    gc.collect()
    assert owner.returned == [REF]
    owner.memory[:] = bytes(256)
    assert copy.tolist() == list(range(64, 192))
    copy[0] = 1


def test_freeing_gives_back_at_once_and_only_once(owner: Owner) -> None:
    """The second time is an error that changes nothing; the views going later changes nothing either."""
    lease = owner.lease()
    array = lease.array()
    lease.free()
    assert owner.returned == [REF]
    with pytest.raises(StaleLease, match="given back already"):
        lease.free()
    del array, lease
    gc.collect()
    assert owner.returned == [REF]


def test_a_freed_lease_gives_no_more_arrays(owner: Owner) -> None:
    lease = owner.lease()
    lease.free()
    with pytest.raises(StaleLease, match="was given back"):
        lease.array()
    with pytest.raises(StaleLease):
        lease.copy()


def test_an_empty_piece_is_an_empty_array() -> None:
    owner = Owner(Ref(1, 1, 256, 0))
    assert owner.lease().array().shape == (0,)
    gc.collect()
    assert owner.returned == [owner.ref]


def test_a_pickled_array_is_a_copy(owner: Owner) -> None:
    arrived = pickle.loads(pickle.dumps(owner.lease().array()))
    gc.collect()
    assert owner.returned == [REF]
    assert arrived.tolist() == list(range(64, 192))


def test_a_lease_says_whether_it_is_held(owner: Owner) -> None:
    lease = owner.lease()
    assert repr(lease) == f"<Lease {REF} held>"
    lease.free()
    assert repr(lease) == f"<Lease {REF} given back>"

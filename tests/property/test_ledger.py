"""Whatever consumers do, and whoever of them dies: a slab is free exactly when nobody holds it."""

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from asynclog.errors import StaleLease
from asynclog.shm.slab import Ledger, Role

CONSUMERS = st.integers(1, 3)
QUOTA = 64 << 20


class LedgerMachine(RuleBasedStateMachine):
    """The ledger against the plainest model there is: a list of holds."""

    slabs = Bundle("slabs")
    pieces = Bundle("pieces")
    given_back = Bundle("given_back")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(QUOTA)
        self.sizes: dict[int, int] = {}
        self.claims: Counter[int] = Counter()
        self.holds: Counter[tuple[int, int]] = Counter()
        self.attached: set[int] = set()
        self.most = 0

    def is_free(self, slab: int) -> bool:
        return not self.claims[slab] and not any(count for (_, held), count in self.holds.items() if held == slab)

    def snapshot(self) -> str:
        return repr(self.ledger.slabs) + repr(self.ledger.statistics())

    def refused(self, consumer: int, slab: int, generation: int, count: int) -> None:
        """A release that is an error, and changes nothing."""
        before = self.snapshot()
        with pytest.raises(StaleLease):
            self.ledger.release(consumer, slab, generation, count)
        assert self.snapshot() == before

    @rule(target=slabs, role=st.sampled_from(Role), size=st.sampled_from((1 << 20, 3 << 20)))
    def make(self, role: Role, size: int) -> int:
        number = self.ledger.add(role, size).number
        assert number not in self.sizes
        self.sizes[number], self.claims[number] = size, 1
        self.most = max(self.most, sum(self.sizes.values()))
        return number

    @rule(consumer=CONSUMERS)
    def attach(self, consumer: int) -> None:
        self.ledger.attach(consumer)
        self.attached.add(consumer)

    @rule(consumer=CONSUMERS)
    def die(self, consumer: int) -> None:
        """The kernel closed its socket: it has let go of everything."""
        busy = {slab for slab in self.sizes if not self.is_free(slab)}
        freed = self.ledger.detach(consumer)
        self.attached.discard(consumer)
        for held in [one for one in self.holds if one[0] == consumer]:
            del self.holds[held]
        assert set(freed) == {slab for slab in busy if self.is_free(slab)}
        assert len(freed) == len(set(freed))

    @rule(target=pieces, slab=slabs)
    def announce(self, slab: int) -> object:
        if slab not in self.sizes:
            return multiple()
        self.ledger.announce(slab)
        for consumer in self.attached:
            self.holds[consumer, slab] += 1
        return multiple(*((one, slab, self.ledger.slabs[slab].generation) for one in sorted(self.attached)))

    @rule(target=pieces, slab=slabs, consumer=CONSUMERS)
    def announce_to_one(self, slab: int, consumer: int) -> object:
        if slab not in self.sizes or consumer not in self.attached:
            return multiple()
        self.ledger.announce(slab, [consumer])
        self.holds[consumer, slab] += 1
        return (consumer, slab, self.ledger.slabs[slab].generation)

    @rule(target=given_back, piece=consumes(pieces))
    def release(self, piece: tuple[int, int, int]) -> object:
        consumer, slab, generation = piece
        if not self.holds[consumer, slab] or self.ledger.slabs[slab].generation != generation:
            self.refused(consumer, slab, generation, 1)
            return multiple()
        self.holds[consumer, slab] -= 1
        assert self.ledger.release(consumer, slab, generation) == self.is_free(slab)
        return piece

    @rule(piece=given_back, surplus=st.integers(1, 3))
    def release_more_than_held(self, piece: tuple[int, int, int], surplus: int) -> None:
        consumer, slab, generation = piece
        self.refused(consumer, slab, generation, self.holds[consumer, slab] + surplus)

    @rule(piece=pieces, off=st.sampled_from((-1, 1)))
    def release_of_another_generation(self, piece: tuple[int, int, int], off: int) -> None:
        consumer, slab, _ = piece
        generation = self.ledger.slabs[slab].generation if slab in self.sizes else 1
        self.refused(consumer, slab, generation + off, 1)

    @rule(piece=pieces, count=st.integers(-2, 0))
    def release_of_nothing(self, piece: tuple[int, int, int], count: int) -> None:
        self.refused(*piece, count)

    @rule(slab=slabs)
    def claim_and_carve(self, slab: int) -> None:
        if self.claims[slab]:
            self.ledger.claim(slab)
            self.claims[slab] += 1
            used = self.ledger.slabs[slab].used
            ref = self.ledger.carve(slab, 1000)
            if ref is not None:
                assert ref.offset >= used
                assert ref.offset % 64 == 0
                assert ref.offset + 1000 <= self.sizes[slab]
                self.claims[slab] += 1

    @rule(slab=slabs)
    def unclaim(self, slab: int) -> None:
        if slab not in self.sizes:
            return
        if not self.claims[slab]:
            before = self.snapshot()
            with pytest.raises(StaleLease):
                self.ledger.unclaim(slab)
            assert self.snapshot() == before
            return
        self.claims[slab] -= 1
        assert self.ledger.unclaim(slab) == self.is_free(slab)

    @precondition(lambda self: self.sizes)
    @rule(slab=slabs)
    def reuse_or_refuse(self, slab: int) -> None:
        if slab not in self.sizes:
            return
        generation = self.ledger.slabs[slab].generation
        if self.is_free(slab):
            state = self.ledger.reuse(slab)
            assert (state.generation, state.used) == (generation + 1, 0)
            self.claims[slab] = 1
        else:
            with pytest.raises(StaleLease):
                self.ledger.reuse(slab)
            assert self.ledger.slabs[slab].generation == generation

    @rule(slab=slabs)
    def remove_or_refuse(self, slab: int) -> None:
        if slab not in self.sizes:
            return
        if self.is_free(slab):
            self.ledger.remove(slab)
            del self.sizes[slab]
        else:
            with pytest.raises(StaleLease):
                self.ledger.remove(slab)

    @invariant()
    def free_is_what_nobody_holds(self) -> None:
        free = {one.number for one in self.ledger.free_slabs()}
        assert free == {slab for slab in self.sizes if self.is_free(slab)}
        by_role = [one.number for role in Role for one in self.ledger.free_slabs(role)]
        assert sorted(by_role) == sorted(free)

    @invariant()
    def bytes_add_up(self) -> None:
        told = self.ledger.statistics()
        assert told == {
            "slabs": len(self.sizes),
            "slabs_in_use": sum(not self.is_free(slab) for slab in self.sizes),
            "bytes": sum(self.sizes.values()),
            "bytes_in_use": sum(size for slab, size in self.sizes.items() if not self.is_free(slab)),
            "high_water_bytes": self.most,
            "quota_bytes": QUOTA,
        }
        assert self.ledger.fits(QUOTA - told["bytes"])
        assert not self.ledger.fits(QUOTA - told["bytes"] + 1)


TestLedger = LedgerMachine.TestCase

import gc
import weakref

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from asynclog.errors import StaleLease
from asynclog.integrations.threedb import buffer as module
from asynclog.integrations.threedb.buffer import Buffer
from asynclog.integrations.threedb.pairing import Result
from asynclog.values import Tensor


def result(ix: int, **channels: np.ndarray) -> Result:
    return Result(ix, ix, {"result_ix": ix}, {name: Tensor(one) for name, one in channels.items()})


def test_a_result_is_there_while_it_is_logged() -> None:
    buffer = Buffer()
    with buffer.serving(result(4, rgb=np.arange(3))):
        assert buffer[4]["rgb"].tolist() == [0, 1, 2]
    with pytest.raises(StaleLease, match="result 4 isn't in the buffer"):
        buffer[4]


def test_arrays_are_read_only_and_no_copies() -> None:
    data = np.arange(3)
    buffer = Buffer()
    with buffer.serving(result(0, rgb=data)):
        found = buffer[0]["rgb"]
    assert np.shares_memory(found, data)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1
    assert data.flags.writeable


def test_an_array_outlives_its_result() -> None:
    """It is kept alive by whoever keeps it, freed or not."""
    data = np.arange(3)
    alive = weakref.ref(data)
    buffer = Buffer()
    one = buffer.register()
    with buffer.serving(result(0, rgb=data)):
        found = buffer[0]["rgb"]
        buffer.free(0, one)
    del data
    gc.collect()
    assert found.tolist() == [0, 1, 2]
    del found
    gc.collect()
    assert alive() is None


def test_one_who_registered_keeps_a_result_until_it_is_freed() -> None:
    buffer = Buffer()
    one, two = buffer.register(), buffer.register()
    with buffer.serving(result(0, rgb=np.arange(3))):
        pass
    buffer.free(0, one)
    assert buffer[0]["rgb"].tolist() == [0, 1, 2]
    buffer.free(0, two)
    assert len(buffer) == 0
    with pytest.raises(StaleLease):
        buffer[0]


def test_freeing_twice_is_an_error_and_changes_nothing() -> None:
    """3DB's leaked the slot, or ended the scheduler."""
    buffer = Buffer()
    one, two = buffer.register(), buffer.register()
    with buffer.serving(result(0, rgb=np.arange(3))):
        buffer.free(0, one)
        for ix, who in ((0, one), (0, 99), (7, two)):
            with pytest.raises(StaleLease):
                buffer.free(ix, who)
        assert buffer[0]["rgb"].tolist() == [0, 1, 2]
    buffer.free(0, two)
    assert len(buffer) == 0


def test_a_late_registration_takes_part_from_then_on() -> None:
    """3DB's freed what it had never held, and its slots were gone for good."""
    buffer = Buffer()
    early = buffer.register()
    with buffer.serving(result(0)):
        pass
    with buffer.serving(result(1)):
        late = buffer.register()
        buffer.free(1, late)
        buffer.free(1, early)
    with pytest.raises(StaleLease):
        buffer.free(0, late)
    buffer.free(0, early)
    assert len(buffer) == 0


def test_there_is_no_largest_number_of_consumers() -> None:
    buffer = Buffer()
    ids = [buffer.register() for _ in range(100)]
    with buffer.serving(result(0)):
        for one in ids:
            buffer.free(0, one)
    assert len(set(ids)) == 100
    assert len(buffer) == 0


def test_one_who_never_frees_looks_back_on_so_many_bytes() -> None:
    """And nobody waits."""
    buffer = Buffer()
    one = buffer.register()
    size = module.HELD_BYTES // 4
    for ix in range(10):
        with buffer.serving(result(ix, rgb=np.broadcast_to(np.uint8(0), size))):
            pass
    assert len(buffer) == 4
    assert buffer[9]["rgb"].nbytes == size
    with pytest.raises(StaleLease):
        buffer[5]
    buffer.free(5, one)


def test_a_number_that_comes_again_is_the_newer_result() -> None:
    """A run that goes on counts from 0 again."""
    buffer = Buffer()
    one = buffer.register()
    for epoch in range(3):
        with buffer.serving(result(0, rgb=np.array(epoch))):
            pass
    assert int(buffer[0]["rgb"]) == 2
    buffer.free(0, one)
    assert repr(buffer) == "<Buffer: 0 results, 0 bytes, 1 consumers>"


def test_torch_tensors_for_those_who_ask() -> None:
    buffer = Buffer(tensors=True)
    bits = torch.tensor([1.5, 2.0], dtype=torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
    channels = {"rgb": Tensor(np.arange(3, dtype=np.float32)), "half": Tensor(bits, "bfloat16")}
    with buffer.serving(Result(0, 0, {}, channels)):
        found = buffer[0]
    assert torch.equal(found["rgb"], torch.arange(3, dtype=torch.float32))
    assert torch.equal(found["half"], torch.tensor([1.5, 2.0], dtype=torch.bfloat16))


class Slots(RuleBasedStateMachine):
    """Against a model: which results are there, and who still owes a free."""

    @initialize()
    def begin(self) -> None:
        self.buffer = Buffer()
        self.ids: list[int] = []
        self.owed: dict[int, set[int]] = {}
        self.next = 0

    @rule()
    def register(self) -> None:
        self.ids.append(self.buffer.register())

    @rule(data=st.data())
    def log(self, data: st.DataObject) -> None:
        ix, self.next = self.next, self.next + 1
        freed = data.draw(st.sets(st.sampled_from(self.ids))) if self.ids else set()
        with self.buffer.serving(result(ix, n=np.array(ix))):
            assert int(self.buffer[ix]["n"]) == ix
            for one in freed:
                self.buffer.free(ix, one)
        if left := set(self.ids) - freed:
            self.owed[ix] = left

    @precondition(lambda self: self.ids and self.next)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        ix, one = data.draw(st.integers(0, self.next - 1)), data.draw(st.sampled_from(self.ids))
        if one not in self.owed.get(ix, ()):
            with pytest.raises(StaleLease):
                self.buffer.free(ix, one)
            return
        self.buffer.free(ix, one)
        self.owed[ix].remove(one)
        if not self.owed[ix]:
            del self.owed[ix]

    @invariant()
    def those_that_are_owed_are_there(self) -> None:
        assert len(self.buffer) == len(self.owed)
        for ix in self.owed:
            assert int(self.buffer[ix]["n"]) == ix


TestSlots = Slots.TestCase

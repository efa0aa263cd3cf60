"""What stands between memory and a device: which slabs are registered, where numbers arrive, and whose arrays copy at all."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from asynclog.shm import memory
from asynclog.shm.device import Stack, device_of
from asynclog.shm.pool import Pool
from asynclog.shm.registry import Registry
from asynclog.shm.slab import Role
from asynclog.shm.staging import Staging
from asynclog.testing import FakeDevice

MEBIBYTE = 1 << 20
FLOAT = np.dtype(np.float64)


def pool(quota: int = 8 * MEBIBYTE) -> Pool:
    return Pool(quota, lambda *_: None, lambda _: None, memory.create_anonymous)


def test_an_array_says_where_it_lies() -> None:
    device = FakeDevice()
    assert device_of(device.array(1.0)) is device
    torch = pytest.importorskip("torch")
    for host in (1.0, np.ones(2), [device.array(1.0)], torch.ones(2), None):
        assert device_of(host) is None


# -- slabs -----------------------------------------------------------------------------------------------------------


def test_a_slab_is_registered_once_with_each_device_and_taken_back_before_it_goes() -> None:
    one, other = FakeDevice(), FakeDevice()
    made = pool()
    registry = Registry(made)
    slab = made.slab(Role.ARRAYS, MEBIBYTE)
    for device in (one, other, one):
        registry.register(device, slab.number)
    assert list(one.registered.values()) == list(other.registered.values()) == [MEBIBYTE]
    assert not registry.lacks(one, slab.number)
    made.ledger.unclaim(slab.number)
    made.slab(Role.ARRAYS, 8 * MEBIBYTE)  # for which the quota has no room beside it
    assert one.registered == other.registered == {}
    assert registry.lacks(one, slab.number)
    assert one.wrong == other.wrong == []


def test_the_end_of_a_pool_takes_back_what_is_registered() -> None:
    device, made = FakeDevice(), pool()
    registry = Registry(made)
    for _ in range(3):
        registry.register(device, made.slab(Role.ARRAYS, MEBIBYTE).number)
    made.close()
    assert device.registered == {}
    assert device.forgotten == 3


def test_a_slab_that_a_device_may_still_write_to_stays() -> None:
    device, made = FakeDevice(), pool()
    registry = Registry(made)
    slab = made.slab(Role.ARRAYS, MEBIBYTE)
    registry.register(device, slab.number)
    target = np.frombuffer(made.mappings[slab.number].view, np.uint8)
    device.copy([(device.array(np.full(MEBIBYTE, 7, np.uint8)), target)])
    registry.busy.add(slab.number)
    made.close()
    device.complete()
    assert device.forgotten == 0
    assert (target == 7).all()


def test_a_forked_child_takes_nothing_back() -> None:
    device, made = FakeDevice(), pool()
    registry = Registry(made)
    registry.register(device, made.slab(Role.ARRAYS, MEBIBYTE).number)
    registry.disown()
    made.close()
    assert device.forgotten == 0


def test_a_device_that_cannot_register_memory_is_asked_no_more(caplog: pytest.LogCaptureFixture) -> None:
    device, made = FakeDevice(registers=False), pool()
    registry = Registry(made)
    slab = made.slab(Role.ARRAYS, MEBIBYTE).number
    registry.register(device, slab)
    assert not registry.lacks(device, slab)
    assert id(device) in registry.refused
    assert "can't register memory" in caplog.text


def test_two_threads_register_a_slab_once() -> None:
    device, made = FakeDevice(), pool()
    registry = Registry(made)
    slab = made.slab(Role.ARRAYS, MEBIBYTE).number
    threads = [threading.Thread(target=registry.register, args=(device, slab)) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert device.wrong == []


# -- numbers ---------------------------------------------------------------------------------------------------------


def staging(device: FakeDevice) -> Staging:
    return Staging(device, Registry(pool()).registered)


def test_numbers_arrive_in_registered_memory_of_their_own() -> None:
    device = FakeDevice()
    made = staging(device)
    places = [made.take(count, FLOAT) for count in (3, 1, 5)]
    for at, place in enumerate(places):
        device.copy([(Stack([device.array(float(at))] * len(place.numbers)), place.numbers)])
    device.complete()
    assert [place.numbers.tolist() for place in places] == [[0.0] * 3, [1.0], [2.0] * 5]
    assert device.wrong == []
    assert len(device.registered) == 1


def test_memory_for_numbers_is_used_again_when_all_of_it_was_given_back() -> None:
    device = FakeDevice()
    made = staging(device)
    for _ in range(100):
        places = [made.take(400, FLOAT) for _ in range(20)]
        for place in places:
            made.give_back(place)
    assert len(device.registered) == 1


def test_more_numbers_than_memory_was_made_for_get_more() -> None:
    device = FakeDevice()
    made = staging(device)
    places = [made.take(count, FLOAT) for count in (8000, 8000, 100_000)]
    assert len(device.registered) == 3
    assert [len(place.numbers) for place in places] == [8000, 8000, 100_000]
    for place in places[:2]:
        made.give_back(place)
    made.close()
    assert len(device.registered) == 1, "a device may still write to the third"


# -- torch: what is copied, but for the copy itself ------------------------------------------------------------------


WHOLE = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
FLOATING = ["float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128"]
NARROW = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"]
SHAPES: "dict[str, Callable[[Any], Any]]" = {
    "whole": lambda one: one,
    "strided": lambda one: one[::2, 1:],
    "transposed": lambda one: one.T,
    "no dimensions": lambda one: one[0, 0],
    "spread": lambda one: one[0].expand(3, -1),
}


@pytest.mark.filterwarnings("ignore:ComplexHalf support")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [*WHOLE, *FLOATING, *NARROW])
def test_tensors_become_the_bytes_that_are_recorded(dtype: str, shape: str) -> None:
    torch = pytest.importorskip("torch")
    from asynclog.logger.intake import array, bits
    from asynclog.shm.cuda import bytes_of, form_of

    tensor = SHAPES[shape](torch.arange(20).reshape(4, 5).to(getattr(torch, dtype)))
    for keep_bits in (False, True):
        expected = bits(tensor)[0] if keep_bits else array(tensor)
        form = form_of(tensor, bits=keep_bits)
        assert form is not None
        assert (form.shape, form.dtype) == (expected.shape, expected.dtype)
        assert bytes_of(torch, tensor, form.dtype).numpy().tobytes() == expected.tobytes()


def test_conjugated_and_negated_tensors_are_what_they_look_like() -> None:
    torch = pytest.importorskip("torch")
    from asynclog.shm.cuda import bytes_of

    tensor = torch.tensor([1 + 2j, 3 - 4j])
    for one in (tensor.conj(), tensor.conj().imag):
        dtype = np.dtype(str(one.dtype).removeprefix("torch."))
        assert bytes_of(torch, one, dtype).numpy().tobytes() == one.resolve_conj().resolve_neg().numpy().tobytes()


@pytest.mark.parametrize("among", [["float32"], ["float64", "float32", "bfloat16", "float32", "float16", "float8_e5m2"]])
def test_numbers_of_any_floats_are_stacked_in_their_order(among: list[str]) -> None:
    torch = pytest.importorskip("torch")
    from asynclog.shm.cuda import stacked

    given = [torch.tensor(at * 0.5, requires_grad=True).to(getattr(torch, name)) for at, name in enumerate(among * 3)]
    assert stacked(torch, given, FLOAT).numpy().view(np.float64).tolist() == [one.item() for one in given]


def test_whole_numbers_are_stacked_exactly() -> None:
    torch = pytest.importorskip("torch")
    from asynclog.shm.cuda import stacked

    given = [torch.tensor(2**62 + 1), torch.tensor(True), torch.tensor(200, dtype=torch.uint8), torch.tensor(-5).int()]
    given.append(torch.tensor(2**32 - 1, dtype=torch.uint32))
    found = stacked(torch, given, np.dtype(np.int64)).numpy().view(np.int64).tolist()
    assert found == [2**62 + 1, 1, 200, -5, 2**32 - 1]
    unsigned = [torch.tensor(2**63 + 1, dtype=torch.uint64), torch.tensor(1, dtype=torch.uint64)]
    assert stacked(torch, unsigned, np.dtype(np.uint64)).numpy().view(np.uint64).tolist() == [2**63 + 1, 1]

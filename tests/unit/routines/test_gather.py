"""Distributions of many numbers: bounded, and thinned evenly."""

import numpy as np
import pytest

from asynclog.routines.gather import Gathered, _Buffer

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("portion", [1, 3, 7, 100])
def test_of_too_many_every_second_is_left_out(portion: int) -> None:
    """However they come, those kept are evenly spaced from the first on."""
    gathered = Gathered(most=16)
    values = np.arange(100.0)
    for start in range(0, 100, portion):
        some = values[start : start + portion]
        gathered.add(float(some[0]) if portion == 1 else some)
    assert gathered.value().tolist() == values[::8].tolist()


@pytest.mark.parametrize("portion", [1, 3, 7, 100])
def test_on_a_device_likewise(portion: int) -> None:
    buffer = _Buffer(torch.device("cpu"), most=16)
    values = torch.arange(100.0)
    for start in range(0, 100, portion):
        buffer.add(values[start : start + portion])
    assert buffer.kept.tolist() == values[::8].tolist()


def test_a_device_s_buffer_grows() -> None:
    buffer = _Buffer(torch.device("cpu"), most=1 << 17)
    for start in range(0, 5000, 500):
        buffer.add(torch.arange(start, start + 500.0))
    assert buffer.kept.tolist() == list(range(5000))


def test_numbers_of_any_make_and_shape_are_gathered() -> None:
    gathered = Gathered()
    for value in (1.0, 2, np.float32(3), np.array([[4, 5], [6, 7]]), torch.tensor(8), torch.ones(2, requires_grad=True)):
        gathered.add(value)
    assert gathered.value().tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 1, 1]
    assert len(gathered) == 10

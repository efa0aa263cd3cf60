"""The columns: how each library holds an array of a dtype, or None where it has no such array."""

import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Make = Callable[[np.ndarray, str], Any]

BFLOAT16 = "bfloat16"
DTYPES = (
    "bool",
    *(f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64)),
    "float16",
    BFLOAT16,
    "float32",
    "float64",
)
"""In the order of the page. An array of bfloat16 is handed to a library as its bits, uint16."""


class WithArrayMethod:
    """Nothing but ``__array__``."""

    def __init__(self, data: np.ndarray) -> None:
        self._data = data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._data, dtype, copy=copy)


class WithDLPack:
    """Nothing but DLPack."""

    def __init__(self, held: Any) -> None:
        self._held = held

    def __dlpack__(self, **options: Any) -> Any:
        return self._held.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._held.__dlpack_device__()


def of_numpy(data: np.ndarray, dtype: str) -> Any:
    return None if dtype == BFLOAT16 else data


def of_numpy_strided(data: np.ndarray, dtype: str) -> Any:
    """Every second item of a read-only array, its axes in another order in memory, its numbers in the other byte order."""
    if dtype == BFLOAT16:
        return None
    held = np.asfortranarray(np.repeat(data, 2, axis=-1))[..., ::2] if data.ndim else data.copy()
    held = held.astype(held.dtype.newbyteorder(">"), order="K", copy=False) if data.ndim else held
    held.flags.writeable = False
    return held


def of_torch(data: np.ndarray, dtype: str) -> Any:
    import torch

    if dtype == BFLOAT16:
        return torch.from_numpy(data.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(data.copy())


def of_torch_strided(data: np.ndarray, dtype: str) -> Any:
    """Every second item of a tensor, in a graph where there can be one."""
    import torch

    tensor = of_torch(np.repeat(data, 2, axis=-1) if data.ndim else data, dtype)
    if tensor.is_floating_point():
        tensor.requires_grad_()
    tensor = tensor[..., ::2] if data.ndim else tensor
    assert isinstance(tensor, torch.Tensor)
    return tensor


def of_jax(data: np.ndarray, dtype: str) -> Any:
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        # Not jnp.asarray, which compiles a program for every shape and dtype.
        return jax.device_put(data.view(jnp.bfloat16) if dtype == BFLOAT16 else data)


def of_dlpack(data: np.ndarray, dtype: str) -> Any:
    return WithDLPack(of_torch(data, dtype))


def of_array_method(data: np.ndarray, dtype: str) -> Any:
    """bfloat16 as ml_dtypes adds it to numpy."""
    if dtype == BFLOAT16:
        import ml_dtypes

        data = data.view(ml_dtypes.bfloat16)
    return WithArrayMethod(data)


def of_buffer(data: np.ndarray, dtype: str) -> Any:
    """A memoryview; of one dimension an array.array, where that has the type."""
    if dtype == BFLOAT16:
        return None
    code = data.dtype.char
    if data.ndim == 1 and code in array.typecodes and code != "u":
        return array.array(code, data.tobytes())
    return memoryview(data)


def of_lists(data: np.ndarray, dtype: str) -> Any:
    """Python's numbers: those dtypes that numpy makes of them. An empty list says nothing of what it has none of."""
    if dtype not in ("bool", "int64", "float64") or not data.size:
        return None
    return data.tolist()


@dataclass(frozen=True)
class Library:
    """A column. needs: the packages without which it can't be tried."""

    name: str
    make: Make
    needs: tuple[str, ...] = ()


LIBRARIES = (
    Library("NumPy", of_numpy),
    Library("NumPy, strided", of_numpy_strided),
    Library("torch", of_torch, ("torch",)),
    Library("torch, strided", of_torch_strided, ("torch",)),
    Library("JAX", of_jax, ("jax",)),
    Library("DLPack", of_dlpack, ("torch",)),
    Library("`__array__`", of_array_method, ("ml_dtypes",)),
    Library("buffer", of_buffer),
    Library("numbers, lists", of_lists),
)

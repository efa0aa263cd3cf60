"""Arrays of any library as numpy sees them, without a copy where there is a way, and none imported that isn't in use.

A library's values can only come in if it was imported, so it is looked up among the modules that were.
"""

import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from asynclog.values import Array

BFLOAT16: Final = "bfloat16"


def is_torch(value: Any) -> bool:
    """Whether this is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def on_device(value: Any) -> bool:
    """Whether reading this tensor would wait for a device."""
    return is_torch(value) and value.device.type != "cpu"


def drawing(value: Any) -> Callable[[], Array] | None:
    """What draws a matplotlib figure as (H, W, 4) uint8: a matter of 50 ms, for another thread. None for anything else."""
    figures = sys.modules.get("matplotlib.figure")
    if figures is None or not isinstance(value, figures.Figure):
        return None

    def draw() -> Array:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(value)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())

    return draw


def array(value: Any) -> Array:
    """numpy, torch, DLPack (JAX, CuPy on its host …), ``__array__`` (PIL, pandas …), buffers, and nested lists of numbers.

    bfloat16, which numpy lacks, comes as float32, which holds each of its numbers; see ``bits`` for the other way.
    Raises TypeError, ValueError or RuntimeError for what is no array.
    """
    if isinstance(value, np.ndarray):
        found = value
    elif is_torch(value):
        tensor = value.detach()
        tensor = tensor if tensor.device.type == "cpu" else tensor.cpu()
        if tensor.dtype is sys.modules["torch"].bfloat16:
            tensor = tensor.float()
        found = tensor.resolve_conj().resolve_neg().numpy()
    elif hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        found = np.asarray(value)
    elif hasattr(value, "__dlpack__"):
        found = np.from_dlpack(value)
    else:
        found = np.asarray(value)
    return found.astype(np.float32) if found.dtype.name == BFLOAT16 else found


def bits(value: Any) -> Array | None:
    """The uint16 bits of a bfloat16 array, or None for any other: so it comes back bit for bit."""
    if is_torch(value) and value.dtype is sys.modules["torch"].bfloat16:
        torch = sys.modules["torch"]
        found: Array = value.detach().cpu().contiguous().view(torch.int16).numpy().view(np.uint16)
        return found
    name = getattr(getattr(value, "dtype", None), "name", "")
    return np.asarray(value).view(np.uint16) if name == BFLOAT16 else None

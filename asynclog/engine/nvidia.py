"""What NVIDIA's GPUs are doing, asked from the driver's own library, which is there wherever a GPU can be used.

Asked through ctypes: a package of bindings would be one more dependency, for six calls whose shapes have not changed since
2014. Source: NVML API reference. Without the library, or a GPU, nothing is told.
"""

import ctypes
from contextlib import suppress
from typing import Any, Final

_GIB: Final = 1 << 30
_CORE_TEMPERATURE: Final = 0
_NAME_BYTES: Final = 96


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class Gpus:
    """All that this process may see."""

    def __init__(self, library: str = "libnvidia-ml.so.1") -> None:
        self._nvml: Any = None
        self._handles: list[ctypes.c_void_p] = []
        with suppress(OSError, AttributeError):
            nvml: Any = ctypes.CDLL(library)
            if nvml.nvmlInit_v2() != 0:
                return
            self._nvml = nvml
            count = ctypes.c_uint(0)
            nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
            for at in range(count.value):
                handle = ctypes.c_void_p()
                if nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(at), ctypes.byref(handle)) == 0:
                    self._handles.append(handle)

    def names(self) -> list[str]:
        """The models."""
        found = []
        for handle in self._handles:
            name = ctypes.create_string_buffer(_NAME_BYTES)
            if self._nvml.nvmlDeviceGetName(handle, name, ctypes.c_uint(_NAME_BYTES)) == 0:
                found.append(name.value.decode(errors="replace"))
        return found

    def look(self) -> dict[str, float]:
        """By GPU: busy in percent of the last second or so, memory in GiB, degrees Celsius, watts."""
        found: dict[str, float] = {}
        for at, handle in enumerate(self._handles):
            busy, memory = _Utilization(), _Memory()
            heat, milliwatts = ctypes.c_uint(), ctypes.c_uint()
            if self._nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(busy)) == 0:
                found[f"gpu_{at}/percent"] = float(busy.gpu)
                found[f"gpu_{at}/memory_busy_percent"] = float(busy.memory)
            if self._nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0:
                found[f"gpu_{at}/memory_gib"] = memory.used / _GIB
                found[f"gpu_{at}/memory_percent"] = 100.0 * memory.used / max(1, memory.total)
            if self._nvml.nvmlDeviceGetTemperature(handle, ctypes.c_uint(_CORE_TEMPERATURE), ctypes.byref(heat)) == 0:
                found[f"gpu_{at}/celsius"] = float(heat.value)
            if self._nvml.nvmlDeviceGetPowerUsage(handle, ctypes.byref(milliwatts)) == 0:
                found[f"gpu_{at}/watts"] = milliwatts.value / 1000
        return found

    def close(self) -> None:
        if self._nvml is not None:
            self._nvml.nvmlShutdown()
            self._nvml, self._handles = None, []

    def __repr__(self) -> str:
        return f"<Gpus: {', '.join(self.names()) or 'none'}>"

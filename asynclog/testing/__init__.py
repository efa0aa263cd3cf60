"""What this project tests itself with, for those who extend it: an exam for sinks, real batches, a device, strategies."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynclog.testing.batches import Lent, batch_of, lend
    from asynclog.testing.delivered import Delivered
    from asynclog.testing.devices import FakeArray, FakeDevice
    from asynclog.testing.sinks import SinkTests

__all__ = ["Delivered", "FakeArray", "FakeDevice", "Lent", "SinkTests", "batch_of", "lend"]

# SinkTests needs pytest, and strategies Hypothesis; a batch needs neither.
_HOMES = {
    "Delivered": "delivered",
    "FakeArray": "devices",
    "FakeDevice": "devices",
    "Lent": "batches",
    "SinkTests": "sinks",
    "batch_of": "batches",
    "lend": "batches",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__

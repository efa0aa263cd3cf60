"""A module that can be imported by whoever sends a sink, and not by the worker it is sent to."""

import sys
from typing import Any

if any("engine.worker" in one for one in sys.orig_argv):
    raise ImportError("the vendor's library is not installed here")


class Unready:
    async def write(self, batch: Any, /) -> None: ...

    async def aclose(self) -> None: ...

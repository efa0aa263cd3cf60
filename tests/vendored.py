"""A destination of tests.vendor's, as one would write it, in a module that can travel."""

from pathlib import Path
from typing import Any, ClassVar


class Vendored:
    default_place: ClassVar[str] = "process"

    def __init__(self, target: Path, fault: str = "", call: str = "") -> None:
        self.target, self.fault, self.call = target, fault, call
        self._client: Any = None

    async def open(self, run: Any) -> None:
        from tests.vendor import Client

        self._client = Client(self.target, self.fault, self.call)

    async def write(self, batch: Any, /) -> None:
        for one in batch.writes():
            self._client.log(one.state.step, {event.key: event.value for event in one.events})

    async def flush(self) -> None:
        self._client.flush()

    async def aclose(self) -> None:
        if self._client is not None:
            self._client.finish()

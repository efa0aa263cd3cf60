"""A logger that does nothing: what the loop is like without one."""

from typing import Any, Self


class Silence:
    """Has those methods of a MultiLogger that the trainer uses."""

    def log_scalar(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        pass

    def log_histogram(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        pass

    def log_rollout(self, key: str, value: Any, *, namespace: str | None = None) -> None:
        pass

    def table(self, key: str, *, columns: Any, namespace: str | None = None) -> Self:
        return self

    def append(self, *cells: Any) -> None:
        pass

    def at(self, state: Any) -> Self:
        return self

    async def write(self, state: Any) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

"""Hooks: what happens in a training, told to the sinks that want to know, in its place among the values."""

from typing import TYPE_CHECKING

from asynclog.errors import InvalidValue, WouldBlock
from asynclog.logger.namespaces import Namespaces
from asynclog.logger.pending import Logged, Taken
from asynclog.state import State

if TYPE_CHECKING:
    from asynclog.logger.core import Core


class Happenings(Namespaces):
    """A hook that nobody wants is forgotten at once, which costs a look into a set."""

    _core: "Core"

    def _put(self, kind: str, key: str, value: object, namespace: str | None) -> None:
        raise NotImplementedError

    async def _record(self, taken: Taken, state: State | int) -> None:
        raise NotImplementedError

    def _record_nowait(self, taken: Taken, state: State | int) -> None:
        raise NotImplementedError

    def write_blocking(self, state: State | int) -> None:
        raise NotImplementedError

    def log_hook(self, name: str, *, namespace: str | None = None) -> None:
        """That something happens, for the next ``write``: "epoch_end", say. Names are Composer's (``asynclog.values.HOOKS``),
        or any others."""
        if not isinstance(name, str) or name in self._core.wanted_hooks:
            self._put("hook", name, name, namespace)

    async def hook(self, name: str, state: State | int, *, namespace: str | None = None) -> None:
        """The same at once, at a State of its own: what is pending stays pending, and no limit is asked. Raises what ``write``
        does."""
        if not isinstance(name, str) or name in self._core.wanted_hooks:
            if self._core.state == "new":
                await self._core.open_off_loop()
            await self._record(self._alone(name, namespace), state)

    def hook_nowait(self, name: str, state: State | int, *, namespace: str | None = None) -> None:
        """The same without ever waiting. Raises WouldBlock: the hook is pending then, for the next write."""
        if not isinstance(name, str) or name in self._core.wanted_hooks:
            if self._core.state == "new":
                self._core.open_here()
            self._record_nowait(self._alone(name, namespace), state)

    def hook_blocking(self, name: str, state: State | int, *, namespace: str | None = None) -> None:
        """The same, waiting in this thread, for code that is not async. Raises what ``write_blocking`` does."""
        try:
            self.hook_nowait(name, state, namespace=namespace)
        except WouldBlock:
            self._core.room_here()
            self.write_blocking(state)

    def _alone(self, name: str, namespace: str | None) -> Taken:
        try:
            return Taken([], [Logged("hook", self._full(namespace, "hook", name), name, name, {})], {})
        except InvalidValue as error:
            self._core.complain(error)
            return Taken([], [], {})

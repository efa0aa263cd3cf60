"""Which hooks are wanted: by a sink, by a logger's routes and its journal. What nobody wants is never recorded.

A hook is no value that a limit could thin out: it is delivered wherever it is wanted, and asks no limit.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

from asynclog.errors import InvalidConfiguration
from asynclog.sink import BaseSink
from asynclog.values.hook import HOOKS, SELDOM


class Hooks:
    """Names; None: all there are."""

    __slots__ = ("names",)

    def __init__(self, names: Iterable[str] | None) -> None:
        self.names = None if names is None else frozenset(names)

    def __contains__(self, name: object) -> bool:
        return self.names is None or name in self.names

    def __bool__(self) -> bool:
        return self.names is None or bool(self.names)

    def __or__(self, other: "Hooks") -> "Hooks":
        return EVERY_HOOK if self.names is None or other.names is None else Hooks(self.names | other.names)

    def __repr__(self) -> str:
        return "Hooks(all)" if self.names is None else f"Hooks({', '.join(sorted(self.names))})"


EVERY_HOOK: Final = Hooks(None)
NO_HOOKS: Final = Hooks(())
SELDOM_HOOKS: Final = Hooks(SELDOM)


def hooks_of(sink: Any) -> Hooks:
    """Those that a sink asks for: by ``hooks``, or as a BaseSink by the methods it has. Raises InvalidConfiguration."""
    asked = getattr(sink, "hooks", None)
    if asked is not None:
        return _asked(type(sink).__name__, asked)
    if not isinstance(sink, BaseSink):
        return NO_HOOKS
    if type(sink).hook is not BaseSink.hook:
        return EVERY_HOOK
    return Hooks(name for name in HOOKS if callable(getattr(sink, name, None)))


def _asked(whose: str, asked: Any) -> Hooks:
    if isinstance(asked, bool):
        return EVERY_HOOK if asked else NO_HOOKS
    names = {asked} if isinstance(asked, str) else asked
    if not isinstance(names, Collection) or not all(isinstance(one, str) for one in names):
        raise InvalidConfiguration(f"{whose}.hooks: expected True, False, or names of hooks, got {asked!r}")
    return Hooks(names)


def journaled(kinds: Collection[str] | None) -> Hooks:
    """Those that a journal keeps by itself: of a run and an epoch, or all if its kinds name them."""
    if kinds is None:
        return SELDOM_HOOKS
    return EVERY_HOOK if "hook" in kinds else NO_HOOKS

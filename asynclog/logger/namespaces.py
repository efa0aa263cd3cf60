"""Where a key belongs: the namespace of the logger, then those this task is in, then the call's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from asynclog.errors import InvalidValue
from asynclog.logger.naming import described

if TYPE_CHECKING:
    from asynclog.logger.core import Core


class _Misnamed(NamedTuple):
    """The place of a namespace that is no str: each value logged within is told as the bad input it is."""

    below: str
    name: Any


class Namespaces:
    """The part of a logger that knows them."""

    _core: "Core"
    _namespace: str

    def _full(self, namespace: str | None, kind: str = "namespace", key: Any = "") -> str:
        """Where a key belongs. Raises InvalidValue, in the name of the value that was to go there."""
        scopes = self._core.scopes
        scope = scopes.get("") if scopes is not None else ""
        if type(scope) is _Misnamed:
            raise self._misnamed(scope, kind, key)
        if namespace is not None and not isinstance(namespace, str):
            raise self._misnamed(_Misnamed(scope, namespace), kind, key)
        return "/".join(one for one in (self._namespace, scope, namespace) if one)

    def _misnamed(self, wrong: _Misnamed, kind: str, key: Any) -> InvalidValue:
        return InvalidValue(
            namespace="/".join(one for one in (self._namespace, wrong.below) if one),
            key=key if isinstance(key, str) else repr(key),
            kind=kind,
            expected="a str as its namespace",
            got=described(wrong.name),
        )

    @contextmanager
    def namespace(self, name: str) -> Iterator[None]:
        """What this task logs meanwhile goes under a namespace; nested ones are joined by "/"."""
        core = self._core
        if core.scopes is None:
            core.scopes = ContextVar("asynclog_namespace", default="")
        outer = core.scopes.get("")
        inner: Any = outer
        if type(outer) is not _Misnamed:
            joined = f"{outer}/{name}" if outer else name
            inner = joined if isinstance(name, str) else _Misnamed(outer, name)
        token = core.scopes.set(inner)
        try:
            yield
        finally:
            core.scopes.reset(token)

"""A row of the page for what is no array."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Other:
    """make: the value, made when it is logged. method: what logs it. expected: what is read back, by ``read``; said: the same
    in words. needs: the packages without which it can't be tried. params: what else ``method`` is given."""

    section: str
    what: str
    method: str
    make: Callable[[], Any]
    expected: Callable[[], Any]
    said: str
    read: Callable[[Any], Any] = lambda value: value
    needs: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)


def itself(value: Any) -> Any:
    return value

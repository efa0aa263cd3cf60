"""Names, and how bad input is called in an error. Light: it loads with the MultiLogger class, numpy with the first logger."""

from typing import Any

from asynclog.errors import InvalidValue


def named(key: Any, namespace: str, kind: str) -> None:
    """Raises InvalidValue for a key that is no str: as text it could be another key's."""
    if not isinstance(key, str):
        hint = f"write {str(key)!r}" if isinstance(key, int) else None
        raise InvalidValue(
            namespace=namespace, key=shortened(repr(key)), kind=kind, expected="a str as its key", got=described(key), hint=hint
        )


def shortened(text: str, most: int = 60) -> str:
    """At most so many characters of it."""
    return text if len(text) <= most else text[: most - 3] + "…"


def described(value: Any) -> str:
    """A value in an error's words: its type, and its shape and dtype if it has them."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{type(value).__name__} of shape {tuple(shape)}, {dtype}"
    try:
        return f"{type(value).__name__} {shortened(repr(value))}"
    except Exception:  # noqa: BLE001 - of whatever class, and of what is nested too deep; nothing hangs on it
        return type(value).__name__


def makes_number(value: Any) -> bool:
    """Whether this is a callable, and not itself a number or tensor."""
    return callable(value) and not hasattr(value, "__float__")

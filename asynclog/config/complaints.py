"""What is wrong with a configuration, in words: where it stands, what was expected, what came, the nearest known name."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asynclog.errors import InvalidConfiguration
from asynclog.logger.naming import described, shortened

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

Key = tuple[str | int, ...]
_QUOTED: Final = re.compile(r"'([^']*)'")
# pydantic's words, and those of a person who writes YAML.
_WORDS: Final = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"a valid dictionary or instance of Limit", "a number or a mapping"),
        (r"a valid dictionary or instance of \w+", "a mapping"),
        (r"(a valid dictionary|an object)", "a mapping"),
        (r"a valid (list|array|tuple|set|frozenset)", "a list"),
        (r"a valid boolean", "true or false"),
        (r"a valid (string|path|file path)", "text"),
        (r"a valid integer", "a whole number"),
        (r"a valid number", "a number"),
        (r"greater than or equal to", "at least"),
        (r"less than or equal to", "at most"),
        (r"greater than", "more than"),
    )
)


class Complaint(NamedTuple):
    """key: where it stands, from the outermost name on. what: what is wrong with it. place: its file and line, if it isn't
    the key's."""

    key: Key
    what: str
    place: str = ""

    def __str__(self) -> str:
        where = path_of(self.key)
        return f"{where}: {self.what}" if where else self.what


def path_of(key: Key) -> str:
    """As people write it: sinks[1].route.place."""
    path = ""
    for at, one in enumerate(key):
        path += f"[{one}]" if isinstance(one, int) else f".{one}" if path or at else str(one)
    return path


def refused(complaints: Iterable[Complaint], where: Callable[[Key], str]) -> InvalidConfiguration:
    """One error that says them all, a line each. where: the file and line of a key, or nothing."""
    lines = []
    for one in complaints:
        place = one.place or where(one.key)
        lines.append(f"{place}: {one}" if place else str(one))
    return InvalidConfiguration("\n".join(lines))


def nearest(name: Any, known: Iterable[str]) -> str:
    """The words "; did you mean …?" if there is one that is near, else nothing."""
    close = get_close_matches(str(name), list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def complaints_of(error: "ValidationError", model: "type[BaseModel]") -> Iterator[Complaint]:
    """What pydantic says, in these words."""
    for one in error.errors():
        key: Key = one["loc"]
        kind, given = one["type"], one["input"]
        if kind == "extra_forbidden":
            known = list(_fields_at(model, key[:-1]))
            way = nearest(key[-1], known) or f"; there are {shortened(', '.join(known), 400)}"
            yield Complaint(key, f"there is no such key{way}")
        elif kind == "missing":
            yield Complaint(key, "it is needed, and isn't there")
        elif kind == "value_error":
            yield Complaint(key, str(one["ctx"]["error"]))
        else:
            choices = _QUOTED.findall(str(one.get("ctx", {}).get("expected", ""))) if kind == "literal_error" else []
            yield Complaint(key, f"{_expected(one['msg'])}, got {described(given)}{nearest(given, choices)}")


def in_words(error: "ValidationError") -> str:
    """Of one value that may be of several types: what each of them expected."""
    return " or ".join(dict.fromkeys(_expected(one["msg"]) for one in error.errors())).replace(" or expected", " or")


def _expected(message: str) -> str:
    said = re.sub(r"^Input should be ", "expected ", message)
    for pattern, words in _WORDS:
        said = pattern.sub(words, said)
    return said


def _fields_at(model: "type[BaseModel]", key: Sequence[str | int]) -> Iterable[str]:
    """The names that the mapping at this key may have."""
    from pydantic import BaseModel

    at: Any = model
    for one in key:
        if isinstance(one, str):
            at = at.model_fields[one].annotation
        at = next((inner for inner in _within(at) if isinstance(inner, type) and issubclass(inner, BaseModel)), None)
        if at is None:
            return ()
    return at.model_fields  # type: ignore[no-any-return]


def _within(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _within(inner)

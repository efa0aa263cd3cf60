"""The tree of errors, as its docstring draws it, and as it crosses process boundaries."""

import inspect
import pickle
import re

import pytest

from asynclog import errors
from asynclog.errors import AsynclogError, InvalidValue

ALL = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, AsynclogError)]


def test_the_docstring_draws_every_error_under_its_parents() -> None:
    assert errors.__doc__ is not None
    drawn: dict[str, tuple[str, str | None]] = {}
    above: dict[int, str] = {}
    for indent, name, builtin in re.findall(r"^([│├└─ ]*)(\w+)(?: +\((\w+)\))?", errors.__doc__, re.MULTILINE):
        if hasattr(errors, name):
            depth = len(indent) // 4
            above[depth] = name
            drawn[name] = (above.get(depth - 1, "Exception"), builtin or None)
    real = {
        one.__name__: (one.__bases__[0].__name__, one.__bases__[1].__name__ if len(one.__bases__) > 1 else None) for one in ALL
    }
    assert drawn == real


@pytest.mark.parametrize("error", ALL)
def test_every_error_crosses_a_process_boundary(error: type[AsynclogError]) -> None:
    made = InvalidValue(kind="k", expected="e", got="g") if error is InvalidValue else error("why")
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is error
    assert str(again) == str(made)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ({}, "image: expected pixels, got a cat"),
        ({"key": "k"}, "image 'k': expected pixels, got a cat"),
        ({"key": "k", "namespace": "n"}, "image 'n/k': expected pixels, got a cat"),
        ({"key": "k", "hint": "draw it"}, "image 'k': expected pixels, got a cat; draw it"),
    ],
)
def test_an_invalid_value_says_which_what_was_expected_and_what_came(where: dict[str, str], text: str) -> None:
    error = InvalidValue(kind="image", expected="pixels", got="a cat", **where)  # type: ignore[arg-type]
    assert str(error) == text
    again = pickle.loads(pickle.dumps(error))
    assert (again.kind, again.expected, again.got, again.hint) == ("image", "pixels", "a cat", where.get("hint"))
    assert isinstance(error, ValueError)

"""Whether arguments fit what is to be called with them: their names by its signature, their values by its annotations.

Values are judged as JSON is, by pydantic and strictly: a list does for a tuple, text does for a path, but "3" for no number.
Without pydantic only names are.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_type_hints

from asynclog.logger.naming import described


def unfit(make: Callable[..., Any], arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong, each as the argument's name and why; a list that is empty if nothing is."""
    wanted = parameters(make)
    takes_any = any(one.kind is one.VAR_KEYWORD for one in inspect.signature(make).parameters.values())
    hints = annotations(make)
    for name, given in arguments.items():
        if name not in wanted and not takes_any:
            close = get_close_matches(name, list(wanted), 1)
            way = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(wanted) or 'none'}"
            yield name, f"there is no such setting; {way}"
        elif name in hints:
            yield from ((f"{name}{inside}", why) for inside, why in _misfits(hints[name], given))
    for name, one in wanted.items():
        if one.default is one.empty and name not in arguments:
            yield name, "it is needed, and has no default"


def parameters(make: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Those that a mapping of arguments can name."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: one for name, one in inspect.signature(make).parameters.items() if one.kind in named}


def annotations(make: Callable[..., Any]) -> dict[str, Any]:
    """The types of its arguments; none of them where one can't be told at run time."""
    function = make.__init__ if isinstance(make, type) else make  # type: ignore[misc]
    try:
        return get_type_hints(function)
    except (NameError, TypeError):
        return {}


def _misfits(wanted: Any, given: Any) -> Iterator[tuple[str, str]]:
    """Where in it, and why."""
    try:
        from pydantic import ConfigDict, TypeAdapter, ValidationError
        from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
    except ImportError:
        return
    try:
        text = json.dumps(given)
    except (TypeError, ValueError):
        return  # an object of the caller's: whoever is given it will look at it
    try:
        # What is no plain type (a stream, a callback) can't be written in a file, and is never judged.
        adapter = TypeAdapter(wanted, config=ConfigDict(strict=True))
    except (PydanticSchemaGenerationError, PydanticUserError):
        return
    try:
        adapter.validate_json(text)
    except ValidationError as error:
        from asynclog.config.complaints import in_words, path_of

        errors = error.errors()
        alone = len(errors) == 1
        inside = path_of(("", *errors[0]["loc"])) if alone else ""
        yield inside, f"{in_words(error)}, got {described(errors[0]['input'] if alone else given)}"
